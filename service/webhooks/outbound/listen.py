"""`saxaul listen`: a receiver on this machine, for as long as the terminal watches.

It makes an endpoint through the API, verifies what arrives as any receiver should, hands it on
and removes the endpoint at the end. It speaks HTTP only, as a merchant's program would.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from aiohttp import web

from service.clock import Clock
from service.errors import Unauthenticated
from service.webhooks.signing import verify

BODY_BYTES_MAX = 4 * 1024 * 1024
API_S = 10.0
NAME = "saxaul listen"
LOOPBACK = "127.0.0.1"


class ListenFailed(RuntimeError):
    """The API did not do what was asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One delivery; `fault` says why its signature does not hold."""

    id: str
    body: bytes
    fault: str | None

    @property
    def message(self) -> dict[str, Any]:
        """The body as JSON."""
        return dict(orjson.loads(self.body))


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is, and a key with webhooks:manage."""

    url: str
    key: str

    def client(self) -> httpx.AsyncClient:
        """Return an HTTP client that speaks with the key."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=API_S,
            trust_env=False,
        )


@asynccontextmanager
async def listening(
    api: Api, types: Sequence[str], port: int, clock: Clock, show: Callable[[Arrived], None]
) -> AsyncIterator[dict[str, Any]]:
    """Yield an endpoint on this machine while the block runs, as the API shows it.

    Raises ListenFailed, and OSError for a port that is taken.
    """
    secret = ""

    async def take(request: web.Request) -> web.Response:
        arrived = _arrived(request, await request.read(), secret, clock)
        show(arrived)
        return web.Response(status=204 if arrived.fault is None else 401)

    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
        bound = runner.addresses[0][1]
        async with api.client() as client:
            await _clear(client)
            endpoint = await _make(client, f"http://{LOOPBACK}:{bound}/", types)
            secret = endpoint["secret"]
            try:
                yield endpoint
            finally:
                await _remove(client, endpoint["endpoint_id"])
    finally:
        await runner.cleanup()


def _arrived(request: web.Request, body: bytes, secret: str, clock: Clock) -> Arrived:
    headers = {name.lower(): value for name, value in request.headers.items()}
    fault = None
    try:
        verify([secret], headers=headers, body=body, now=clock())
    except Unauthenticated as error:
        fault = error.detail
    return Arrived(headers.get("webhook-id", "?"), body, fault)


async def _make(client: httpx.AsyncClient, url: str, types: Sequence[str]) -> dict[str, Any]:
    wanted = {"url": url, "types": list(types), "batch_max": 1, "description": NAME}
    answer = await _ask(client, "POST", "/v1/webhook-endpoints", json=wanted)
    if answer.status_code == 201:
        return dict(answer.json())
    problem = answer.json()
    hint = ""
    if any(one["pointer"] == "/url" for one in problem.get("errors", ())):
        hint = " Start the API and the worker with SAXAUL_WEBHOOK_LOOPBACK=true."
    raise ListenFailed(f"the API refused the endpoint: {problem.get('detail', answer.text)}{hint}")


async def _clear(client: httpx.AsyncClient) -> None:
    """Remove what an earlier listener left behind when it was killed."""
    answer = await _ask(client, "GET", "/v1/webhook-endpoints", params={"limit": 200})
    if answer.is_error:
        raise ListenFailed(f"the API says: {answer.json().get('detail', answer.text)}")
    for endpoint in answer.json()["data"]:
        if endpoint["description"] == NAME and endpoint["failing_since"]:
            await _remove(client, endpoint["endpoint_id"])


async def _remove(client: httpx.AsyncClient, endpoint_id: str) -> None:
    await _ask(client, "DELETE", f"/v1/webhook-endpoints/{endpoint_id}")


async def _ask(client: httpx.AsyncClient, verb: str, path: str, **more: Any) -> httpx.Response:
    try:
        return await client.request(verb, path, **more)
    except httpx.TransportError as error:
        raise ListenFailed(f"the API at {client.base_url} does not answer ({error}).") from error
