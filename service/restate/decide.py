"""What past actions are under another version, with its daily limits. Pure.

The limits of a person's day are held as in the intake: actions take their room in the order in
which they were recorded. Actions that are not restated keep the room that they have.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from methodologies.contract import Assessment, Refusal
from service.intake.day_state import DayState
from service.intake.decide import YEAR_PASSED, half_width_mg, limit_passed, limit_text
from service.intake.outcome import EXCLUDED, is_limited

# Kept out by other actions, of other people too, whatever its methodology.
KEPT_OUT = (*EXCLUDED, YEAR_PASSED)


class Value(NamedTuple):
    """What an action gives, in milligrams CO2e; `quantity_milli` thousandths of its unit."""

    methodology: str
    region: str
    outcome: str
    reason: str | None
    detail: str | None
    gross_mg: int
    avoided_mg: int
    uncertainty_mg: int
    quantity_milli: int


@dataclass(frozen=True, slots=True)
class Past:
    """An action as recorded, and its newest value.

    `was_limited`: a daily limit kept it out when it was recorded. `sequence` counts its
    restatements. `counted_level` is the evidence level that it is counted at, which may have risen
    since it was stated.
    """

    bucket: int
    person_id: UUID
    action_id: UUID
    local_day: date
    recorded_at: datetime
    partner: str
    activity: str
    region: str | None
    evidence_level: str
    counted_level: str
    scope: str
    data: dict[str, Any]
    points: int
    was_limited: bool
    is_reversed: bool
    sequence: int
    value: Value

    @property
    def is_excluded(self) -> bool:
        """Whether other actions of the person keep it out of carbon."""
        reason = self.value.reason or ""
        return self.value.outcome == "capped" and reason.startswith(KEPT_OUT)


@dataclass(frozen=True, slots=True)
class Moved:
    """An action and its value under the other version."""

    past: Past
    now: Value


Assess = Callable[[Past], Assessment | Refusal]


def restate_days(
    actions: Sequence[Past], *, from_: str, to: str, assess: Assess
) -> tuple[Moved, ...]:
    """Return the actions whose newest value is by `from_`, under `to`, by person and day.

    `actions` are all of some people's days of one activity. Reversed actions move nothing, and keep
    their room in the limits.
    """
    moved: list[Moved] = []
    ordered = sorted(actions, key=_day_key)
    for _, day in groupby(ordered, key=lambda one: (one.bucket, one.person_id, one.local_day)):
        moved += _restate_day(list(day), from_=from_, to=to, assess=assess)
    return tuple(moved)


def _day_key(one: Past) -> tuple[object, ...]:
    """By person and day, then as recorded.

    Within a batch the recorded decision tells who came first: what a limit kept out came after
    what filled it.
    """
    return (
        one.bucket,
        one.person_id,
        one.local_day,
        one.recorded_at,
        one.was_limited,
        one.action_id,
    )


def _restate_day(day: Iterable[Past], *, from_: str, to: str, assess: Assess) -> list[Moved]:
    room, moved, subject = DayState(), [], []
    for past in day:
        if past.value.methodology == from_ and not past.is_excluded:
            subject.append(past)
        else:
            take_room(room, past.value, past.points)
            if past.value.methodology == from_ and not past.is_reversed:
                moved.append(Moved(past, past.value._replace(methodology=to)))
    for past in subject:
        value = _value(past, assess(past), to, room)
        take_room(room, value, past.points)
        if not past.is_reversed:
            moved.append(Moved(past, value))
    return moved


def _value(past: Past, result: Assessment | Refusal, to: str, room: DayState) -> Value:
    if isinstance(result, Refusal):
        return Value(to, past.value.region, "refused", result.reason, result.detail, 0, 0, 0, 0)
    limit = limit_passed(result.edition, result, room)
    if limit is not None:
        detail = limit_text(limit, result.edition)
        return Value(
            to, result.region, "capped", limit, detail, result.gross_mg, 0, 0, result.quantity_milli
        )
    credited_mg = result.credited_mg
    return Value(
        to,
        result.region,
        "credited" if credited_mg else "zero",
        None,
        None,
        result.gross_mg,
        credited_mg,
        half_width_mg(credited_mg, result),
        result.quantity_milli,
    )


def takes_room(value: Value, points: int) -> bool:
    """Return whether an action counts towards the day's limits: it gave carbon, or points for its
    sum.
    """
    if value.avoided_mg:
        return True
    kept_out = value.outcome == "refused" or is_limited(value.outcome, value.reason)
    return points > 0 and not kept_out


def take_room(room: DayState, value: Value, points: int) -> None:
    """Let an action take its room in the day's limits."""
    if takes_room(value, points):
        room.actions += 1
        room.gross_mg += value.gross_mg
        room.quantity_milli += value.quantity_milli


class RoomChange(NamedTuple):
    """What a restatement changes in a day's room: `earning` keeps it for events that come later."""

    actions: int
    gross_mg: int
    quantity_milli: int


def room_change(moved: Moved) -> RoomChange:
    """Return the change of one action."""
    before, after = DayState(), DayState()
    take_room(before, moved.past.value, moved.past.points)
    take_room(after, moved.now, moved.past.points)
    return RoomChange(
        after.actions - before.actions,
        after.gross_mg - before.gross_mg,
        after.quantity_milli - before.quantity_milli,
    )
