"""Which actions of one person exclude each other in time: read from EXCLUSIVE.yaml. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from methodologies.document import Cursor, read_document
from methodologies.speeds import Speeds, load_speeds

FILE = Path(__file__).parent / "EXCLUSIVE.yaml"
DURATION = "duration_min"
LEG_MAX_S = 86_400  # longer "legs" are left to the sheets' own limits
DAYS_MAX = 366  # more days than a sheet lets one action take

Period = Literal["day", "month"]
PERIODS: tuple[Period, ...] = ("day", "month")


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Activities whose legs may not overlap, and by activity the others that it excludes.

    `speeds` say how long a leg takes at least that does not say it itself.

    `whole_days` names, by activity, the input that says how many whole days an action takes.
    """

    legs: frozenset[str]
    in_day: Mapping[str, frozenset[str]]
    in_month: Mapping[str, frozenset[str]]
    whole_days: Mapping[str, str]
    speeds: Speeds

    @property
    def activities(self) -> frozenset[str]:
        """Every activity that excludes another one for a period."""
        return frozenset(self.in_day) | frozenset(self.in_month)

    @property
    def named(self) -> frozenset[str]:
        """Every activity that the rules speak of."""
        return self.legs | self.activities | frozenset(self.whole_days)

    def days_of(self, activity: str, last: date, data: Mapping[str, object]) -> tuple[date, ...]:
        """The whole days that an action takes, in order; its own is the last. None: empty.

        `data` was read by the sheet, so the number is a whole one within its limits.
        """
        name = self.whole_days.get(activity)
        if name is None:
            return ()
        count = min(int(Decimal(str(data[name]))), DAYS_MAX)
        return tuple(last - timedelta(days=ago) for ago in reversed(range(count)))

    def leg_of(
        self, activity: str, began: datetime, data: Mapping[str, object]
    ) -> tuple[int, int] | None:
        """When a leg began and ended, in seconds since 1970, the end excluded; None if unknown.

        Without a duration it lasts as long as its distance takes at least. Rounded down to a whole
        second, so that legs which touch do not overlap.
        """
        if activity not in self.legs:
            return None
        length_s = self._length_s(activity, began, data)
        if not 0 < length_s <= LEG_MAX_S:
            return None
        began_s = int(began.timestamp())
        return began_s, began_s + length_s

    def _length_s(self, activity: str, began: datetime, data: Mapping[str, object]) -> int:
        duration = data.get(DURATION)
        if duration is None:
            return self.speeds.shortest_s(activity, began.date(), data)
        if isinstance(duration, (bool, list)):
            return 0
        minutes = duration if isinstance(duration, Decimal) else Decimal(str(duration))
        return int(minutes * 60)


def load_exclusions(file: Path = FILE) -> Exclusions:
    """Read EXCLUSIVE.yaml. CatalogueBroken: it is not fit for use, with file, line and reason."""
    root = read_document(file, shown_as=file.name).table(needs=["legs", "whole_days", "periods"])
    legs = root["legs"].table(needs=["activities", "why"])
    legs["why"].text()
    found: dict[Period, dict[str, frozenset[str]]] = {period: {} for period in PERIODS}
    for _, group in root["periods"].entries():
        fields = group.table(needs=["period", "sides", "why"])
        fields["why"].text()
        rivals = found[_period(fields["period"])]
        for activity, others in _rivals(fields["sides"]).items():
            rivals[activity] = rivals.get(activity, frozenset()) | others
    return Exclusions(
        frozenset(legs["activities"].texts()),
        found["day"],
        found["month"],
        {name.text(): _input_of(entry) for name, entry in root["whole_days"].entries()},
        load_speeds(),
    )


def _input_of(cursor: Cursor) -> str:
    fields = cursor.table(needs=["input", "why"])
    fields["why"].text()
    return fields["input"].text()


def _period(cursor: Cursor) -> Period:
    value = cursor.one_of(PERIODS)
    return "day" if value == "day" else "month"


def _rivals(cursor: Cursor) -> dict[str, frozenset[str]]:
    sides = [(side, frozenset(side.texts())) for side in cursor.items()]
    if len(sides) < 2:
        raise cursor.broken("a group needs two sides or more")
    rivals: dict[str, frozenset[str]] = {}
    for side, names in sides:
        others = frozenset().union(*(other for _, other in sides if other is not names))
        if names & others:
            raise side.broken(f"{min(names & others)!r} is on two sides")
        rivals.update(dict.fromkeys(names, others))
    return rivals
