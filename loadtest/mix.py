"""The documented mix of events that the load test and the benchmark send. Standard library only.

The shares are a choice, not a measurement: commuting makes most events, as in the published
accounts of Ant Forest, and every activity of the catalogue takes part.

    activity         share   source     what it claims
    transit.metro    35 %    metro-bj   the trip
    transit.bus      20 %    bus-bj     the trip
    cycle.bike       20 %    bike       the ride
    food.no_cutlery  12 %    eats       the order
    paper.einvoice    8 %    mall       the invoice
    pack.box_reuse    5 %    parcel     the drop-off

Of all events 1 % are repeats (same content), 0.5 % report somebody else's trip, order or invoice,
and 1 % are implausible. One person in a hundred is hot: together these make a tenth of the events,
so that caps are reached. Times lie in the last two days, Beijing time; the region is CN throughout.
"""

import json
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
TIMES = 2_000  # different times in a mix; made once, since making one costs more than an event
TIMES_SPAN_S = 48 * 3600

PEOPLE = 50_000
HOT_PEOPLE = 0.01
HOT_EVENTS = 0.10
REPEATS = 0.010
SECOND_REPORTERS = 0.005
IMPLAUSIBLE = 0.010
RECENT = 4_096  # events that a repeat or a second reporter may refer to
PROBE_ACTIVITY = "cycle.ebike"

SHARES = {
    "transit.metro": 35,
    "transit.bus": 20,
    "cycle.bike": 20,
    "food.no_cutlery": 12,
    "paper.einvoice": 8,
    "pack.box_reuse": 5,
}
SOURCES = {
    "transit.metro": "metro-bj",
    "transit.bus": "bus-bj",
    "cycle.bike": "bike",
    "food.no_cutlery": "eats",
    "paper.einvoice": "mall",
    "pack.box_reuse": "parcel",
}


@dataclass(frozen=True, slots=True)
class MixEvent:
    """An event as JSON text, and the parts that a second reporter repeats."""

    text: str
    activity: str
    data: str
    time: str


