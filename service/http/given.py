"""What FastAPI gives to routes: resources, a transaction, the time, a limited body."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from service.errors import BodyTooLarge
from service.resources import Resources


async def resources_of(request: Request) -> Resources:
    """The resources that this program opened at its start."""
    found = request.app.state.resources
    assert isinstance(found, Resources)
    return found


Given = Annotated[Resources, Depends(resources_of)]


async def transaction(resources: Given) -> AsyncIterator[AsyncSession]:
    """One transaction for one request: committed when the route returned, before the answer."""
    async with resources.sessions() as session, session.begin():
        yield session


# The default scope would commit after the answer has left.
Transaction = Annotated[AsyncSession, Depends(transaction, scope="function")]


async def one_statement(resources: Given) -> AsyncIterator[AsyncSession]:
    """A session for a request that is one statement: the statement is its own transaction.

    It saves the two round trips that begin and commit one. Nothing is opened before it is used.
    """
    async with resources.statements() as session:
        yield session


OneStatement = Annotated[AsyncSession, Depends(one_statement, scope="function")]


async def now_of(resources: Given) -> datetime:
    """The time of this request, aware, UTC."""
    return resources.clock()


Now = Annotated[datetime, Depends(now_of)]


DROPPED_SHARE = 2  # a body of up to so many limits is read to its end, to be heard


async def limited_body(request: Request, limit_bytes: int) -> bytes:
    """The body. Raises BodyTooLarge before more than the limit is held in memory.

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
