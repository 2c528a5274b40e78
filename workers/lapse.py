"""Job: lapse what was not collected in time, one transaction a chunk."""

import logging
from typing import Any

from service.points.lapse import FIRST, lapse_chunk
from service.resources import Resources

_log = logging.getLogger(__name__)


async def lapse_points(ctx: dict[str, Any]) -> int:
    """Lapse what is due and return how many points did; other workers find nothing left."""
    resources: Resources = ctx["resources"]
    points, after = 0, FIRST
    while True:
        async with resources.sessions() as session, session.begin():
            chunk = await lapse_chunk(session, now=resources.clock(), after=after)
        points += chunk.points
        if chunk.last is None:
            break
        after = chunk.last
    if points:
        _log.info("%s points lapsed", points)
    return points
