"""HTTP for points: parse, call one use case, answer. No SQL, no rules."""

from datetime import date
from uuid import UUID

from fastapi import APIRouter, Response

from service.http.given import Now, Transaction
from service.http.pages import PAGE_DEFAULT, Cursor, Limit, Page, page_of, read_cursor
from service.http.problems import documented
from service.http.repeatable import IdempotencyKey, once
from service.partners.given import ThisCaller, ThisPerson
from service.points import store
from service.points.collect import collect_ripe
from service.points.schemas import Collected, CollectedEarning, EarningRow, EntryRow

router = APIRouter(
    prefix="/v1/people",
    tags=["People and points"],
    responses=documented(401, 403, 422, 503),
)

_FIRST_EARNING = (date.max, "")
_FIRST_ENTRY = UUID(int=2**128 - 1)


@router.post("/{subject}/collect", response_model=Collected)
async def collect(
    subject: str,
    caller: ThisCaller,
    person: ThisPerson,
    session: Transaction,
    now: Now,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Move everything that is ripe to the balance. A second call finds nothing and says 0."""

    async def write() -> Collected:
        done = await collect_ripe(session, person, now=now)
        return Collected(
            points=done.points,
            balance=done.balance,
            earnings=[
                CollectedEarning(local_day=e.local_day, activity=e.activity, points=e.points)
                for e in done.earnings
            ],
        )

    answered = await once(
        session,
        caller=caller.name,
        key=idempotency_key,
        request=b"collect " + person.id.bytes,
        now=now,
        write=write,
    )
    return Response(answered.body, headers=answered.headers, media_type="application/json")


@router.get("/{subject}/earnings")
async def earnings(
    person: ThisPerson,
    session: Transaction,
    now: Now,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = None,
) -> Page[EarningRow]:
    """What the person earned, by day and activity, newest first."""
    before = read_cursor(
        cursor, lambda parts: (date.fromisoformat(parts[0]), parts[1]), _FIRST_EARNING
    )
    rows = await store.earnings_before(session, person, before=before, limit=limit + 1, now=now)
    found = [EarningRow.model_validate(dict(row)) for row in rows]
    return page_of(found, limit, lambda row: (row.local_day, row.activity))


@router.get("/{subject}/entries")
async def entries(
    person: ThisPerson, session: Transaction, limit: Limit = PAGE_DEFAULT, cursor: Cursor = None
) -> Page[EntryRow]:
    """What changed the person's balance, newest first."""
    before = read_cursor(cursor, lambda parts: UUID(parts[0]), _FIRST_ENTRY)
    rows = await store.entries_before(session, person, before=before, limit=limit + 1)
    found = [EntryRow.model_validate(dict(row)) for row in rows]
    return page_of(found, limit, lambda row: (row.entry_id,))
