"""HTTP for partners: their own keys, test data, and the operator's list. No SQL, no rules."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from service.http.dependencies import AppResources, Now
from service.http.pages import Order, Page, Paging, as_found, by_name
from service.http.problems import documented
from service.http.runtime import runtime_of
from service.http.times import whole_of
from service.partners import change_keys, changes, store
from service.partners import register as use
from service.partners.authenticate import Authenticator
from service.partners.caller import OWN, Caller
from service.partners.dependencies import PartnersRuntime, Registry, ThisCaller
from service.partners.keys import NewKey
from service.partners.proposing import PROPOSED, WITH_PROPOSAL, ThisProposing
from service.partners.schemas import (
    KeyView,
    MeView,
    NewOwnKey,
    NewPartner,
    PartnerChange,
    PartnerView,
    Proposed,
    ProposedKey,
    RegisteredPartner,
    RevokedKeys,
    RotatedKey,
    Rotation,
    ShownKey,
    key_view,
    mode_of,
    partner_fields,
)

router = APIRouter(
    prefix="/v1", tags=["Partners"], responses=documented(400, 401, 403, 404, 409, 413, 422, 503)
)
WITH_PROPOSED_KEY: dict[int | str, dict[str, Any]] = {
    PROPOSED: {"model": ProposedKey, "description": "It waits for a second person."}
}
_BY_NUMBER: Order[tuple[int, KeyView], int] = Order(
    lambda numbered: numbered[:1], lambda parts: whole_of(parts[0]), 0
)


async def partner_of(caller: ThisCaller) -> Caller:
    """Return the partner that calls. Raises ScopeMissing for a person."""
    caller.need_key()
    return caller


ThisPartner = Annotated[Caller, Depends(partner_of)]


async def manager_of(caller: ThisPartner) -> Caller:
    """Return a partner's key that may change the partner's keys. Raises ScopeMissing."""
    caller.need("keys:manage")
    return caller


async def operator_of(caller: ThisCaller) -> Caller:
    """Return an operator. Raises ScopeMissing."""
    caller.need("operator")
    return caller


async def authenticator_of(request: Request) -> Authenticator:
    """Return the authenticator, which must forget its keys when one changes."""
    return runtime_of(request.app, PartnersRuntime).authenticator


Manager = Annotated[Caller, Depends(manager_of)]
Operator = Annotated[Caller, Depends(operator_of)]
ThisAuthenticator = Annotated[Authenticator, Depends(authenticator_of)]


@router.get("/partner")
async def me(caller: ThisPartner, registry: Registry) -> MeView:
    """Your own partner: sources, and what the key in use may do."""
    found = await use.known(registry, caller.owner)
    fields = partner_fields(found, await store.sources_of(registry, caller.owner))
    return MeView.model_validate(
        {**fields, "mode": mode_of(caller), "scopes": sorted(caller.scopes)}
    )


@router.get("/partner/keys")
async def keys(caller: Manager, registry: Registry, page: Paging) -> Page[KeyView]:
    """Your own keys, live and test, newest first, without their secrets."""

    async def find(after: int, limit: int) -> list[tuple[int, KeyView]]:
        found = map(key_view, await store.list_keys(registry, caller.owner))
        return list(enumerate(found, 1))[after : after + limit]

    return await page.of(_BY_NUMBER, find, lambda numbered: numbered[1])


@router.post("/partner/keys", status_code=201, responses=WITH_PROPOSED_KEY)
async def make(
    new: NewOwnKey, caller: Manager, registry: Registry, proposing: ThisProposing, now: Now
) -> ShownKey | ProposedKey:
    """Make another key of your own: with scopes that the key in use has, and no longer life. An
    administrator's key needs a second person, and opens nothing before.

    The answer is not repeatable: it shows a secret, which is stored nowhere. When it is lost,
    revoke the new key and make another.
    """
    lifetime = None if new.days is None else timedelta(days=new.days)
    made = await change_keys.new_own_key(
        registry, caller, scopes=new.scopes, lifetime=lifetime, now=now
    )
    if "admin" in new.scopes and proposing.is_needed:
        wanted = changes.key_body(**made)
        proposed = await proposing.propose(registry, changes.ADMIN_KEY, wanted)
        return ProposedKey(**_shown(made["key"]).model_dump(), **proposed.model_dump())
    await change_keys.put_key(registry, **made, now=now)
    return _shown(made["key"])


@router.post("/partner/keys/{prefix}/rotation", status_code=201)
async def rotate(
    prefix: str,
    caller: Manager,
    registry: Registry,
    authenticator: ThisAuthenticator,
    now: Now,
    how: Rotation | None = None,
) -> RotatedKey:
    """Replace a key by a new one with the same scopes and end; both are live for `overlap_hours`.

    The answer is not repeatable: it shows a secret, which is stored nowhere. When it is lost,
    revoke the new key and rotate again.
    """
    how = how or Rotation()
    new, old, expires_at = await change_keys.rotate(
        registry,
        caller,
        prefix,
        overlap=timedelta(hours=how.overlap_hours),
        lifetime=None if how.days is None else timedelta(days=how.days),
        now=now,
    )
    await registry.refresh(old)
    authenticator.forget()
    assert old.ends_at is not None
    return RotatedKey(
        prefix=new.prefix,
        mode=mode_of(caller),
        key=new.text,
        replaces=prefix,
        expires_at=expires_at,
        old_key_ends_at=old.ends_at,
    )


@router.delete("/partner/keys/{prefix}")
async def revoke(
    prefix: str, caller: Manager, registry: Registry, authenticator: ThisAuthenticator, now: Now
) -> RevokedKeys:
    """Revoke one of your keys, its successors and what it made; the answer names them all.

    Other processes notice within seconds. Connectors and endpoints that were made with one of them
    stop until another key of yours confirms them.
    """
    revoked = await change_keys.revoke(registry, caller, prefix, now=now)
    authenticator.forget()
    return RevokedKeys(revoked=revoked)


@router.get("/partners")
async def partners(_: Operator, registry: Registry, page: Paging) -> Page[PartnerView]:
    """Every partner, by id. For operators."""

    async def find(after: str, limit: int) -> list[PartnerView]:
        return [
            PartnerView.model_validate(
                partner_fields(one, await store.sources_of(registry, one.partner))
            )
            for one in await store.partners_after(registry, after, limit)
        ]

    return await page.of(by_name("partner"), find, as_found)


@router.post("/partners", status_code=201)
async def add(
    new: NewPartner,
    caller: Operator,
    registry: Registry,
    resources: AppResources,
    proposing: ThisProposing,
    now: Now,
) -> RegisteredPartner:
    """Register a partner, with a live and a test key. For operators; administrators alone give
    `people: programme`, with a second person: until then the partner has `people: own`.

    The answer is not repeatable: it shows secrets, which are stored nowhere.
    """
    use.check_gives(caller, new.people)
    waits = new.people != OWN and proposing.is_needed
    done = await use.register(
        registry,
        new.partner,
        name=new.name or new.partner,
        sources=tuple(new.sources),
        people=OWN if waits else new.people,
        app_source=resources.settings.app_source,
        now=now,
    )
    proposed = None
    if waits:
        wanted = changes.RealmBody(partner=new.partner, people=new.people)
        proposed = await proposing.write(registry, changes.PEOPLE, wanted)
    return RegisteredPartner.model_validate(
        {
            "proposal": None if proposed is None else proposed.model_dump(),
            **partner_fields(done.partner, list(done.sources)),
            "live_key": _shown(done.live),
            "test_key": _shown(done.test),
        }
    )


@router.get("/partners/{partner}")
async def show(partner: str, _: Operator, registry: Registry) -> PartnerView:
    """One partner. For operators."""
    return await _view(registry, partner)


@router.patch("/partners/{partner}", responses=WITH_PROPOSAL)
async def change(
    partner: str,
    what: PartnerChange,
    caller: Operator,
    registry: Registry,
    authenticator: ThisAuthenticator,
    resources: AppResources,
    proposing: ThisProposing,
    now: Now,
) -> PartnerView | Proposed:
    """Disable or enable a partner, give it more sources, or say whose people it reports. For
    operators; administrators alone change `people`, with a second person: the answer is then the
    proposal, and all else is changed.

    A disabled partner's keys and connectors are refused; what it recorded stays.
    """
    await use.known(registry, partner)
    await use.check_changeable(registry, caller, partner)
    if what.people is not None:
        caller.need("admin")
    app_source = resources.settings.app_source
    sources = tuple(what.add_sources)
    await use.put_sources(registry, partner, sources, app_source=app_source, now=now)
    if what.disabled is not None:
        await use.set_disabled(registry, partner, disabled=what.disabled, now=now)
    registry.expire_all()
    authenticator.forget()
    if what.people is not None:
        wanted = changes.RealmBody(partner=partner, people=what.people)
        done = await proposing.make(registry, changes.PEOPLE, wanted)
        if isinstance(done, Proposed):
            return done
    return await _view(registry, partner)


async def _view(registry: Registry, partner: str) -> PartnerView:
    found = await use.known(registry, partner)
    return PartnerView.model_validate(
        partner_fields(found, await store.sources_of(registry, partner))
    )


def _shown(key: NewKey) -> ShownKey:
    return ShownKey(prefix=key.prefix, mode="test" if key.is_test else "live", key=key.text)
