"""The projector of webhooks: journal rows become deliveries to the endpoints that asked for them.

One transaction takes marked rows, writes the deliveries and removes the marks: no notice is lost
or made twice by a crash. Rows are read in the queue's order by one projector at a time, so the
numbers of one person's notices follow the order of that person's facts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import uuid7
from service.customers.route import pairwise_of
from service.intake.outcome import Outcome, leaf_of, local_text
from service.journal.append import NOTICES
from service.journal.take import NoticedRow, forget, take_noticed
from service.partners.person import PersonHasher
from service.webhooks.outbound import store
from service.webhooks.outbound.tables import WebhookEndpoint
from service.webhooks.outbound.types import ACTION_TYPES, BATCH, TYPE_OF_OUTCOME

ROWS_MAX = 100
ACTIONS_MAX = 5_000  # of one step; a single row may hold as many as a commit
INTAKE, REVERSAL = "intake", "reversal"
LAPSED = "points.lapsed"
BUCKET_BITS = 10

Reporters = dict[tuple[UUID, date, str], list[str]]


class DatedNotice(NamedTuple):
    """A notice at a time. `partner` None: for every subscriber; `person` None: about nobody."""

    type: str
    partner: str | None
    person: UUID | None
    at: datetime
    data: dict[str, Any]


async def apply_notices(
    session: AsyncSession, hasher: PersonHasher, *, now: datetime, kept: timedelta
) -> int:
    """Turn waiting journal rows into deliveries, and return how many rows.

    People are named by a hash under the receiving partner's name: two cannot join what they know.
    `kept` is how long a disabled endpoint's messages are still made: they wait for its return.
    """
    if not await store.lock_projection(session):
        return 0
    rows = _some(await take_noticed(session, NOTICES, ROWS_MAX))
    if not rows:
        return 0
    endpoints = await store.listening_endpoints(session, now - kept)
    if endpoints:
        notices = await _notices_of(session, rows, endpoints)
        await _write(session, hasher, notices, endpoints, now)
    await forget(session, NOTICES, rows)
    return len(rows)


def _some(rows: Sequence[NoticedRow]) -> Sequence[NoticedRow]:
    """Return as many of the first rows as one step can hold."""
    total = 0
    for count, row in enumerate(rows):
        total += row.actions
        if total > ACTIONS_MAX and count:
            return rows[:count]
    return rows


async def _notices_of(
    session: AsyncSession, rows: Sequence[NoticedRow], endpoints: Sequence[WebhookEndpoint]
) -> list[DatedNotice]:
    """Return what the rows tell, in the order of their facts."""
    partners = sorted({e.partner for e in endpoints if ACTION_TYPES & set(e.types)})
    actions: dict[UUID, list[RowMapping]] = defaultdict(list)
    reversals: dict[UUID, list[RowMapping]] = defaultdict(list)
    batches = [row.batch_id for row in rows if row.kind == INTAKE]
    if batches and partners:
        for action in await store.actions_of(session, batches, partners):
            actions[action["batch_id"]].append(action)
    undone = [(row.bucket, row.batch_id) for row in rows if row.kind == REVERSAL]
    if undone and partners:
        for reversal in await store.reversals_of(session, undone):
            reversals[reversal["batch_id"]].append(reversal)
    reporters = await _reporters(session, rows, endpoints)
    notices: list[DatedNotice] = []
    for row in rows:
        notices += [_of_action(one, row) for one in _in_order(actions[row.batch_id], row.leaves)]
        notices += [_of_reversal(one, row) for one in reversals[row.batch_id]]
        for notice in row.notices:
            if notice["type"] == LAPSED:
                notices += _of_lapse(notice, row, reporters)
            else:
                notices.append(_of_notice(notice, row))
    return notices


async def _reporters(
    session: AsyncSession, rows: Sequence[NoticedRow], endpoints: Sequence[WebhookEndpoint]
) -> Reporters:
    """Return who reported what the points came of that lapsed."""
    partners = sorted({endpoint.partner for endpoint in endpoints if LAPSED in endpoint.types})
    earnings = {
        (row.bucket, *key)
        for row in rows
        for notice in row.notices
        if notice["type"] == LAPSED
        for key in _earnings(notice)
    }
    return await store.reporters_of(session, earnings, partners) if earnings and partners else {}


def _earnings(notice: dict[str, Any]) -> list[tuple[UUID, date, str]]:
    person = UUID(notice["person_id"])
    return [
        (person, date.fromisoformat(one["local_day"]), one["activity"])
        for one in notice["data"]["earnings"]
    ]


def _of_lapse(
    notice: dict[str, Any], row: NoticedRow, reporters: Reporters
) -> Iterator[DatedNotice]:
    """Yield a notice to each partner about the lapsed earnings that its own reports added to."""
    of_partner: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for key, earning in zip(_earnings(notice), notice["data"]["earnings"], strict=True):
        for partner in reporters.get(key, ()):
            of_partner[partner].append(earning)
    for partner, earnings in sorted(of_partner.items()):
        data = {
            **notice["data"],
            "points": sum(earning["points"] for earning in earnings),
            "earnings": earnings,
        }
        yield DatedNotice(LAPSED, partner, UUID(notice["person_id"]), row.recorded_at, data)


def _in_order(actions: Sequence[RowMapping], leaves: bytes) -> list[RowMapping]:
    """Return the actions of a batch in the order in which they were decided: that of its leaves."""
    if len(actions) < 2:
        return list(actions)
    offsets = {leaves[at : at + 32]: at for at in range(0, len(leaves), 32)}
    return sorted(actions, key=lambda action: offsets[_leaf(action)])


def _leaf(action: RowMapping) -> bytes:
    named = {name: action[name] for name in Outcome._fields}
    return leaf_of(Outcome(**named), action["gross_mg"], action["salt"])


def _of_action(action: RowMapping, row: NoticedRow) -> DatedNotice:
    offset = action["utc_offset_min"]
    return DatedNotice(
        TYPE_OF_OUTCOME[action["outcome"]],
        action["partner"],
        action["person_id"],
        row.recorded_at,
        {
            "action_id": str(action["action_id"]),
            "source": action["source"],
            "id": action["event_id"],
            "activity": action["activity"],
            "region": action["region"],
            "occurred_at": local_text(action["occurred_at"], offset),
            "local_day": action["local_day"].isoformat(),
            "outcome": action["outcome"],
            "reason": action["reason"],
            "detail": action["detail"],
            "avoided_mg": str(action["avoided_mg"]),
            "points": action["points"],
            "methodology": action["methodology"],
            "evidence_level": action["evidence_level"],
            "scope": action["scope"],
            "ripens_at": local_text(action["ripens_at"], offset),
        },
    )


def _of_reversal(reversal: RowMapping, row: NoticedRow) -> DatedNotice:
    return DatedNotice(
        "action.reversed",
        reversal["partner"],
        reversal["person_id"],
        row.recorded_at,
        {
            "action_id": str(reversal["action_id"]),
            "source": reversal["source"],
            "id": reversal["event_id"],
            "activity": reversal["activity"],
            "local_day": reversal["local_day"].isoformat(),
            "reason": reversal["reason"],
            "avoided_mg": str(reversal["avoided_mg"]),
            "points": reversal["points"],
            "from_earning": reversal["from_earning"],
            "from_balance": reversal["from_balance"],
            "as_debt": reversal["as_debt"],
        },
    )


def _of_notice(notice: dict[str, Any], row: NoticedRow) -> DatedNotice:
    person = notice["person_id"]
    return DatedNotice(
        notice["type"],
        notice["partner"],
        None if person is None else UUID(person),
        row.recorded_at,
        notice["data"],
    )


async def _write(
    session: AsyncSession, hasher: PersonHasher, notices: Sequence[DatedNotice],
    endpoints: Sequence[WebhookEndpoint], now: datetime,
) -> None:  # fmt: skip
    """Write each endpoint's messages, its notices numbered by person."""
    wanted = {endpoint.endpoint_id: _wanted(endpoint, notices) for endpoint in endpoints}
    counts = [
        (endpoint.bucket, endpoint.endpoint_id, person, count)
        for endpoint in endpoints
        for person, count in Counter(
            one.person for one in wanted[endpoint.endpoint_id] if one.person is not None
        ).items()
    ]
    last = await store.count_on(session, counts) if counts else {}
    for _, endpoint_id, person, count in counts:
        last[endpoint_id, person] -= count
    deliveries = [
        new_delivery(endpoint, name, count, body, now)
        for endpoint in endpoints
        for name, count, body in _messages(endpoint, hasher, wanted[endpoint.endpoint_id], last)
    ]
    if deliveries:
        await store.add_deliveries(session, deliveries, now)


