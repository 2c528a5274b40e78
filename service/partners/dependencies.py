"""What routes depend on that is about the caller: the caller and the person in the path."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.acting import Actor, act_as
from service.errors import KeyInvalid
from service.http.quota import REQUEST_COST, SPENT
from service.http.runtime import HttpRuntime, runtime_of
from service.partners.authenticate import Authenticator
from service.partners.caller import OWN, Caller
from service.partners.person import PersonHasher, PersonId
from service.partners.two_persons import Changes


@dataclass(frozen=True, kw_only=True)
class PartnersRuntime:
    """What is known about callers. `registry` opens sessions over partners and keys, which are the
    same for live and test keys; `is_sandbox` says that this application serves test keys. `changes`
    are those that need two persons, by their kind."""

    is_sandbox: bool
    authenticator: Authenticator
    registry: async_sessionmaker[AsyncSession]
    hasher: PersonHasher
    changes: Changes


async def caller_of(request: Request) -> Caller:
    """Return the caller of this request. Raises a kind of Unauthenticated or KeyInvalid."""
    runtime = runtime_of(request.app, PartnersRuntime)
    found = await runtime.authenticator(request.headers.get("authorization"))
    if found.is_test != runtime.is_sandbox:
        raise KeyInvalid("A test key (sx_test_...) opens the sandbox and nothing else.")
    act_as(_actor(found, runtime.hasher))
    quota = runtime_of(request.app, HttpRuntime).quota
    request.scope[SPENT] = await quota.spend(found.name, REQUEST_COST, limit=found.quota_per_minute)
    return found


def _actor(caller: Caller, hasher: PersonHasher) -> Actor:
    """Who acts: a key by its prefix, a person by their keyed hash."""
    if caller.subject is not None:
        return Actor("person", str(hasher.person(caller.subject).id))
    return Actor("key", caller.key, caller.owner)


async def charge(request: Request, caller: Caller, cost: int) -> None:
    """Take more from the caller's quota than one request costs. Raises QuotaExceeded."""
    quota = runtime_of(request.app, HttpRuntime).quota
    spent = await quota.spend(caller.name, cost, limit=caller.quota_per_minute)
    if spent is not None:
        request.scope[SPENT] = spent


ThisCaller = Annotated[Caller, Depends(caller_of)]


async def registry_of(request: Request) -> AsyncIterator[AsyncSession]:
    """Yield one transaction over partners and keys, which are the same for live and test keys."""
    registry = runtime_of(request.app, PartnersRuntime).registry
    async with registry() as session, session.begin():
        yield session


Registry = Annotated[AsyncSession, Depends(registry_of, scope="function")]


async def hasher_of(request: Request) -> PersonHasher:
    """Return the programme's hasher of people and claims."""
    return runtime_of(request.app, PartnersRuntime).hasher


ThisHasher = Annotated[PersonHasher, Depends(hasher_of)]


async def person_of(subject: str, caller: ThisCaller, hasher: ThisHasher) -> PersonId:
    """Return the person in the path, as far as the caller may act for them."""
    caller.need_to_act()
    return hasher.person(caller.subject_for(subject))


ThisPerson = Annotated[PersonId, Depends(person_of)]


@dataclass(frozen=True, slots=True)
class Reported:
    """Whose actions are read: a person's, or those of a partner's own customer.

    A customer is named by the hash that stands for it now, and by the one from before the
    partner's people changed.
    """

    names: tuple[PersonId, ...]
    is_customer: bool


async def reported_of(subject: str, caller: ThisCaller, hasher: ThisHasher) -> Reported:
    """Return the person in the path, or the partner's own customer, of whom actions are read.

    What a partner reported about its own customers it may read; everybody else has to act for the
    person.
    """
    if caller.subject is None and caller.people == OWN:
        caller.need("actions:read")
        return Reported(tuple(map(hasher.person, caller.subjects_for(subject))), is_customer=True)
    caller.need_to_act()
    return Reported((hasher.person(caller.subject_for(subject)),), is_customer=False)


ThisReported = Annotated[Reported, Depends(reported_of)]
