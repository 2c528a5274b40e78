"""What FastAPI gives to routes about the caller."""

from typing import Annotated

from fastapi import Depends, Request

from service.partners.caller import Caller
from service.partners.people import Hasher, PersonId


async def caller_of(request: Request) -> Caller:
    """Who speaks. Raises Unauthenticated's kinds."""
    found = await request.app.state.recognise(request.headers.get("authorization"))
    assert isinstance(found, Caller)
    return found


ThisCaller = Annotated[Caller, Depends(caller_of)]


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
