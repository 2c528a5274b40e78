"""HTTP for links: parse, call one use case, answer. No SQL, no rules."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import RowMapping

from service.customers import store
from service.customers.dependencies import ThisTeller
from service.customers.route import pairwise_of
from service.errors import TokenNeeded
from service.http.dependencies import AppResources, Now, Transaction
from service.http.pages import Page, Paging, newest_first
from service.http.problems import documented
from service.partners import register
from service.partners.caller import Caller
from service.partners.dependencies import Registry, ThisCaller, ThisHasher, ThisPerson
from service.partners.person import PersonId
from service.people.consent import text_of
from service.people.link import accept_link, ask_for_link, end_link, find_asked
from service.people.link_schemas import (
    CustomerState,
    GivenCode,
    LinkAsked,
    LinkPreview,
    LinkView,
    NewLink,
    NewLinkView,
)
from service.points.dependencies import ThisPolicy

router = APIRouter(
    prefix="/v1", tags=["Links"], responses=documented(400, 401, 403, 404, 413, 422, 503)
)


async def merchant_of(caller: ThisCaller) -> Caller:
    """Return a partner with customers of its own. Raises ScopeMissing, or SubjectNotYours."""
    caller.need_key()
    caller.need("events:write")
    caller.need_customers()
    return caller


async def themselves(subject: str, caller: ThisCaller, hasher: ThisHasher) -> PersonId:
    """Return the person whose own token this is. Raises TokenNeeded for a key."""
    if caller.subject is None:
        raise TokenNeeded("A consent is the person's own: send it with their token.")
    return hasher.person(caller.subject_for(subject))


Merchant = Annotated[Caller, Depends(merchant_of)]
Themselves = Annotated[PersonId, Depends(themselves)]


@router.post("/links", status_code=201)
async def ask(
    body: NewLink,
    caller: Merchant,
    hasher: ThisHasher,
    session: Transaction,
    registry: Registry,
    resources: AppResources,
    now: Now,
) -> LinkAsked:
    """Ask whose a customer of yours is: a code and an address to show them, for ten minutes.

    Nobody is linked by it: the person agrees in the programme's app. The answer is not repeatable;
    another call gives another code, and both are good.
    """
    customer = hasher.person(caller.subject_for(body.customer))
    name = (await register.known(registry, caller.owner)).name
    code, expires_at = await ask_for_link(
        session,
        customer,
        hasher,
        partner=caller.partner,
        scenario=body.scenario or name,
        now=now,
    )
    public = resources.settings.public_url
    return LinkAsked(
        code=code,
        url=None if public is None else f"{public.rstrip('/')}/link#{code}",
        expires_at=expires_at,
        person=pairwise_of(hasher, caller.partner, customer.id),
    )


@router.get("/links")
async def state(
    caller: Merchant,
    hasher: ThisHasher,
    session: Transaction,
    customer: Annotated[str, Query(min_length=1, max_length=128)],
) -> CustomerState:
    """Whether a customer of yours is linked to a person."""
    found = hasher.person(caller.subject_for(customer))
    route = (await store.find_routes(session, [found])).get(found.id)
    return CustomerState(
        customer=customer,
        linked=route is not None and route.link_id is not None,
        person=pairwise_of(hasher, caller.partner, found.id),
    )


@router.post("/people/{subject}/links/preview")
async def preview(
    body: GivenCode,
    _: Themselves,
    hasher: ThisHasher,
    session: Transaction,
    registry: Registry,
    now: Now,
) -> LinkPreview:
    """What a code asks for: who asks, about what, and the text to agree to. Show all of it."""
    _key, asked = await find_asked(session, body.code, hasher, now=now)
    name = (await register.known(registry, asked["partner"])).name
    text = text_of(asked["text_version"], partner=name, scenario=asked["scenario"])
    return LinkPreview(
        partner=asked["partner"],
        partner_name=name,
        scenario=asked["scenario"],
        text_version=asked["text_version"],
        text=text,
        expires_at=asked["expires_at"],
    )


@router.post(
    "/people/{subject}/links",
    status_code=201,
    responses={
        200: {"model": NewLinkView, "description": "It was linked by this person before."},
        **documented(409),
    },
)
async def accept(
    body: GivenCode,
    person: Themselves,
    hasher: ThisHasher,
    session: Transaction,
    registry: Registry,
    policy: ThisPolicy,
    teller: ThisTeller,
    now: Now,
    response: Response,
) -> NewLinkView:
    """Agree that a partner's customer is you: what waits becomes yours, and what comes."""
    done = await accept_link(session, person, body.code, hasher, policy, now=now)
    teller.changed(done.link["customer_id"])
    response.status_code = 201 if done.is_new else 200
    return NewLinkView(
        **await _shown(done.link, registry),
        moved_points=done.moved.points,
        lapsed_points=done.moved.lapsed,
    )


@router.get("/people/{subject}/links")
async def links(
    person: ThisPerson, session: Transaction, registry: Registry, page: Paging
) -> Page[LinkView]:
    """A person's links, newest first; those that ended are shown, too."""

    async def find(before: UUID, limit: int) -> list[LinkView]:
        rows = await store.links_before(session, person, before=before, limit=limit)
        return [LinkView.model_validate(await _shown(row, registry)) for row in rows]

    return await page.of(newest_first("link_id"), find, lambda view: view)


@router.delete("/people/{subject}/links/{link_id}", status_code=204)
async def end(
    link_id: UUID,
    person: ThisPerson,
    hasher: ThisHasher,
    session: Transaction,
    teller: ThisTeller,
    now: Now,
) -> None:
    """End a link. What came before stays yours; later events wait for somebody else, or for you."""
    teller.changed(await end_link(session, person, link_id, hasher, now=now))


async def _shown(link: RowMapping, registry: Registry) -> dict[str, object]:
    name = (await register.known(registry, link["partner"])).name
    wanted = ("link_id", "partner", "scenario", "text_version", "linked_at", "ended_at")
    return {**{name: link[name] for name in wanted}, "partner_name": name}
