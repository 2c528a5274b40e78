"""A door ahead of the framework for the few addresses that are asked for most."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.http.problems import answer_to

Answer = Callable[[Request], Awaitable[Response]]
Choose = Callable[[MutableMapping[str, Any]], Awaitable[FastAPI]]


class Door:
    """Hands requests without a query at `answers`' (verb, path) to their functions; a path that
    ends with a slash there stands for everything one step below it. `choose` says which
    application a request is for.

    All else goes on to the application, which declares the same routes and calls the same
    functions: the layers between the server and a route cost more than these routes do.
    """

    def __init__(
        self, app: FastAPI, answers: Mapping[tuple[str, str], Answer], choose: Choose
    ) -> None:
        self.app = app
        self._answers = answers
        self._choose = choose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            app = await self._choose(scope)
        except Exception as error:
            await answer_to(error)(scope, receive, send)
            return
        answer = None if scope["query_string"] else self._answer_at(scope["method"], scope["path"])
        if answer is None:
            await app(scope, receive, send)
            return
        scope["app"] = app
        try:
            response = await answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except Exception as error:
            response = answer_to(error)
        await response(scope, receive, send)

    def _answer_at(self, method: str, path: str) -> Answer | None:
        found = self._answers.get((method, path))
        if found is None and method == "POST":
            found = self._answers.get((method, path[: path.rfind("/") + 1]))
        return found
