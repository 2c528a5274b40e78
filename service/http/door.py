"""A door ahead of the framework for the few addresses that are asked for most."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.http.problems import answer_to

Answer = Callable[[Request], Awaitable[Response]]


class Door:
    """Hands requests without a query at `answers`' (verb, path) to their functions.

    All else goes on to the application, which declares the same routes and calls the same
    functions: the layers between the server and a route cost more than these routes do.
    """

    def __init__(self, app: FastAPI, answers: Mapping[tuple[str, str], Answer]) -> None:
        self.app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        answer = None
        if scope["type"] == "http" and not scope["query_string"]:
            answer = self._answers.get((scope["method"], scope["path"]))
        if answer is None:
            await self.app(scope, receive, send)
            return
        scope["app"] = self.app
        try:
            response = await answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except Exception as error:
            response = answer_to(error)
        await response(scope, receive, send)
