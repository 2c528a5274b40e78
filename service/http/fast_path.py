"""The outermost layer: names each request, counts it, and answers the busiest addresses itself."""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from service.acting import acting
from service.clock import seconds
from service.errors import HostNotServed
from service.http.addresses import is_served
from service.http.bodies import Bodies, Prove
from service.http.logs import REQUEST, REQUEST_ID, request_id_of
from service.http.problems import answer_to
from service.http.quota import SPENT, Spent
from service.http.runtime import HttpRuntime, runtime_of

if TYPE_CHECKING:
    from service.http.tracing import Tracing

Answer = Callable[[Request], Awaitable[Response]]
Choose = Callable[[MutableMapping[str, Any]], Awaitable[FastAPI]]
CLIENT_GONE = 499
TEMPLATE = "saxaul.template"  # where a request's scope keeps the template of its path
NO_ROUTE = "(no route)"
_log = logging.getLogger(__name__)


class FastPath:
    """Hands requests without a query at `answers`' (verb, path) to their functions. The last step
    of a POST's path, or the one before it, may be `*` there: it stands for any one step. `choose`
    says which application a request is for.

    All else goes on to the application, which declares the same routes and calls the same
    functions: the layers between the server and a route cost more than these routes do.
    """

    def __init__(
        self,
        app: FastAPI,
        answers: Mapping[tuple[str, str], Answer],
        choose: Choose,
        *,
        prove: Prove,
        endless: frozenset[str],
        slow_seconds: float | None,
    ) -> None:
        """`prove` says whether the sender of a large body is known. `endless` are the paths whose
        answers last as long as their readers like.

        Without `slow_seconds` requests are neither named nor timed nor counted.
        """
        self.app = app
        self._answers = answers
        self._choose = choose
        self._bodies = Bodies(prove)
        self._endless = endless
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        with acting(None, None if client is None else client[0]):
            await self._named(scope, receive, send)

    async def _named(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name and count a request, if that is wished, and serve it."""
        if self._slow_seconds is None:

            async def send_private(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], *_kept_by_nobody(message)]
                await send(message)

            await self._serve(scope, receive, send_private)
            return
        request_id = request_id_of(scope["headers"])
        header = (REQUEST_ID, request_id.encode())
        status = CLIENT_GONE

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                spent: Spent | None = scope.get(SPENT)
                quota_headers = () if spent is None else spent.headers()
                private = _kept_by_nobody(message)
                message["headers"] = [*message["headers"], header, *quota_headers, *private]
            await send(message)

        token = REQUEST.set(request_id)
        started = seconds()
        tracing = runtime_of(self.app, HttpRuntime).tracing
        try:
            with _span(tracing, scope, request_id) as traced:
                await self._serve(scope, receive, send_named)
                traced.append((status, template_of(scope)))
        finally:
            took = seconds() - started
            self._count(scope, status, took, self._slow_seconds)
            REQUEST.reset(token)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime = runtime_of(self.app, HttpRuntime)
        if runtime.hosts and not is_served(scope["headers"], runtime.hosts):
            refusal = HostNotServed("Nothing is served here under the host that you named.")
            await answer_to(refusal)(scope, receive, send)
            return
        body = self._bodies.of(scope, receive, runtime.resources.settings.body_bytes)
        try:
            await self._answer(scope, body.receive, send)
        finally:
            body.end()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            app = await self._choose(scope)
        except Exception as error:
            await answer_to(error)(scope, receive, send)
            return
        found = None if scope["query_string"] else self._answer_at(scope["method"], scope["path"])
        if found is None:
            await app(scope, receive, send)
            return
        scope["app"] = app
        scope[TEMPLATE], answer = found
        try:
            response = await answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except Exception as error:
            response = answer_to(error)
        await response(scope, receive, send)

    def _answer_at(self, method: str, path: str) -> tuple[str, Answer] | None:
        """The template of a path with an answer of its own, and what gives that answer."""
        found = self._answers.get((method, path))
        template = path
        if found is None and method == "POST":
            above, _, last = path.rpartition("/")
            higher, _, middle = above.rpartition("/")
            if last:
                found = self._answers.get((method, template := f"{above}/*"))
            if found is None and middle:
                found = self._answers.get((method, template := f"{higher}/*/{last}"))
        return None if found is None else (template, found)

    def _count(self, scope: Scope, status: int, took_s: float, slow_s: float) -> None:
        metrics = runtime_of(self.app, HttpRuntime).metrics
        is_endless = scope["path"] in self._endless
        metrics.served(status, None if is_endless else took_s)
        if status >= 500 or (took_s > slow_s and not is_endless):
            template = template_of(scope)
            _log.warning(
                "%s %s was answered %d after %.3f s",
                scope["method"],
                template,
                status,
                took_s,
                extra={
                    "fields": {
                        "method": scope["method"],
                        "route": template,
                        "status": status,
                        "seconds": round(took_s, 3),
                    }
                },
            )


def template_of(scope: Scope) -> str:
    """Return the template of a request's path, once it was answered: a path may name a person."""
    template = scope.get(TEMPLATE) or getattr(scope.get("route"), "path", None)
    return str(template or NO_ROUTE)


def _kept_by_nobody(message: Message) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that an answer gets unless it says itself how long it may be kept: most
    are about somebody, and none of those is for a cache."""
    if any(name == b"cache-control" for name, _ in message["headers"]):
        return ()
    return ((b"cache-control", b"no-store"),)


def _span(
    tracing: "Tracing | None", scope: Scope, request_id: str
) -> AbstractContextManager[list[tuple[int, str]]]:
    if tracing is None:
        return nullcontext([])
    return tracing.request(scope["method"], scope["headers"], request_id)
