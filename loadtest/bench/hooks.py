"""Merchants' own payloads for the benchmark: connectors, and signed messages made beforehand."""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from loadtest.mix import Mix
from loadtest.system import System

SOURCE = "metro-bj"  # one connector reports under one source
READ_S = 30.0
DATA = ("distance_km", "trip_id", "sets", "order_id", "invoices", "invoice_id", "boxes",
        "dropoff_id")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Merchant:
    """A connector and its secret; `batched` when a payload holds a list of things done."""

    path: str
    secret: bytes
    batched: bool

    def messages(self, url: str, mix: Mix, count: int, size: int) -> list[bytes]:
        """`count` signed requests with `size` events each, as a merchant would send them."""
        done = map(_own_form, mix.events(count * size))
        return [self._signed(url, [next(done) for _ in range(size)]) for _ in range(count)]

    def _signed(self, url: str, done: Sequence[dict[str, object]]) -> bytes:
        body = json.dumps({"done": done} if self.batched else done[0]).encode()
        name, at = f"msg_{secrets.token_hex(12)}", str(int(time.time()))
        mac = hmac.digest(self.secret, f"{name}.{at}.".encode() + body, sha256)
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
            f"webhook-id: {name}\r\nwebhook-timestamp: {at}\r\n"
            f"webhook-signature: v1,{base64.b64encode(mac).decode()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _own_form(text: str) -> dict[str, object]:
    """An event of the mix as a merchant's system might name its parts."""
    event = json.loads(text)
    return {
        "ref": event["id"],
        "kind": event["type"],
        "state": "done",
        "happened": {"at": event["time"], "country": event["data"].pop("region")},
        "customer": {"id": event["subject"], "tier": "gold"},
        "what": event["data"],
    }


def merchants(system: System) -> Iterator[Merchant]:
    """A merchant that sends one thing at a time, and one that sends many."""
    for batched in (False, True):
        at = "item." if batched else ""
        rule = {
            "name": "done",
            "when": f"{at}state == 'done'",
            "event": {
                "id": f"{at}ref",
                "time": f"{at}happened.at",
                "subject": f"{at}customer.id",
                "type": f"{at}kind",
                "data": {
                    "region": f"{at}happened.country",
                    **{name: f"{at}what.{name}" for name in DATA},
                },
            },
            **({"items": "done"} if batched else {}),
        }
        config = {"name": "bench", "source": SOURCE, "rules": [rule]}
        request = Request(
            f"{system.url}/v1/connectors",
            json.dumps({"config": config}).encode(),
            {"Authorization": f"Bearer {system.admin_key}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=READ_S) as answer:
            made = json.load(answer)
        secret = base64.b64decode(made["secret"].partition("_")[2])
        yield Merchant(made["path"], secret, batched)
