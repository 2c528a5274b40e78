"""Use case: partners, their sources and their keys. Each key's text is returned once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.errors import (
    FieldsInvalid,
    KeyNotFound,
    KeyNotYours,
    KeyRotating,
    PartnerExists,
    PartnerNotFound,
    SourceTaken,
)
from service.partners import store
from service.partners.caller import OWN, PROGRAMME, Caller
from service.partners.keys import DEFAULT_SCOPES, NewKey, is_live, make_key
from service.partners.tables import ApiKey, Partner

PARTNER_ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"
SOURCES_MAX = 100


@dataclass(frozen=True, slots=True)
class Registered:
    """A partner just registered, with a live key and a test key."""

    partner: Partner
    sources: Sequence[str]
    live: NewKey
    test: NewKey


async def register(
    session: AsyncSession,
    partner: str,
    *,
    name: str,
    sources: tuple[str, ...],
    scopes: tuple[str, ...] = (*DEFAULT_SCOPES, "webhooks:manage"),
    expires_at: datetime | None = None,
    people: str = OWN,
    now: datetime,
) -> Registered:
    """Return a new partner that can start at once; `people` says whose people it reports.

    Raises PartnerExists, SourceTaken, FieldsInvalid.
    """
    check_id(partner)
    if await store.find_partner(session, partner) is not None:
        raise PartnerExists(f"A partner {partner!r} is registered already.")
    await store.put_partner(session, partner, name, now, people=people)
    await put_sources(session, partner, sources)
    live, test = make_key(), make_key(is_test=True)
    for key in (live, test):
        granted = tuple(one for one in scopes if one != "admin" or not key.is_test)
        await store.put_key(
            session, key, partner=partner, scopes=granted, now=now, expires_at=expires_at
        )
    found = await known(session, partner)
    return Registered(found, await store.sources_of(session, partner), live, test)


def check_id(partner: str) -> None:
    """Raise FieldsInvalid for an id that cannot be a partner's."""
    if re.match(PARTNER_ID, partner) is None:
        raise FieldsInvalid(
            f"/partner: {partner!r} must be 1 to 64 of a-z, 0-9, dot, dash and underline, and start"
            " with a letter or digit.",
            (("/partner", "must match " + PARTNER_ID),),
        )


async def known(session: AsyncSession, partner: str) -> Partner:
    """Return the partner. Raises PartnerNotFound."""
    found = await store.find_partner(session, partner)
    if found is None:
        raise PartnerNotFound(f"There is no partner {partner!r}.")
    return found


async def set_people(session: AsyncSession, partner: str, people: str, *, now: datetime) -> None:
    """Say whose people a partner's subjects are from now on. Raises PartnerNotFound.

    What it reported before stays with the accounts that it went to.
    """
    before = (await known(session, partner)).people
    if before != people:
        await store.set_people(session, partner, people, now)
        await audit(
            session,
            "partner.people_changed",
            f"partner:{partner}",
            before={"people": before},
            after={"people": people},
            now=now,
        )


def check_gives(caller: Caller, people: str) -> None:
    """Raise ScopeMissing unless the caller may let a partner report these people."""
    if people == PROGRAMME:
        caller.need("admin")


async def put_sources(session: AsyncSession, partner: str, sources: tuple[str, ...]) -> None:
    """Register sources for a partner; those it has stay. Raises SourceTaken."""
    for index, source in enumerate(sources):
        owner = await store.owner_of_source(session, source)
        if owner not in (None, partner):
            raise SourceTaken(
                f"The source {source!r} is registered for another partner.",
                ((f"/sources/{index}", "belongs to another partner"),),
            )
    if sources:
        await store.put_sources(session, partner, sources)


async def rotate(
    session: AsyncSession,
    caller: Caller,
    prefix: str,
    *,
    overlap: timedelta,
    lifetime: timedelta | None,
    now: datetime,
) -> tuple[NewKey, ApiKey]:
    """Return a new key with the same scopes, and the row of the old one; it ends after `overlap`.

    Two are live at a time. Raises KeyNotFound, KeyNotYours, KeyRotating.
    """
    keys = await store.lock_keys(session, caller.owner)
    old = _changeable(keys, caller, prefix, now)
    others = [key for key in keys.values() if key.replaces == prefix or key.prefix == old.replaces]
    for other in others:
        if is_live(now, expires_at=other.expires_at, revoked_at=other.revoked_at):
            raise KeyRotating(
                f"The key {other.prefix} is live beside {prefix}. Revoke one of the two first, or "
                "wait until the older one ends."
            )
    key = make_key(is_test=old.is_test)
    await store.put_key(
        session,
        key,
        partner=caller.owner,
        scopes=tuple(old.scopes),
        now=now,
        expires_at=None if lifetime is None else now + lifetime,
        replaces=prefix,
    )
    await store.expire_key(session, prefix, now + overlap)
    return key, old


async def revoke(session: AsyncSession, caller: Caller, prefix: str, *, now: datetime) -> None:
    """Revoke a key of the caller's own partner. Raises KeyNotFound, KeyNotYours."""
    _changeable(await store.lock_keys(session, caller.owner), caller, prefix, now)
    await store.revoke_key(session, prefix, now)


def _changeable(keys: dict[str, ApiKey], caller: Caller, prefix: str, now: datetime) -> ApiKey:
    key = keys.get(prefix)
    if key is None or not is_live(now, expires_at=key.expires_at, revoked_at=key.revoked_at):
        raise KeyNotFound(f"You have no key {prefix!r} that is live.")
    if key.is_test != caller.is_test or not all(map(caller.may, key.scopes)):
        raise KeyNotYours(
            f"The key {prefix} is of the other mode or has scopes that yours lacks; use itself."
        )
    return key
