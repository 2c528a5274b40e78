"""A merchant's server on this machine, whose webhooks are compared with what was answered.

It verifies each message with the reference library and keeps it by its id. Every twentieth new one
is kept, too, but answered 500, as if the answer were lost on the way: so it has to come again.
"""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from fastapi import FastAPI, Request, Response
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from loadtest.audit import Deliveries
from loadtest.bench.serve import serve, served
from loadtest.system import System

PATH = "/v1/webhook-endpoints"
# All that is about an action or an order, once each.
TYPES = ("action.credited", "action.capped", "action.refused", "order.placed")
LOST_ONE_IN = 20
POLL_S = 0.25


@dataclass(slots=True)
class Messages:
    """The messages that came. One that comes again changes nothing."""

    webhook: Webhook | None = None
    ids: set[str] = field(default_factory=set)
    repeats: int = 0
    badly_signed: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # by person

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """This keeps a message; the status that it is answered with."""
        assert self.webhook is not None, "no secret was set"
        try:
            message = self.webhook.verify(body, dict(headers))
        except WebhookVerificationError:
            self.badly_signed += 1
            return 401
        if headers["webhook-id"] in self.ids:
            self.repeats += 1
            return 200
        self.ids.add(headers["webhook-id"])
        for notice in message["data"].get("actions", [message]):
            data = notice["data"]
            self.facts[data.get("action_id") or data["order_id"]] += 1
            self.numbers[data["person"]].add(data["sequence"])
        return 200 if len(self.ids) % LOST_ONE_IN else 500

    def summary(self) -> Deliveries:
        """What came so far, as the audit asks for it."""
        gaps = sum(max(seen) != len(seen) for seen in self.numbers.values())
        return Deliveries(len(self.ids), self.repeats, self.badly_signed, dict(self.facts), gaps)


@dataclass(frozen=True, slots=True)
class Receiver:
    """The server as the load test sees it, and its endpoint."""

    system: System
    url: str
    endpoint: str

    def settled(self, facts: set[str], *, seconds: float) -> Deliveries:
        """What came, once it has all of `facts` and nothing waits, or after `seconds`."""
        deadline = time.monotonic() + seconds
        with (
            self.system.client(self.system.webhooks_key) as service,
            self.system.client() as receiver,
        ):
            while True:
                answer = receiver.get(f"{self.url}/deliveries")
                came = Deliveries(**answer.raise_for_status().json())
                complete = facts <= came.facts.keys() and not self._waits(service)
                if complete or time.monotonic() > deadline:
                    return came
                time.sleep(POLL_S)

    def _waits(self, service: httpx.Client) -> bool:
        asked = {"state": "waiting", "limit": "1"}
        answer = service.get(f"{PATH}/{self.endpoint}/deliveries", params=asked)
        return bool(answer.raise_for_status().json()["data"])


@contextmanager
def receiving(system: System) -> Iterator[Receiver | None]:
    """A receiver with an endpoint for all that is about actions and orders, gone afterwards.

    None, and a line that says why, where webhooks may not go to this machine.
    """
    with served("loadtest.receiver") as url, system.client(system.webhooks_key) as service:
        wanted = {"url": f"{url}/hooks", "types": list(TYPES)}
        answer = service.post(PATH, json=wanted)
        if answer.status_code != 201:
            reason = answer.json().get("detail", answer.text)
            print(f"left out: receivers of webhooks ({reason})", file=sys.stderr)
            yield None
            return
        made = answer.json()
        httpx.put(f"{url}/secret", content=made["secret"], trust_env=False).raise_for_status()
        try:
            yield Receiver(system, url, made["endpoint_id"])
        finally:
            service.delete(f"{PATH}/{made['endpoint_id']}")


def make_app() -> FastAPI:
    """The server: the load test sets the secret, the service posts, the load test asks."""
    app, messages = FastAPI(), Messages()

    @app.put("/secret", status_code=204)
    async def set_secret(request: Request) -> None:
        messages.webhook = Webhook((await request.body()).decode())

    @app.post("/hooks")
    async def receive(request: Request) -> Response:
        return Response(status_code=messages.receive(request.headers, await request.body()))

    @app.get("/deliveries")
    async def show() -> Deliveries:
        return messages.summary()

    return app


if __name__ == "__main__":
    serve(make_app())
