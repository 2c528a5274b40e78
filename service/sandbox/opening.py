"""The sandbox: the same application over another schema of the database, opened when needed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.http.runtime import HttpRuntime, runtime_of


class Sandbox:
    """Opens the sandbox's application at the first request for it, and closes it at the end."""

    def __init__(
        self,
        live: FastAPI,
        make: Callable[[], FastAPI],
        furnish: Callable[[AsyncSession, str], Awaitable[None]],
    ) -> None:
        """`furnish` gets the schema of the live tables, and brings what is on offer there."""
        self._live = live
        self._make = make
        self._furnish = furnish
        self._app: FastAPI | None = None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def app(self) -> FastAPI:
        """Return the application over the sandbox's schema.

        Raises what opening raises; the next request tries again.
        """
        async with self._opening:
            if self._app is None:
                app = self._make()
                async with AsyncExitStack() as opened:  # closes what an outage left half open
                    await opened.enter_async_context(app.router.lifespan_context(app))
                    await self._offer(app)
                    self._stack = opened.pop_all()
                self._app = app
            return self._app

    async def close(self) -> None:
        """Drain and close what was opened."""
        await self._stack.aclose()

    async def _offer(self, app: FastAPI) -> None:
        """Bring what the programme has on offer into the sandbox, untouched by live orders."""
        async with runtime_of(self._live, HttpRuntime).resources.sessions() as live:
            home = (await live.execute(text("SELECT current_schema()"))).scalar_one()
        sessions = runtime_of(app, HttpRuntime).resources.sessions
        async with sessions() as session, session.begin():
            await self._furnish(session, home)
