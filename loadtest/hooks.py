"""Merchants whose own systems send webhooks (Standard Webhooks), where connectors are built in."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from datetime import datetime
from typing import Any

from locust import constant_pacing, task
from locust.exception import StopUser

from loadtest.features import CONNECTORS, HOOKS, can
from loadtest.mix import BEIJING
from loadtest.partner_user import MIX, PartnerUser, content_of
from loadtest.verdict import TALLY

MANAGER_KEY = os.environ.get("SAXAUL_WEBHOOKS_KEY", "")
HOOK = "POST /v1/hooks/{connector_id}"
BAD_HOOK = "POST /v1/hooks/{connector_id} (badly signed)"
TEMPLATE = {"template": "food-order", "source": "eats"}


class HookMerchant(PartnerUser):
    """The merchant sends an order a second in its own form; some twice, some badly signed."""

    weight = 2
    wait_time = constant_pacing(1)

    connector: dict[str, Any] | None = None

    def on_start(self) -> None:
        """The merchant makes a connector of its own, where there are connectors."""
        super().on_start()
        if not MANAGER_KEY or not can(self.client, CONNECTORS, HOOKS):
            return
        answer = self.client.post(
            CONNECTORS,
            json=TEMPLATE,
            headers={"Authorization": f"Bearer {MANAGER_KEY}"},
            name="POST /v1/connectors",
        )
        if answer.status_code == 201:
            self.connector = json.loads(content_of(answer))

    @task(10)
    def deliver(self) -> None:
        self._send(*self._order())

    @task(1)
    def repeat(self) -> None:
        """The same message again gets the same answer, and counts once."""
        order = self._order()
        if self._send(*order) != self._send(*order, again=True):
            raise AssertionError("a repeated message got another answer")

    @task(1)
    def forge(self) -> None:
        """A message that somebody else signed is refused."""
        message, body = self._order()
        headers = signed(f"whsec_{base64.b64encode(os.urandom(32)).decode()}", message, body)
        with self.client.post(
            self._path(), data=body, headers=headers, name=BAD_HOOK, catch_response=True
        ) as answer:
            if answer.status_code == 401:
                answer.success()
            else:
                answer.failure(f"a forged message was answered {answer.status_code}")

    def _path(self) -> str:
        """The path of the connector. Raises StopUser where there is none."""
        if self.connector is None:
            raise StopUser
        return str(self.connector["path"])

    def _order(self) -> tuple[str, str]:
        name = secrets.token_hex(8)
        order = {
            "id": f"order-{name}",
            "status": "delivered",
            "cutlery_sets": 0,
            "guests": 1,
            "delivered_at": datetime.now(BEIJING).isoformat(timespec="seconds"),
            "customer": {"id": MIX.person()},
            "restaurant": {"country": "CN"},
        }
        return f"msg_{name}", json.dumps({"order": order})

    def _send(self, message: str, body: str, *, again: bool = False) -> bytes:
        """This delivers a message; the results in the answer, or its body when it was refused."""
        path = self._path()
        assert self.connector is not None
        headers = signed(self.connector["secret"], message, body)
        with self.client.post(
            path, data=body, headers=headers, name=HOOK, catch_response=True
        ) as answer:
            content = content_of(answer)
            if answer.status_code != 200:
                TALLY.lost += not again  # it may have been recorded
                answer.failure(f"a message was answered {answer.status_code}: {content[:200]!r}")
                return content
        answered = json.loads(content)
        if not again:
            TALLY.add_batch(sum(answered["counts"].values()), 200, content)
        return json.dumps(answered["results"]).encode()


def signed(secret: str, message: str, body: str) -> dict[str, str]:
    """The headers of a message that a `whsec_` secret signs now."""
    moment = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message}.{moment}.{body}".encode(), hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
