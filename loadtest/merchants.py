"""Merchants that report events: one by one, in batches, and carelessly; and one that watches."""

import json
import secrets
import time
from datetime import datetime, timedelta
from typing import Any

import gevent  # type: ignore[import-untyped]  # ships no types
from locust import constant_pacing, task

from loadtest.mix import probe, probes_in
from loadtest.partner_user import EVENTS, KEY, MIX, ONE, PartnerUser, content_of
from loadtest.verdict import TALLY

BATCH_EVENTS = 460  # five batch merchants, one request a second: 2,300 events/s
LATE = timedelta(days=40)
LAG = "answer to totals"
LAG_LIMIT_S = 30.0
LAG_POLL_S = 0.05
GARBAGE = "POST /v1/events (garbage)"
SLOPPY = "POST /v1/events (careless)"


class SingleMerchant(PartnerUser):
    """The merchant reports each event as it happens, two a second."""

    weight = 14
    wait_time = constant_pacing(0.5)

    @task
    def report(self) -> None:
        self.report_one(MIX.event())


class BatchMerchant(PartnerUser):
    """The merchant reports once a second, in a batch of BATCH_EVENTS."""

    weight = 5
    wait_time = constant_pacing(1)

    @task
    def report(self) -> None:
        self.report_many(MIX.batch(BATCH_EVENTS), BATCH_EVENTS)


class CarelessMerchant(PartnerUser):
    """The merchant repeats and contradicts itself, is late, and sends what is not an event."""

    weight = 1
    wait_time = constant_pacing(1)

    @task(3)
    def repeat(self) -> None:
        """The same event twice is answered with the first answer again."""
        text = MIX.event()
        self.report_one(text, name=SLOPPY)
        if b'"duplicate":true' not in self.report_one(text, name=SLOPPY, expect=(200,)):
            raise AssertionError("a repeat was not answered as a duplicate")

    @task(1)
    def contradict(self) -> None:
        """The same id with other content is a conflict."""
        event = fresh()
        self.report_one(json.dumps(event), name=SLOPPY)
        event["time"] = earlier(event["time"], timedelta(minutes=7))
        self.report_one(json.dumps(event), name=GARBAGE, expect=(409,))

    @task(1)
    def be_late(self) -> None:
        """An event of forty days ago is recorded as refused."""
        event = fresh()
        event["time"] = earlier(event["time"], LATE)
        if b'"refused"' not in self.report_one(json.dumps(event), name=SLOPPY):
            raise AssertionError("an event of forty days ago was not refused")

    @task(1)
    def mix_good_and_bad(self) -> None:
        """Bad events of a batch get their own problem, and the others go on."""
        good = MIX.events(48)
        bad = [json.dumps({**fresh(), "time": "yesterday"}), json.dumps({**fresh(), "mood": 1})]
        body = f"[{','.join([*good[:20], *bad, *good[20:]])}]"
        self.report_many(body, 50, name=SLOPPY)

    @task(2)
    def send_garbage(self) -> None:
        """What is not an event, or not ours, is refused with a problem and nothing else."""
        for text, status in (
            ("{this is not JSON", 400),
            (json.dumps({**fresh(), "data": {"distance_km": "far"}}), 422),
            (json.dumps({**fresh(), "type": "nobody.knows"}), 422),
            (json.dumps({**fresh(), "source": "not-ours"}), 403),
        ):
            self.report_one(text, name=GARBAGE, expect=(status,))


class Watcher(PartnerUser):
    """The watcher measures the time from an answer until the public totals show its event."""

    fixed_count = 1
    wait_time = constant_pacing(1)

    @task
    def measure(self) -> None:
        """One probe; its time goes into the statistics as a request of its own kind."""
        before = self._probes()
        with self.client.post(
            EVENTS,
            data=probe(f"probe-{secrets.token_hex(8)}"),
            headers={"Authorization": f"Bearer {KEY}", "Content-Type": ONE},
            name="POST /v1/events (one)",
            catch_response=True,
        ) as answer:
            TALLY.add_single(answer.status_code or 0, content_of(answer))
            if answer.status_code != 201:
                answer.failure(f"a probe was answered {answer.status_code}")
                return
        answered = time.perf_counter()
        shown = False
        while not shown and time.perf_counter() - answered < LAG_LIMIT_S:
            gevent.sleep(LAG_POLL_S)
            shown = self._probes() > before
        self.environment.events.request.fire(
            request_type="LAG",
            name=LAG,
            response_time=(time.perf_counter() - answered) * 1000,
            response_length=0,
            exception=None if shown else TimeoutError("the totals never showed a probe"),
            context={},
        )

    def _probes(self) -> int:
        answer = self.client.get("/v1/totals", name="GET /v1/totals")
        return probes_in(content_of(answer)) if answer.status_code == 200 else 0


def fresh() -> dict[str, Any]:
    """A new event of the mix as a dict, under an id of its own, so that it is no repeat."""
    event: dict[str, Any] = json.loads(MIX.event())
    token = secrets.token_hex(8)
    return {**event, "id": token, "subject": f"careless-{token}"}


def earlier(text: str, by: timedelta) -> str:
    """The RFC 3339 time `text`, moved back."""
    return (datetime.fromisoformat(text) - by).isoformat(timespec="seconds")
