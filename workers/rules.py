"""Job: write down which policy and versions are in force, when they are others than before."""

from typing import Any

from service.acting import Actor, acting
from service.resources import Resources
from service.restate import in_force


async def note_rules(ctx: dict[str, Any]) -> None:
    """Look at the files that programs start with. Idempotent."""
    resources: Resources = ctx["resources"]
    with acting(Actor("worker", "rules")):
        async with resources.sessions() as session, session.begin():
            await in_force.note_rules(session, resources.settings, now=resources.clock())