def _wanted(endpoint: WebhookEndpoint, notices: Sequence[DatedNotice]) -> list[DatedNotice]:
    types, partner = frozenset(endpoint.types), endpoint.partner
    return [one for one in notices if one.type in types and one.partner in (None, partner)]


def _messages(
    endpoint: WebhookEndpoint,
    hasher: PersonHasher,
    notices: Sequence[DatedNotice],
    last: dict[tuple[UUID, UUID], int],
) -> Iterator[tuple[str, int, bytes]]:
    """Yield (type, notices, body) of each message.

    Actions share a message, as many as the endpoint takes in one.
    """
    actions: list[dict[str, Any]] = []
    for one in notices:
        data = one.data
        if one.person is not None:
            key = endpoint.endpoint_id, one.person
            last[key] += 1
            person = pairwise_of(hasher, endpoint.partner, one.person)
            data = {"person": str(person), "sequence": last[key], **data}
        message = {"type": one.type, "timestamp": one.at.isoformat(), "data": data}
        if endpoint.batch_max > 1 and one.type in ACTION_TYPES:
            actions.append(message)
        else:
            yield one.type, 1, orjson.dumps(message)
    for at in range(0, len(actions), endpoint.batch_max):
        some = actions[at : at + endpoint.batch_max]
        batch = {"type": BATCH, "timestamp": some[-1]["timestamp"], "data": {"actions": some}}
        yield BATCH, len(some), orjson.dumps(batch)


def new_delivery(
    endpoint: WebhookEndpoint, name: str, notices: int, body: bytes, now: datetime
) -> store.NewDelivery:
    """Return a message with an id of its own, whose last ten bits are the endpoint's bucket."""
    delivery_id = UUID(int=uuid7(now).int >> BUCKET_BITS << BUCKET_BITS | endpoint.bucket)
    return store.NewDelivery(
        endpoint.bucket, delivery_id, endpoint.endpoint_id, name, notices, body
    )
