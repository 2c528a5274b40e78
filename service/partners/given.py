"""What FastAPI gives to routes about the caller."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import KeyInvalid
from service.http.quota import REQUEST_COST, SPENT
from service.partners.caller import Caller
from service.partners.people import Hasher, PersonId


async def caller_of(request: Request) -> Caller:
    """Who speaks. Raises Unauthenticated's kinds."""
    state = request.app.state
    found = await state.recognise(request.headers.get("authorization"))
    assert isinstance(found, Caller)
    if found.is_test != state.is_sandbox:
        raise KeyInvalid("A test key (sx_test_...) opens the sandbox and nothing else.")
    request.scope[SPENT] = await state.quota.spend(
        found.name, REQUEST_COST, limit=found.quota_per_minute
    )
    return found


async def charge(request: Request, caller: Caller, cost: int) -> None:
    """Take more from the caller's quota than one request costs. Raises QuotaExceeded."""
    spent = await request.app.state.quota.spend(caller.name, cost, limit=caller.quota_per_minute)
    if spent is not None:
        request.scope[SPENT] = spent


ThisCaller = Annotated[Caller, Depends(caller_of)]


async def registry_of(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction over partners and keys, which are the same for live and test keys."""
    async with request.app.state.registry() as session, session.begin():
        yield session


Registry = Annotated[AsyncSession, Depends(registry_of, scope="function")]


async def hasher_of(request: Request) -> Hasher:
    """The programme's hasher of people and claims."""
    found = request.app.state.hasher
    assert isinstance(found, Hasher)
    return found


People = Annotated[Hasher, Depends(hasher_of)]


async def person_of(subject: str, caller: ThisCaller, people: People) -> PersonId:
    """The person in the path, as far as the caller may act for them: `me`, or by points:write."""
    caller.need("points:write")
    return people.person(caller.subject_for(subject))


ThisPerson = Annotated[PersonId, Depends(person_of)]
