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

from service.errors import BodyNotJson, BodyTooLarge
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


DROPPED_SHARE = 2  # a body of up to so many limits is read to its end, to be heard


async def limited_body(request: Request, limit_bytes: int) -> bytes:
    """Return the body. Raises BodyTooLarge before more than the limit is held in memory.

    A body that is announced as not much larger is read and dropped first: most clients look for an
    answer only when all is sent, and would find the connection closed.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit_bytes:
        if int(announced) <= DROPPED_SHARE * limit_bytes:
            async for _ in request.stream():
                pass
        raise BodyTooLarge(f"The body is {announced} bytes; the limit is {limit_bytes}.")
    body, more = b"", True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit_bytes:
            raise BodyTooLarge(f"The body is longer than the limit of {limit_bytes} bytes.")
    return body


async def optional_body(request: Request, kind: TypeAdapter[Any], limit_bytes: int) -> Any:
    """Return the JSON body as `kind`, None without one; for routes that read it themselves.

    Raises BodyTooLarge, BodyNotJson, and RequestValidationError as the framework does.
    """
    body = await limited_body(request, limit_bytes)
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
