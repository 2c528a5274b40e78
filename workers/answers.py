"""Job: forget stored answers once they are older than they are kept, in bounded steps."""

from datetime import timedelta
from typing import Any

from service.http.idempotency import forget_answers
from service.resources import Resources

STEP = 2_000  # answers of one transaction
STEPS_MAX = 500  # of one job; the next one goes on


async def forget_old_answers(ctx: dict[str, Any]) -> int:
    """Forget old answers, live and sandbox, and return how many. Idempotent."""
    forgotten = 0
    for environment in ("resources", "sandbox"):
        resources: Resources = ctx[environment]
        kept = timedelta(days=resources.settings.answer_retention_days)
        for _ in range(STEPS_MAX):
            async with resources.sessions() as session, session.begin():
                count = await forget_answers(session, before=resources.clock() - kept, most=STEP)
            forgotten += count
            if count < STEP:
                break
    return forgotten
