"""A merchant's server on this machine: what was told to it, to be held against what was answered.

It verifies each message and remembers it by its id. Of every twentieth new one the answer is lost
on the way, as it were: it is kept and answered 500, so that it has to come again.
"""

import base64
import hmac
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

import httpx
from fastapi import FastAPI, Request, Response

from loadtest.audit import Told
from loadtest.bench.serve import serve, served
from loadtest.system import System

PATH = "/v1/webhook-endpoints"
# All that is about an action or an order, once each.
TYPES = ("action.credited", "action.capped", "action.refused", "order.placed")
LOST_ONE_IN = 20
TOLERANCE_S = 300
ANSWER_S = 30.0
POLL_S = 0.25


@dataclass(slots=True)
class Kept:
    """The messages that came. One that comes again changes nothing."""

    secret: bytes = b""
    messages: set[str] = field(default_factory=set)
    again: int = 0
    badly_signed: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # by person

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Keep a message; the status that it is answered with."""
        if not self._signed(headers, body):
            self.badly_signed += 1
            return 401
        if headers["webhook-id"] in self.messages:
            self.again += 1
            return 200
        self.messages.add(headers["webhook-id"])
        message = json.loads(body)
        for notice in message["data"].get("actions", [message]):
            told = notice["data"]
            self.facts[told.get("action_id") or told["order_id"]] += 1
            self.numbers[told["person"]].add(told["sequence"])
        return 200 if len(self.messages) % LOST_ONE_IN else 500

    def _signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        moment = headers["webhook-timestamp"]
        content = f"{headers['webhook-id']}.{moment}.".encode() + body
        right = f"v1,{base64.b64encode(hmac.digest(self.secret, content, sha256)).decode()}"
        fresh = abs(time.time() - int(moment)) <= TOLERANCE_S
        given = headers["webhook-signature"].split()
        return fresh and any(hmac.compare_digest(right, one) for one in given)

    def as_dict(self) -> dict[str, object]:
        """For JSON: the parts of Told."""
        return {
            "deliveries": len(self.messages),
            "again": self.again,
            "badly_signed": self.badly_signed,
            "facts": dict(self.facts),
            "gaps": sum(max(seen) != len(seen) for seen in self.numbers.values()),
        }


@dataclass(frozen=True, slots=True)
class Receiver:
    """The server as the load test sees it, and its endpoint."""

    system: System
    url: str
    endpoint: str

    def settled(self, facts: set[str], *, seconds: float) -> Told:
        """What was told once it holds all of `facts` and nothing waits, or after `seconds`."""
        deadline = time.monotonic() + seconds
        with _service(self.system) as service, _client(self.url) as own:
            while True:
                told = Told(**own.get("/kept").raise_for_status().json())
                if facts <= told.facts.keys() and not self._waits(service):
                    return told
                if time.monotonic() > deadline:
                    return told
                time.sleep(POLL_S)

    def _waits(self, service: httpx.Client) -> bool:
        asked = {"state": "waiting", "limit": "1"}
        answer = service.get(f"{PATH}/{self.endpoint}/deliveries", params=asked)
        return bool(answer.raise_for_status().json()["data"])


@contextmanager
def receiving(system: System) -> Iterator[Receiver | None]:
    """A receiver with an endpoint that hears everything, gone afterwards.

    None, and a line that says why, where webhooks may not go to this machine.
    """
    with served("loadtest.receiver") as url, _service(system) as service:
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


def _service(system: System) -> httpx.Client:
    return _client(system.url, Authorization=f"Bearer {system.webhooks_key}")


def _client(url: str, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers=headers, timeout=ANSWER_S, trust_env=False)


def make_app() -> FastAPI:
    """The server: the load test says the secret, the service posts, the load test asks."""
    app, kept = FastAPI(), Kept()

    @app.put("/secret", status_code=204)
    async def know(request: Request) -> None:
        kept.secret = base64.b64decode((await request.body()).removeprefix(b"whsec_"))

    @app.post("/hooks")
    async def take(request: Request) -> Response:
        return Response(status_code=kept.take(request.headers, await request.body()))

    @app.get("/kept")
    async def show() -> Response:
        return Response(json.dumps(kept.as_dict()), media_type="application/json")

    return app


if __name__ == "__main__":
    serve(make_app())
