"""Job: make the leaderboards of the regions anew."""

from typing import Any

from service.friends import leaderboard
from service.points.policy import load_policy, today_of
from service.resources import Resources


async def rank_regions(ctx: dict[str, Any]) -> None:
    """Rank all regions by the earnings as they are now. Idempotent."""
    resources: Resources = ctx["resources"]
    today = today_of(load_policy(resources.settings.policy), resources.clock())
    async with resources.sessions() as session, session.begin():
        await leaderboard.rank_regions(session, today)
