"""Job: have the months of the coming weeks ready, so that no event waits for a table."""

from datetime import timedelta
from typing import Any

from service.intake.address import OUTSIDE, month_of
from service.intake.store import open_months as open_partitions
from service.resources import Resources

AHEAD = (timedelta(days=0), timedelta(days=31), timedelta(days=62))


async def open_months(ctx: dict[str, Any]) -> None:
    """Make the tables of the coming months. Idempotent: a table that is there stays."""
    resources: Resources = ctx["resources"]
    today = resources.clock().date()
    months = sorted({month_of(today + ahead) for ahead in AHEAD} - {OUTSIDE})
    async with resources.pool.acquire() as connection, connection.transaction():
        await open_partitions(connection, months)