@dataclass(slots=True)
class Mix:
    """The mix makes new events about `people` people without end.

    Ids start with a fresh token, so that two runs never send the same event.
    """

    people: int
    seed: int
    prefix: str = field(default_factory=lambda: secrets.token_hex(5))
    _made: int = 0
    _random: random.Random = field(init=False)
    _times: list[str] = field(init=False)
    _recent: list[MixEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        now = datetime.now(UTC).astimezone(BEIJING)
        self._times = [
            (now - timedelta(seconds=self._random.randrange(1, TIMES_SPAN_S))).isoformat(
                timespec="seconds"
            )
            for _ in range(TIMES)
        ]

    def event(self) -> str:
        """The next event, as JSON in CloudEvents' structured form."""
        chance = self._random.random()
        if chance < REPEATS and self._recent:
            return self._random.choice(self._recent).text
        if chance < REPEATS + SECOND_REPORTERS and self._recent:
            return self._again(self._random.choice(self._recent)).text
        made = self._new(implausible=chance > 1 - IMPLAUSIBLE)
        if len(self._recent) < RECENT:
            self._recent.append(made)
        else:
            self._recent[self._made % RECENT] = made
        return made.text

    def events(self, count: int) -> list[str]:
        """The next `count` events."""
        return [self.event() for _ in range(count)]

    def batch(self, count: int) -> str:
        """The next `count` events as a batch."""
        return f"[{','.join(self.events(count))}]"

    def person(self) -> str:
        """A subject: a hot one for a tenth of the calls."""
        if self._random.random() < HOT_EVENTS:
            return subject(self._random.randrange(self._hot))
        return subject(self._random.randrange(self._hot, max(self.people, self._hot + 1)))

    def seeded(self, number: int) -> str:
        """The subject of one of those who have points before the load begins: half are hot."""
        return subject(number // 2 if number % 2 == 0 else self._hot + number // 2)

    @property
    def _hot(self) -> int:
        return max(1, int(self.people * HOT_PEOPLE))

    def _new(self, *, implausible: bool) -> MixEvent:
        if implausible:
            activity, minutes = "transit.metro", ',"duration_min":"2"'  # 2 minutes for 30 km
        else:
            activity, minutes = self._random.choices(_NAMES, cum_weights=_WEIGHTS)[0], ""
        self._made += 1
        name = f"{self.prefix}-{self._made}"
        data = _DATA[activity](self._random, name, minutes)
        return self._event(activity, data, self._random.choice(self._times))

    def _again(self, first: MixEvent) -> MixEvent:
        """The same trip, order or invoice, reported for another person under another id."""
        self._made += 1
        return self._event(first.activity, first.data, first.time)

    def _event(self, activity: str, data: str, time: str) -> MixEvent:
        text = (
            f'{{"specversion":"1.0","id":"{self.prefix}-{self._made}",'
            f'"source":"{SOURCES[activity]}","type":"{activity}","subject":"{self.person()}",'
            f'"time":"{time}","data":{data}}}'
        )
        return MixEvent(text, activity, data, time)


def subject(number: int) -> str:
    """The app's id of a person."""
    return f"load-{number:07d}"


def probe(name: str) -> str:
    """A ride of a kind that the mix never has: its arrival in the totals is seen.

    Each is of a person of its own, so that no cap stops it.
    """
    now = datetime.now(BEIJING).isoformat(timespec="seconds")
    return (
        f'{{"specversion":"1.0","id":"{name}","source":"bike","type":"{PROBE_ACTIVITY}",'
        f'"subject":"{name}","time":"{now}",'
        f'"data":{{"distance_km":"5.0","trip_id":"{name}","region":"CN"}}}}'
    )


def probes_in(totals: bytes) -> int:
    """How many probes the answer of GET /v1/totals counts."""
    activities = json.loads(totals)["by_activity"]
    return sum(int(row["actions"]) for row in activities if row["activity"] == PROBE_ACTIVITY)


def _metro(chance: random.Random, name: str, minutes: str) -> str:
    # Rides of 669 g on average: far from what a guard would hold, however few there are.
    km = "30.0" if minutes else f"{chance.randrange(10, 200) / 10}"
    return f'{{"distance_km":"{km}"{minutes},"trip_id":"t-{name}","region":"CN"}}'


def _bus(chance: random.Random, name: str, _: str) -> str:
    return (
        f'{{"distance_km":"{chance.randrange(10, 200) / 10}","trip_id":"t-{name}","region":"CN"}}'
    )


def _bike(chance: random.Random, name: str, _: str) -> str:
    tenths = chance.randrange(5, 80)
    return (
        f'{{"distance_km":"{tenths / 10}","duration_min":"{4 + tenths // 2}",'
        f'"trip_id":"t-{name}","region":"CN"}}'
    )


def _cutlery(chance: random.Random, name: str, _: str) -> str:
    return f'{{"sets":{chance.randrange(1, 4)},"order_id":"o-{name}","region":"CN"}}'


def _invoice(chance: random.Random, name: str, _: str) -> str:
    return f'{{"invoices":1,"invoice_id":"i-{name}","region":"CN"}}'


def _box(chance: random.Random, name: str, _: str) -> str:
    return f'{{"boxes":{chance.randrange(1, 4)},"dropoff_id":"d-{name}","region":"CN"}}'


_DATA: dict[str, Callable[[random.Random, str, str], str]] = {
    "transit.metro": _metro,
    "transit.bus": _bus,
    "cycle.bike": _bike,
    "food.no_cutlery": _cutlery,
    "paper.einvoice": _invoice,
    "pack.box_reuse": _box,
}
_NAMES = list(SHARES)
_WEIGHTS = [sum(list(SHARES.values())[: at + 1]) for at in range(len(SHARES))]
