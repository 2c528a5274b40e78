"""What the system under load can do, as its own OpenAPI document says; the rest is left out."""

import json
import sys

from gevent.lock import BoundedSemaphore  # type: ignore[import-untyped]  # ships no types
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession

ORDERS = "/v1/orders"
CONNECTORS = "/v1/connectors"
HOOKS = "/v1/hooks/{connector_id}"
WHAT = {ORDERS: "people plant", HOOKS: "merchants send webhooks"}
_ASKING = BoundedSemaphore()
_PATHS: frozenset[str] | None = None  # of this process: all of its users load one system


def can(client: FastHttpSession | HttpSession, *paths: str) -> bool:
    """Whether the system has these paths. It is asked once; what is left out is printed."""
    global _PATHS  # noqa: PLW0603  asked once for all users
    with _ASKING:
        if _PATHS is None:
            answer = client.get("/openapi.json", name="GET /openapi.json")
            _PATHS = frozenset(json.loads(answer.text or "{}").get("paths", ()))
            for path, what in WHAT.items():
                if path not in _PATHS:
                    print(f"left out: {what} (there is no {path})", file=sys.stderr)
    return _PATHS.issuperset(paths)
