"""What all users of the load test share: the key, and sending events so that each is counted."""

import os

from locust import FastHttpUser
from locust.contrib.fasthttp import FastResponse

from loadtest.harness import default_home, demo_of
from loadtest.mix import PEOPLE, Mix
from loadtest.verdict import TALLY

_DEMO = demo_of(default_home())
KEY = os.environ.get("SAXAUL_PARTNER_KEY") or _DEMO.get("partner_key", "")
# One mix for all users of this process: repeats and second reporters come from other users, too.
MIX = Mix(PEOPLE, seed=int.from_bytes(os.urandom(4)))

ONE = "application/cloudevents+json"
MANY = "application/cloudevents-batch+json"
EVENTS = "/v1/events"


class PartnerUser(FastHttpUser):
    """A user of Locust with a partner's key. `host` is --host, or what demo.json says."""

    abstract = True
    host = _DEMO.get("url")

    def on_start(self) -> None:
        """The user needs a key. Raises RuntimeError where there is none."""
        if not KEY:
            raise RuntimeError("set SAXAUL_PARTNER_KEY, or SAXAUL_HOME to a folder with demo.json")

    def headers(self, content_type: str = ONE) -> dict[str, str]:
        """The headers that every request of a partner carries."""
        return {"Authorization": f"Bearer {KEY}", "Content-Type": content_type}

    def look(self, path: str, name: str) -> None:
        """The user gets something that must be there."""
        self.client.get(path, headers={"Authorization": f"Bearer {KEY}"}, name=name)

    def report_one(
        self,
        text: str,
        *,
        name: str = "POST /v1/events (one)",
        expect: tuple[int, ...] = (200, 201),
    ) -> bytes:
        """The user reports one event; the answer's body. A status not expected is an error."""
        return self._report(text, 1, ONE, name, expect)

    def report_many(self, body: str, count: int, *, name: str = "POST /v1/events (batch)") -> bytes:
        """The user reports a batch of `count` events; the answer's body."""
        return self._report(body, count, MANY, name, (200,))

    def _report(
        self, body: str, count: int, kind: str, name: str, expect: tuple[int, ...]
    ) -> bytes:
        TALLY.lost += count  # until there is an answer
        with self.client.post(
            EVENTS, data=body, headers=self.headers(kind), name=name, catch_response=True
        ) as answer:
            content = content_of(answer)
            status = answer.status_code or 0
            TALLY.lost -= count
            if kind == MANY:
                TALLY.add_batch(count, status, content)
            else:
                TALLY.add_single(status, content)
            if status in expect:
                answer.success()
            else:
                answer.failure(f"status {status}, expected {expect}: {content[:200]!r}")
        return content


def content_of(answer: FastResponse) -> bytes:
    """The body as bytes; empty when there is none."""
    content = answer.content
    return content.encode() if isinstance(content, str) else content or b""
