"""A step of a commit: the rides, orders and invoices behind events are claimed, once each.

An event owns all of its claims or none. A world claim that is held at L0 goes to the first report
of a partner's own record; what follows of that for the action that had it, a worker decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from service.intake import store
from service.intake.candidate import Candidate
from service.intake.claim_key import UNCOUNTED, Claim

SUPERSEDED = "superseded"
CORROBORATED = "corroborated"


class Holder(NamedTuple):
    """Whose a claim is: an action, the owner of its event, and the evidence level of the report.

    Owner and level are None for claims from before they were kept.
    """

    action_id: UUID
    owner: UUID | None
    level: str | None


class Meeting(NamedTuple):
    """A second report of what is claimed: `kind` is what may follow for the holder's action."""

    bucket: int
    person_id: UUID
    action_id: UUID
    holder_id: UUID
    kind: str


@dataclass(slots=True)
class Taken:
    """Ids of the actions whose event lost, and the meetings of reports."""

    lost: set[UUID] = field(default_factory=set)
    meetings: dict[tuple[UUID, UUID], Meeting] = field(default_factory=dict)


async def take_claims(
    connection: store.Connection, new: Sequence[Candidate], ids: Sequence[UUID]
) -> Taken:
    """Claim what the events claim, the first event of a batch first."""
    first: dict[UUID, tuple[int, UUID, UUID, UUID | None, str]] = {}
    earlier = set()
    for event, action_id in zip(new, ids, strict=True):
        for claim in event.claims:
            if claim.id not in first:
                row = (claim.bucket, claim.id, action_id, event.owner, event.evidence_level)
                first[claim.id] = row
            if claim.earlier is not None:
                earlier.add((claim.earlier.bucket, claim.earlier.id))
    if not first:
        return Taken()
    got, found = await store.take_claims(connection, sorted(first.values()), sorted(earlier))
    others = [row[:2] for row in first.values() if row[1] not in got]
    held = {
        key: Holder(*row) for key, row in (await store.holders(connection, sorted(others))).items()
    }
    before = dict(held) | {
        key: Holder(row[2], row[3], row[4]) for key, row in first.items() if key in got
    }
    reported = await _reporters(connection, found)
    taken = _settle(new, ids, held, reported)
    moved = [
        (first[key][0], key, held.get(key)) for key in first if held.get(key) != before.get(key)
    ]
    await store.move_claims(connection, sorted(moved, key=lambda one: one[:2]))
    await store.note_meetings(connection, sorted(taken.meetings.values()))
    return taken


async def _reporters(
    connection: store.Connection, found: Iterable[tuple[UUID, UUID]]
) -> set[tuple[UUID, str]]:
    """Return the earlier forms of claims that are taken, and the partner of each."""
    return {
        (key, partner)
        for key, action_id in found
        if (partner := await store.partner_of(connection, action_id)) is not None
    }


def _settle(
    new: Sequence[Candidate],
    ids: Sequence[UUID],
    held: dict[UUID, Holder],
    reported: set[tuple[UUID, str]],
) -> Taken:
    """Give each event its claims, or none. `held` is what others hold, and what is held after."""
    taken = Taken()
    for event, action_id in zip(new, ids, strict=True):
        mine = Holder(action_id, event.owner, event.evidence_level)
        rivals = {
            claim: held[claim.id]
            for claim in event.claims
            if claim.id in held and not _is_own(held[claim.id], mine)
        }
        is_earlier = any(
            claim.earlier is not None and (claim.earlier.id, event.partner) in reported
            for claim in event.claims
        )
        if not is_earlier and all(_outdoes(mine, *rival) for rival in rivals.items()):
            held.update((claim.id, mine) for claim in event.claims)
            kind = SUPERSEDED
        else:
            taken.lost.add(action_id)
            kind = CORROBORATED
        _note(taken, event, mine, rivals, kind)
    return taken


def _is_own(holder: Holder, mine: Holder) -> bool:
    return holder.owner is not None and holder.owner == mine.owner


def _outdoes(mine: Holder, claim: Claim, holder: Holder) -> bool:
    """Whether a partner's own record takes a claim from what somebody only declared."""
    return claim.is_world and holder.level == UNCOUNTED and mine.level != UNCOUNTED


def _note(
    taken: Taken, event: Candidate, mine: Holder, rivals: dict[Claim, Holder], kind: str
) -> None:
    """Note what may follow of a meeting: nothing for claims of reporters, or for a report of L0."""
    for claim, holder in rivals.items():
        if claim.is_world and mine.level != UNCOUNTED:
            meeting = Meeting(event.bucket, event.person_id, mine.action_id, holder.action_id, kind)
            taken.meetings[mine.action_id, holder.action_id] = meeting
