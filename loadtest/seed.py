"""People who have something to collect and to spend before the load begins: rides of three days.

What was earned on each of the last three days is ripe and not lapsed, and is enough for a tree of
the demo. Half of them are hot people of the mix, half cold ones.
"""

import json
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

import httpx

from loadtest.books import Tally
from loadtest.mix import BEIJING, SOURCES
from loadtest.system import System

DAYS = (1, 2, 3)  # before today: they ripen at 07:00 of the next day and lapse 72 hours later
# Up to the daily caps; long enough for that, and short enough not to look implausible.
RIDES = (("transit.metro", "12.0"),) * 8 + (("transit.bus", "8.0"),) * 5
BATCH_EVENTS = 500
ANSWER_S = 60.0


def seed(system: System, *, people: int, hot: int) -> Tally:
    """Report the rides of `people` people; what became of them. `hot` is the mix's count of hot."""
    tally, events = Tally(), list(_rides(people, hot))
    with httpx.Client(base_url=system.url, timeout=ANSWER_S, trust_env=False) as client:
        for at in range(0, len(events), BATCH_EVENTS):
            some = events[at : at + BATCH_EVENTS]
            answer = client.post(
                "/v1/events",
                content=json.dumps(some),
                headers={
                    "Authorization": f"Bearer {system.partner_key}",
                    "Content-Type": "application/cloudevents-batch+json",
                },
            )
            tally.add_batch(len(some), answer.status_code, answer.content)
    return tally


def _rides(people: int, hot: int) -> Iterator[dict[str, object]]:
    token, now = secrets.token_hex(5), datetime.now(BEIJING)
    for number in range(people):
        person = number // 2 if number % 2 == 0 else hot + number // 2
        for day in DAYS:
            for count, (activity, km) in enumerate(RIDES):
                name = f"seed-{token}-{number}-{day}-{count}"
                moment = now.replace(hour=8, minute=count) - timedelta(days=day)
                yield {
                    "specversion": "1.0",
                    "id": name,
                    "source": SOURCES[activity],
                    "type": activity,
                    "subject": f"load-{person:07d}",
                    "time": moment.isoformat(timespec="seconds"),
                    "data": {"distance_km": km, "trip_id": name, "region": "CN"},
                }
