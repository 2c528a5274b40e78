"""Use case: keep the log of deliveries bounded."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.webhooks.outbound import store
from service.webhooks.outbound.schedule import GIVE_UP_AFTER

AT_ONCE = 2_000


async def sweep(session: AsyncSession, *, now: datetime, kept: timedelta) -> int:
    """Give up what waited too long, forget what is older than `kept`, and return how many.

    A step of bounded size: call it until it returns 0.
    """
    given_up = await store.give_up_before(session, now - GIVE_UP_AFTER, now, AT_ONCE)
    return given_up + await store.forget_before(session, now - kept, AT_ONCE)
