"""HTTP for points: parse, call one use case, answer. No SQL, no rules."""

from datetime import date
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter
from sqlalchemy import RowMapping

from service.http.dependencies import (
    Now,
    Transaction,
    one_statement_or,
    optional_body,
    resources_of,
)
from service.http.idempotency import KEY_CHARS_MAX, KEY_DESCRIPTION, key_of, write_once
from service.http.pages import Order, Page, Paging, newest_first
from service.http.problems import documented
from service.http.times import day_of, whole_of
from service.partners.dependencies import (
    ThisCaller,
    ThisHasher,
    ThisPerson,
    caller_of,
    hasher_of,
    person_of,
)
from service.partners.idempotent import idempotent
from service.partners.person import PersonId
from service.partners.proposing import WITH_PROPOSAL, ThisProposing, answers_202
from service.partners.schemas import Proposed
from service.points import store
from service.points.changes import GRANT, GrantBody
from service.points.collect import EarningKey, collect_ripe
from service.points.schemas import (
    Collected,
    CollectedEarning,
    EarningRow,
    EntryRow,
    Granted,
    GrantRequest,
    WhichEarning,
)

router = APIRouter(
    prefix="/v1/people",
    tags=["People and points"],
    responses=documented(401, 403, 422, 503),
)

_BY_DAY: Order[RowMapping, tuple[date, str, int]] = Order(
    lambda row: (row["local_day"], row["activity"], row["round"]),
    lambda parts: (day_of(parts[0]), parts[1], whole_of(parts[2])),
    (date.max, "", 0),
)
_JSON = "application/json"
_WHICH: TypeAdapter[WhichEarning | None] = TypeAdapter(WhichEarning | None)
_COLLECTED: dict[str, Any] = {
    "parameters": [
        {"name": "subject", "in": "path", "required": True, "schema": {"type": "string"}},
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX},
            "description": KEY_DESCRIPTION,
        },
    ],
    "requestBody": {
        "required": False,
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/WhichEarning"}}},
    },
}


@router.post(
    "/{subject}/collect",
    response_model=Collected,
    responses=documented(404, 409),
    openapi_extra=_COLLECTED,
)
async def collect(request: Request) -> Response:
    """Move what is ripe to the balance: everything, or the one earning of the body.

    A second call finds nothing and says 0.
    """
    # Everybody comes at seven in the morning: the framework's dependencies would cost more than
    # the statement does, so the request is asked for its parts here.
    resources = await resources_of(request)
    caller = await caller_of(request)
    subject = request.scope["path"].split("/")[-2]
    hasher = await hasher_of(request)
    person = await person_of(subject, caller, hasher)
    key = key_of(request)
    which = await optional_body(request, _WHICH)
    one = None if which is None else EarningKey(which.local_day, which.activity)
    now = resources.clock()
    async with one_statement_or(resources, key) as session:

        async def write() -> Collected:
            done = await collect_ripe(session, person, which=one, now=now)
            return Collected(
                points=done.points,
                balance=done.balance,
                earnings=[
                    CollectedEarning(local_day=e.local_day, activity=e.activity, points=e.points)
                    for e in done.earnings
                ],
            )

        answered = await write_once(
            session,
            caller=caller.name,
            key=key,
            request=b"collect " + person.id.bytes + (str(which).encode() if which else b""),
            about=person.id,
            keyed=hasher.digest,
            now=now,
            write=write,
        )
    return Response(answered.body, headers=answered.headers, media_type=_JSON)


def _grantee(subject: str, caller: ThisCaller, hasher: ThisHasher) -> PersonId:
    """The person in the path, for an operator. Raises ScopeMissing for anybody else, and
    PersonNotYours where the subject is a customer: nobody could spend what is granted to one."""
    caller.need("admin")
    caller.need_people()
    return hasher.person(caller.subject_for(subject))


@router.post("/{subject}/grants", status_code=201, responses={**WITH_PROPOSAL, **documented(410)})
@answers_202
@idempotent("grant", "{person.id}", "{request}", person=_grantee)
async def grant(
    request: GrantRequest, person: PersonId, session: Transaction, proposing: ThisProposing
) -> Granted | Proposed:
    """Give points that no action earned: a campaign, or a gesture. Needs the scope `admin`, and a
    second person.
    """
    wanted = GrantBody(bucket=person.bucket, person_id=person.id, **request.model_dump())
    return cast("Granted | Proposed", await proposing.make(session, GRANT, wanted))


@router.get("/{subject}/earnings")
async def earnings(
    person: ThisPerson,
    session: Transaction,
    now: Now,
    page: Paging,
) -> Page[EarningRow]:
    """What the person earned, by day and activity, newest first."""
    return await page.of(
        _BY_DAY,
        lambda before, limit: store.earnings_before(
            session, person, before=before, limit=limit, now=now
        ),
        lambda row: EarningRow.model_validate(dict(row)),
    )


@router.get("/{subject}/entries")
async def entries(person: ThisPerson, session: Transaction, page: Paging) -> Page[EntryRow]:
    """What changed the person's balance, newest first."""
    return await page.of(
        newest_first("entry_id"),
        lambda before, limit: store.entries_before(session, person, before=before, limit=limit),
        lambda row: EntryRow.model_validate(dict(row)),
    )
