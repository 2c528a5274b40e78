"""Load over time, as a programme of this kind sees it. Rates are the documented ones at scale 1.

A hundred users of the usual mix report about 2,300 events a second, the mean of an Ant Forest class
programme. SAXAUL_LOAD_SCALE (default 0.2) multiplies the users; SAXAUL_LOAD_SECONDS (default 600)
is the time into which a whole curve is pressed.

    events a second   what                        where it comes from
    2,300             mean, Ant Forest class      200 million events a day (2,315/s), an assumption
                                                  beside its 550 million people [1]
    10,000 - 15,000   its design peak             an assumption: 4 to 6.5 times the mean
    1,450             mean, Double 11, consumers  the 2,000 million green acts expected of the
                                                  season of 2022 [2], over 16 days
    7,200             its bursts                  an assumption: 5 times the mean
    none more         07:00, and a sell-out       ten, and eight, times as many people as at the
                                                  mean: an assumption; the rule of 07:00 is [3]

[1] Ant Group, Carbon Neutrality Roadmap, April 2021: people by the end of 2020.
[2] Cainiao, 27 October 2022, on jxecopack.com: "It is estimated that logistics carbon reduction
    during the double eleven will be more than 60000 tons".
[3] service/points/policy.yaml: points ripen at 07:00 of the next local day.
"""

import os
from dataclasses import dataclass
from typing import ClassVar

from locust import LoadTestShape, User

from loadtest.people import Person, Reader

SCALE = float(os.environ.get("SAXAUL_LOAD_SCALE", "0.2"))
SECONDS = float(os.environ.get("SAXAUL_LOAD_SECONDS", "600"))
RAMP_S = 5.0

Tick = tuple[int, float, list[type[User]] | None]


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase has `users` until this share of the time is over; `only` these kinds, or all."""

    until: float
    users: int
    only: tuple[type[User], ...] | None = None


class Curve(LoadTestShape):
    """A curve goes through its phases and ends."""

    abstract = True
    phases: ClassVar[tuple[Phase, ...]] = ()

    def tick(self) -> Tick | None:
        """The number of users that there should be now, how many start a second, their kinds."""
        share = float(self.get_run_time()) / SECONDS  # type: ignore[no-untyped-call]  # Locust has no types
        for phase in self.phases:
            if share < phase.until:
                users = max(len(phase.only or ()) or 8, round(phase.users * SCALE))
                only = None if phase.only is None else list(phase.only)
                return users, max(1.0, users / RAMP_S), only
        return None


class Steady(Curve):
    """The mean, 2,300 events a second, after a short ramp."""

    phases = (Phase(0.1, 30), Phase(1.0, 100))


class MorningRipening(Curve):
    """07:00: what ripened overnight is collected by everybody at once; then the day begins."""

    phases = (
        Phase(0.15, 60),
        Phase(0.45, 1_000, (Person, Reader)),
        Phase(0.65, 400, (Person, Reader)),
        Phase(1.0, 100),
    )


class SellOut(Curve):
    """One project sells out in forty minutes: people come, look, and stay until it is gone."""

    phases = (
        Phase(0.1, 100),
        Phase(0.2, 800, (Person, Reader)),
        Phase(0.8, 500, (Person, Reader)),
        Phase(1.0, 100),
    )


class DoubleEleven(Curve):
    """11 November: about 1,450 events a second, and bursts of 7,200 at midnight and 20:00."""

    phases = (Phase(0.1, 63), Phase(0.25, 313), Phase(0.6, 63), Phase(0.75, 313), Phase(1.0, 63))


class DesignPeak(Curve):
    """The design peak of an Ant Forest class programme: 10,000, then 15,000 events a second."""

    phases = (Phase(0.2, 100), Phase(0.6, 435), Phase(0.8, 652), Phase(1.0, 100))


SHAPES: dict[str, type[Curve]] = {
    "steady": Steady,
    "ripening": MorningRipening,
    "sellout": SellOut,
    "double11": DoubleEleven,
    "peak": DesignPeak,
}
