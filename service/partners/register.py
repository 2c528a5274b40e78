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
from service.partners.caller import ACT, OWN, PROGRAMME, Caller
from service.partners.keys import (
    DEFAULT_SCOPES,
    TEST_SCOPES,
    NewKey,
    earliest,
    is_live,
    make_key,
)
from service.partners.tables import ApiKey, Partner

PARTNER_ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"
SOURCES_MAX = 100
# Names that speak for somebody else: those who act, and the environments.
RESERVED_IDS = frozenset(
    (
        "admin", "administrator", "anonymous", "app", "auditor", "everybody", "live", "me",
        "nobody", "operator", "partner", "people", "person", "programme", "public", "root",
        "sandbox", "saxaul", "system", "test", "worker",
    )
)  # fmt: skip
KEYS_MAX = 1_000  # of one partner, those that ended among them


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
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
    expires_at: datetime | None = None,
    people: str = OWN,
    app_source: str,
    now: datetime,
) -> Registered:
    """Return a new partner that can start at once; `people` says whose people it reports.

    Raises PartnerExists, SourceTaken, FieldsInvalid.
    """
    check_id(partner, app_source)
    if await store.find_partner(session, partner) is not None:
        raise PartnerExists(f"A partner {partner!r} is registered already.")
    await store.put_partner(session, partner, name, now, people=people)
    await put_sources(session, partner, sources, app_source=app_source)
    live, test = make_key(), make_key(is_test=True)
    for key in (live, test):
        granted = tuple(one for one in scopes if not key.is_test or one in TEST_SCOPES)
        await store.put_key(
            session, key, partner=partner, scopes=granted, now=now, expires_at=expires_at
        )
    found = await known(session, partner)
    return Registered(found, await store.sources_of(session, partner), live, test)


def check_id(partner: str, app_source: str) -> None:
    """Raise FieldsInvalid for an id that cannot be a new partner's.

    `app_source` is the one under which people report themselves: it names nobody else.
    """
    if partner in RESERVED_IDS or partner == app_source:
        raise FieldsInvalid(
            f"/partner: {partner!r} is reserved, since it would be taken for somebody else. Choose "
            "another id.",
            (("/partner", "is reserved"),),
        )
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


async def check_changeable(session: AsyncSession, caller: Caller, partner: str) -> None:
    """Raise KeyNotYours for an operator and a partner that holds an administrator's key."""
    if caller.may("admin"):
        return
    if any("admin" in key.scopes for key in await store.list_keys(session, partner)):
        raise KeyNotYours(
            f"{partner} holds keys of administrators: an administrator changes it, no operator."
        )


def check_gives(caller: Caller, people: str) -> None:
    """Raise ScopeMissing unless the caller may let a partner report these people."""
    if people == PROGRAMME:
        caller.need("admin")


async def put_sources(
    session: AsyncSession, partner: str, sources: tuple[str, ...], *, app_source: str
) -> None:
    """Register sources for a partner; those it has stay. Raises SourceTaken.

    Raises FieldsInvalid for the source of people's own reports, unless it is the app's operator.
    """
    if app_source in sources and (await known(session, partner)).people != PROGRAMME:
        raise FieldsInvalid(
            f"People report themselves as {app_source!r}: that source is for the app's operator, a "
            "partner with `people: programme`.",
            ((f"/sources/{sources.index(app_source)}", "is the source of people's own reports"),),
        )
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
) -> tuple[NewKey, ApiKey, datetime | None]:
    """Return a new key with the same scopes, the row of the old one, and when the new one expires.

    That is when the old one would have, or sooner, after `lifetime`; the old one ends after
    `overlap`. Two are live at a time. Raises KeyNotFound, KeyNotYours, KeyRotating.
    """
    keys = await store.lock_keys(session, caller.owner)
    old = _changeable(keys, caller, prefix, now)
    others = [key for key in keys.values() if key.replaces == prefix or key.prefix == old.replaces]
    for other in others:
        if is_live(now, expires_at=other.ends_at, revoked_at=other.revoked_at):
            raise KeyRotating(
                f"The key {other.prefix} is live beside {prefix}. Revoke one of the two first, or "
                "wait until the older one ends."
            )
    key = make_key(is_test=old.is_test)
    expires_at = earliest(old.expires_at, None if lifetime is None else now + lifetime)
    await store.put_key(
        session,
        key,
        partner=caller.owner,
        scopes=tuple(old.scopes),
        now=now,
        expires_at=expires_at,
        replaces=prefix,
    )
    await store.retire_key(session, prefix, now + overlap)
    return key, old, expires_at


async def revoke(session: AsyncSession, caller: Caller, prefix: str, *, now: datetime) -> list[str]:
    """Revoke a key of the caller's own partner, and what came of it; the prefixes of them all.

    One that has ended is revoked, too, for the sake of its successors. Raises KeyNotFound,
    KeyNotYours.
    """
    keys = await store.lock_keys(session, caller.owner)
    key = keys.get(prefix)
    if key is None:
        raise KeyNotFound(f"You have no key {prefix!r}.")
    _check_yours(key, caller)
    revoked = await store.revoke_key(session, prefix, now)
    if not revoked:
        raise KeyNotFound(f"The key {prefix!r} and what came of it are revoked already.")
    return revoked


async def make_own_key(
    session: AsyncSession,
    caller: Caller,
    *,
    scopes: Sequence[str],
    lifetime: timedelta | None,
    now: datetime,
) -> NewKey:
    """Return a new key of the caller's own partner and mode, which can do no more than the caller.

    It does not outlive the key that makes it. Raises ScopeMissing, FieldsInvalid.
    """
    keys = await store.lock_keys(session, caller.owner)
    for scope in scopes:
        caller.need(scope)
    if len(keys) >= KEYS_MAX:
        raise FieldsInvalid(
            f"There are {KEYS_MAX} keys of {caller.owner} already.",
            (("", f"a partner has at most {KEYS_MAX} keys"),),
        )
    key = make_key(is_test=caller.is_test)
    mine = keys[caller.key]
    await store.put_key(
        session,
        key,
        partner=caller.owner,
        scopes=tuple(dict.fromkeys(scopes)),
        now=now,
        expires_at=earliest(mine.expires_at, None if lifetime is None else now + lifetime),
        made_by=caller.key,
    )
    return key


def _changeable(keys: dict[str, ApiKey], caller: Caller, prefix: str, now: datetime) -> ApiKey:
    key = keys.get(prefix)
    if key is None or not is_live(now, expires_at=key.ends_at, revoked_at=key.revoked_at):
        raise KeyNotFound(f"You have no key {prefix!r} that is live.")
    _check_yours(key, caller)
    return key


def _check_yours(key: ApiKey, caller: Caller) -> None:
    # What a key cannot use does not make it the stronger one.
    usable = [one for one in key.scopes if one != ACT or caller.people == PROGRAMME]
    if key.is_test != caller.is_test or not all(map(caller.holds, usable)):
        raise KeyNotYours(
            f"The key {key.prefix} is of the other mode or has scopes that yours lacks; use itself."
        )
