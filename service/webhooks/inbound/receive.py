"""Use case: take a merchant's message: verify, claim, map, report, settle.

Idempotent by the message's id: an accepted message gets its answer again. One that failed is
mapped again each time it comes, since its connector may have been mended.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.actions.read import find_action
from service.actions.receipt import counted_region
from service.actions.reverse import reverse_action
from service.clock import uuid7
from service.customers.store import customers_accounts
from service.errors import (
    ActionNotFound,
    ActionNotReversible,
    MessageConflict,
    ServiceError,
    TooMany,
    Unavailable,
)
from service.http.problems import problem_of, status_of
from service.http.quota import REQUEST_COST, Quota
from service.intake.event import CloudEvent, InvalidEvent
from service.intake.report import Intake, Rejected, Result
from service.partners.caller import Caller
from service.partners.person import PersonHasher
from service.webhooks.inbound import store
from service.webhooks.inbound.connectors import CompiledConnector, Connectors, about
from service.webhooks.inbound.inbox import ACCEPTED, QUARANTINED, Inbox, Message, SettledMessage
from service.webhooks.inbound.mappers import Mappers
from service.webhooks.inbound.mapping import Mapped, Reversal
from service.webhooks.inbound.verify import message_key

REJECTIONS_A_MINUTE = 60  # of one connector: what is turned away is shown, but not without end
NOTHING_TO_REVERSE = "nothing_to_reverse"
REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to a message; `outcomes` count its results, none when it is a stored answer."""

    status: int
    body: bytes
    replayed: bool
    outcomes: Counter[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of each thing in a payload, in its order."""

    rows: list[dict[str, object]]
    outcomes: Counter[str]
    errors: list[ServiceError]
    pointers: list[tuple[str, str, UUID]]


class Hooks:
    """Takes merchants' messages in one environment."""

    def __init__(
        self,
        connectors: Connectors,
        inbox: Inbox,
        intake: Intake,
        hasher: PersonHasher,
        sessions: async_sessionmaker[AsyncSession],
        quota: Quota,
        mappers: Mappers,
    ) -> None:
        self._quota = quota
        self.mappers = mappers
        self.connectors = connectors
        self.inbox = inbox
        self.intake = intake
        self._hasher = hasher
        self._sessions = sessions
        self._rejections: Counter[tuple[str, int]] = Counter()

    async def take(
        self, connector: CompiledConnector, headers: Mapping[str, str], body: bytes
    ) -> Taken:
        """Take a message; an error that it raises is shown in the connector's log, too."""
        now = self.intake.clock()
        try:
            connector.check(now)
            how = connector.mapping.config.signature
            key = message_key(how, connector.secrets, headers=headers, body=body, now=now)
            await self._charge(connector.caller, REQUEST_COST)
        except ServiceError as error:
            await self.reject(connector.connector_id, len(body), error)
            raise
        message = Message(
            connector.connector_id, key, uuid7(now), sha256(body).digest(), len(body), now
        )
        stored = await self.inbox.claim(message)
        if stored.digest != message.digest:
            conflict = MessageConflict(
                f"A message {key!r} came before with another body. The first one stands; sign a "
                "new message with a new id."
            )
            await self.reject(connector.connector_id, len(body), conflict)
            raise conflict
        if stored.state == ACCEPTED and stored.answer is not None and stored.status is not None:
            return Taken(stored.status, stored.answer, replayed=True, outcomes=Counter())
        return await self.process(connector, message.row_key, stored.delivery_id, body)

    async def process(
        self,
        connector: CompiledConnector,
        row_key: tuple[int, str, str],
        delivery_id: UUID,
        body: bytes,
    ) -> Taken:
        """Map and report a verified body, and settle its delivery; first time and replay alike.

        Raises Unavailable with nothing settled: the same message may come again.
        """
        try:
            mapped = await self.mappers.mapped(connector.mapping, body)
            found = await self._report(connector, mapped)
        except (Unavailable, TooMany):
            raise
        except ServiceError as error:
            return await self._quarantine(connector, row_key, delivery_id, body, error, None)
        if found.errors and len(found.errors) == len(found.rows):
            return await self._quarantine(
                connector, row_key, delivery_id, body, found.errors[0], found
            )
        answer = orjson.dumps(
            {
                "delivery_id": str(delivery_id),
                "results": found.rows,
                "counts": found.outcomes,
                "skipped": mapped.skipped,
                "quarantined": bool(found.errors),
            }
        )
        await self.inbox.settle(
            SettledMessage(
                row_key,
                QUARANTINED if found.errors else ACCEPTED,
                200,
                answer,
                connector.version,
                self._sealed(connector, body) if found.errors else None,
                found.pointers,
            )
        )
        return Taken(200, answer, replayed=False, outcomes=found.outcomes)

    async def reject(self, connector_id: str, size: int, error: ServiceError) -> None:
        """Show in the connector's log that a message was turned away, up to a number a minute."""
        now = self.intake.clock()
        minute = (connector_id, int(now.timestamp()) // 60)
        if self._rejections[minute] >= REJECTIONS_A_MINUTE:
            return
        if self._rejections[minute] == 0 and len(self._rejections) > REJECTIONS_A_MINUTE:
            self._rejections.clear()
        self._rejections[minute] += 1
        await self.inbox.reject(
            connector_id,
            uuid7(now),
            size=size,
            now=now,
            status=status_of(error),
            answer=orjson.dumps(problem_of(error)),
        )

    async def _charge(self, caller: Caller, cost: int) -> None:
        """Take from the partner's quota. Raises QuotaExceeded."""
        await self._quota.spend(caller.name, cost, limit=caller.quota_per_minute)

    def _sealed(self, connector: CompiledConnector, body: bytes) -> bytes:
        """Return the payload encrypted for the quarantine, since it names people."""
        return self.connectors.vault.seal_bytes(body, about(connector.connector_id))

    async def _quarantine(
        self,
        connector: CompiledConnector,
        row_key: tuple[int, str, str],
        delivery_id: UUID,
        body: bytes,
        error: ServiceError,
        found: _Found | None,
    ) -> Taken:
        problem = {
            **problem_of(error),
            "delivery_id": str(delivery_id),
            "quarantined": True,
        }
        if found is not None and len(found.rows) > 1:
            problem["results"] = found.rows
        answer = orjson.dumps(problem)
        status = status_of(error)
        await self.inbox.settle(
            SettledMessage(
                row_key,
                QUARANTINED,
                status,
                answer,
                connector.version,
                self._sealed(connector, body),
            )
        )
        return Taken(status, answer, replayed=False, outcomes=Counter(problem=1))

    async def _report(self, connector: CompiledConnector, mapped: Mapped) -> _Found:
        """Report events first, then undo: a payload may hold an order and its refund."""
        events = [one for one in mapped.found if not isinstance(one, Reversal)]
        await self._charge(connector.caller, len(events) - REQUEST_COST if events else 0)
        results = iter(await self.intake.report(events, connector.caller) if events else ())
        reported: list[Result | Reversal] = [
            one if isinstance(one, Reversal) else next(results) for one in mapped.found
        ]
        found = _Found([], Counter(), [], [])
        for one in reported:
            if isinstance(one, Reversal):
                await self._undo(connector, one, found)
            else:
                _note(one, found, remember=connector.remembers_events)
        return found

    async def _undo(self, connector: CompiledConnector, reversal: Reversal, found: _Found) -> None:
        row: dict[str, object] = {
            "source": connector.mapping.config.source,
            "id": reversal.event_id,
        }
        try:
            row |= await self._reverse(connector, reversal)
        except ActionNotReversible as error:
            row |= {"outcome": NOTHING_TO_REVERSE, "detail": error.detail}
        except ActionNotFound as error:
            if reversal.skip_missing:
                row |= {"outcome": NOTHING_TO_REVERSE, "detail": error.detail}
            else:
                row["problem"] = problem_of(error)
                found.errors.append(error)
        except Unavailable:
            raise
        except ServiceError as error:
            row["problem"] = problem_of(error)
            found.errors.append(error)
        found.rows.append(row)
        found.outcomes[str(row.get("outcome", "problem"))] += 1

    async def _reverse(self, connector: CompiledConnector, reversal: Reversal) -> dict[str, object]:
        caller, source = connector.caller, connector.mapping.config.source
        caller.check_source(source)
        async with self._sessions() as session, session.begin():
            action_id = await store.pointed_action(session, source, reversal.event_id)
            if action_id is None and reversal.subject is not None:
                named = [self._hasher.person(one) for one in caller.subjects_for(reversal.subject)]
                for account in await customers_accounts(session, named):
                    action_id = await store.action_of(session, account, source, reversal.event_id)
                    if action_id is not None:
                        break
            if action_id is None:
                raise ActionNotFound(
                    f"No action came of an event {reversal.event_id!r} of {source!r}, so there is "
                    "nothing to reverse. When it comes later, replay this payload."
                )
            action = await find_action(session, action_id, caller, self._hasher)
            region = counted_region(self.intake.assessor.catalogue, action)
            done = await reverse_action(
                session, action, region=region, reason=reversal.reason, now=self.intake.clock()
            )
        return {
            "action_id": str(action_id),
            "outcome": REVERSED,
            "duplicate": done.replayed,
            "avoided_mg": str(done.avoided_mg),
            "points": done.points,
            "reason": done.reason,
        }


def _note(result: Result, found: _Found, *, remember: bool) -> None:
    if isinstance(result, Rejected):
        if isinstance(result.error, Unavailable) or not isinstance(result.error, ServiceError):
            raise result.error
        found.rows.append(
            {"source": result.source, "id": result.id, "problem": problem_of(result.error)}
        )
        found.outcomes["problem"] += 1
        found.errors.append(result.error)
        return
    outcome = result.outcome
    found.rows.append(outcome.wire(duplicate=result.duplicate))
    found.outcomes["duplicate" if result.duplicate else outcome.outcome] += 1
    if remember:
        found.pointers.append((outcome.source, outcome.event_id, UUID(int=outcome.action_id.int)))


def described(found: CloudEvent | InvalidEvent | Reversal | None) -> dict[str, Any] | None:
    """Return what `try` shows of an event or a reversal; of a flawed event, its problem."""
    if isinstance(found, CloudEvent):
        return {"event": orjson.loads(found.model_dump_json(exclude_none=True))}
    if isinstance(found, Reversal):
        return {
            "reversal": {
                "id": found.event_id,
                "reason": found.reason,
                "subject": found.subject,
            }
        }
    return None if found is None else {"problem": problem_of(found.error)}
