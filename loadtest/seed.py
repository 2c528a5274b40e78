"""People who have something to collect and to spend before the load begins: rides of three days.

What was earned on each of the last three days is worth several trees of the project that is opened
for the run. It is ripe at once where the system is ours; elsewhere what is reported late ripens the
next morning, and those who collect before get nothing.
Half of the people are hot ones of the mix, half cold ones.
"""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from loadtest.mix import BEIJING, PEOPLE, SOURCES, Mix
from loadtest.system import System
from loadtest.tally import Tally

DAYS = (1, 2, 3)  # before today
# Up to the daily caps; long enough for that, and short enough not to look implausible.
RIDES = (("transit.metro", "12.0"),) * 8 + (("transit.bus", "8.0"),) * 5
BATCH_EVENTS = 500
PRICE_POINTS = 1_000  # what one of these days brings is worth several trees


@dataclass(frozen=True, slots=True)
class Project:
    """A project whose trees are for this run alone."""

    name: str
    stock: int

    def left(self, system: System) -> int:
        """The number of trees that are left."""
        with system.client(system.partner_key) as client:
            answer = client.get(f"/v1/projects/{self.name}").raise_for_status()
        return int(answer.json()["stock_left"])


def seed(system: System, tally: Tally, *, people: int) -> None:
    """This reports the rides of so many people; `tally` counts what became of them."""
    events, kind = list(_rides(people)), "application/cloudevents-batch+json"
    with system.client(system.partner_key) as client:
        for at in range(0, len(events), BATCH_EVENTS):
            some = events[at : at + BATCH_EVENTS]
            answer = client.post(
                "/v1/events", content=json.dumps(some), headers={"Content-Type": kind}
            )
            tally.add_batch(len(some), answer.status_code, answer.content)


def open_project(system: System, *, stock: int, price_points: int = PRICE_POINTS) -> Project | None:
    """This makes a project of `stock` trees; None where no key may make one."""
    if not system.admin_key:
        return None
    project, today = Project(f"load-{secrets.token_hex(4)}", stock), datetime.now(BEIJING).date()
    project_body = {
        "project_id": project.name, "name": "Under load", "species": "saxaul", "place": "a test",
        "region": "CN-NM", "planting_partner": "nobody", "price_points": price_points,
        "opens_on": str(today - timedelta(days=1)), "closes_on": str(today + timedelta(days=1)),
        "stock": stock,
    }  # fmt: skip
    with system.client(system.admin_key) as client:
        made = client.post("/v1/admin/projects", json=project_body).raise_for_status()
    # A system that is not the demo's lets it wait for a second person.
    return None if made.status_code == httpx.codes.ACCEPTED else project


def _rides(people: int) -> Iterator[dict[str, object]]:
    mix, token, now = Mix(PEOPLE, seed=0), secrets.token_hex(5), datetime.now(BEIJING)
    for number in range(people):
        for day in DAYS:
            for count, (activity, km) in enumerate(RIDES):
                name = f"seed-{token}-{number}-{day}-{count}"
                moment = now.replace(hour=8, minute=count) - timedelta(days=day)
                yield {
                    "specversion": "1.0",
                    "id": name,
                    "source": SOURCES[activity],
                    "type": activity,
                    "subject": mix.seeded(number),
                    "time": moment.isoformat(timespec="seconds"),
                    "data": {"distance_km": km, "trip_id": name, "region": "CN"},
                }
