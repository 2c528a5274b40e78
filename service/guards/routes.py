"""HTTP for the guards: what is held, and letting it in again."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping

from service.errors import HoldNotFound
from service.guards import store
from service.guards.release import release_hold
from service.http.dependencies import Now, Transaction
from service.http.pages import Order, Page, Paging
from service.http.problems import documented
from service.http.times import Day, day_of, moment_of
from service.partners.dependencies import ThisCaller

router = APIRouter(
    prefix="/v1/holds", tags=["Operations"], responses=documented(401, 403, 422, 503)
)

READERS = ("operator", "auditor")  # of everybody's holds
Milligrams = Annotated[str, Field(pattern=r"^-?[0-9]+$", description="Milligrams CO2e.")]
Name = Annotated[str, Path(min_length=1, max_length=64)]
NEWEST: Order[RowMapping, tuple[datetime, str, str, date]] = Order(
    lambda row: (row["opened_at"], row["partner"], row["activity"], row["local_day"]),
    lambda parts: (
        moment_of(parts[0]), parts[1], parts[2], day_of(parts[3]),
    ),
    (datetime(9999, 1, 1, tzinfo=UTC), "\U0010ffff", "\U0010ffff", date.max),
)  # fmt: skip


class HoldView(BaseModel):
    """A partner's day of one activity whose mean was implausible; means are mg an action."""

    partner: str
    activity: str
    local_day: date
    actions: int
    mean_mg: Milligrams
    least_mg: Milligrams
    most_mg: Milligrams
    opened_at: datetime
    released_at: datetime | None
    released_by: str | None
    reason: str | None


class Release(BaseModel):
    """Why the carbon is let in: what was looked at, and what was found."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[
        str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x08\x0e-\x1f\x7f]+$")
    ]


@router.get("")
async def holds(
    caller: ThisCaller,
    session: Transaction,
    page: Paging,
    active: Annotated[bool | None, Query(description="Only active or only released ones.")] = None,
) -> Page[HoldView]:
    """What is or was held, newest first: operators and auditors see all, a partner its own."""
    caller.need_key()
    caller.need("actions:read", *READERS)
    of = None if any(map(caller.may, READERS)) else caller.partner
    return await page.of(
        NEWEST,
        lambda before, limit: store.holds_before(
            session, before=before, active=active, of=of, limit=limit
        ),
        view_of,
    )


@router.post("/{partner}/{activity}/{local_day}/release", responses=documented(400, 404, 413))
async def release(
    partner: Name,
    activity: Name,
    local_day: Day,
    why: Release,
    caller: ThisCaller,
    session: Transaction,
    now: Now,
) -> HoldView:
    """Let held carbon into the total again, for good. A second release changes nothing."""
    caller.need("operator")
    found = await release_hold(
        session,
        partner=partner,
        activity=activity,
        day=local_day,
        by=caller.name,
        reason=why.reason,
        now=now,
    )
    found = found or await store.find(session, partner=partner, activity=activity, day=local_day)
    if found is None:
        raise HoldNotFound(f"No carbon of {partner}, {activity} on {local_day} was ever held.")
    return view_of(found)


def view_of(row: RowMapping) -> HoldView:
    """Return a hold on the wire."""
    milligrams = {name: str(row[name]) for name in ("mean_mg", "least_mg", "most_mg")}
    return HoldView.model_validate({**row, **milligrams})
