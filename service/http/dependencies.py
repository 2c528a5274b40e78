"""What routes depend on: the resources, a transaction, the time, a limited body."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from service.errors import BodyNotJson
from service.http.runtime import HttpRuntime, runtime_of
from service.resources import Resources


async def resources_of(request: Request) -> Resources:
    """Return the resources that this program opened at its start."""
    return runtime_of(request.app, HttpRuntime).resources


AppResources = Annotated[Resources, Depends(resources_of)]


async def transaction(resources: AppResources) -> AsyncIterator[AsyncSession]:
    """Yield the transaction of one request; it is committed after the route, before the answer."""
    async with resources.sessions() as session, session.begin():
        yield session


# The default scope would commit after the answer has left.
Transaction = Annotated[AsyncSession, Depends(transaction, scope="function")]


@asynccontextmanager
async def one_statement_or(resources: Resources, key: str | None) -> AsyncIterator[AsyncSession]:
    """Yield a session for a write that is one statement, which then is its own transaction.

    It saves the two round trips that begin and commit one. With an `Idempotency-Key` there is an
    answer to keep, too, and so a transaction.
    """
    sessions = resources.statements if key is None else resources.sessions
    async with sessions() as session, session.begin():
        yield session


async def now_of(resources: AppResources) -> datetime:
    """Return the time of this request, aware, UTC."""
    return resources.clock()


Now = Annotated[datetime, Depends(now_of)]


async def whole_body(request: Request) -> bytes:
    """Return the body, whose length `bodies` limits. Raises BodyTooLarge and ClientDisconnect."""
    body, more = b"", True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def optional_body(request: Request, kind: TypeAdapter[Any]) -> Any:
    """Return the JSON body as `kind`, None without one; for routes that read it themselves.

    Raises BodyTooLarge, BodyNotJson, and RequestValidationError as the framework does.
    """
    body = await whole_body(request)
    if not body:
        return None
    try:
        return kind.validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        if wrong[0]["type"] == "json_invalid":
            raise BodyNotJson("The body is not JSON in UTF-8.") from error
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in wrong]
        ) from error
