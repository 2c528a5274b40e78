"""Use case: partners, their sources and their keys. Each key's text is returned once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.errors import (
    FieldsInvalid,
    KeyNotYours,
    PartnerExists,
    PartnerNotFound,
    SourceTaken,
)
from service.partners import store
from service.partners.caller import OWN, PROGRAMME, Caller
from service.partners.change_keys import put_key
from service.partners.keys import (
    DEFAULT_SCOPES,
    TEST_SCOPES,
    NewKey,
    make_key,
)
from service.partners.tables import Partner

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
    await add_partner(session, partner, name=name, people=people, now=now)
    await put_sources(session, partner, sources, app_source=app_source, now=now)
    live, test = make_key(), make_key(is_test=True)
    for key in (live, test):
        granted = tuple(one for one in scopes if not key.is_test or one in TEST_SCOPES)
        await put_key(session, key, partner=partner, scopes=granted, now=now, expires_at=expires_at)
    found = await known(session, partner)
    return Registered(found, await store.sources_of(session, partner), live, test)


async def add_partner(
    session: AsyncSession, partner: str, *, name: str, people: str = OWN, now: datetime
) -> None:
    """Add a partner without sources and keys, unless it is there."""
    if await store.find_partner(session, partner) is None:
        await store.put_partner(session, partner, name, now, people=people)
        after = {"name": name, "people": people}
        await audit(session, "partner.added", f"partner:{partner}", after=after, now=now)


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
    session: AsyncSession,
    partner: str,
    sources: tuple[str, ...],
    *,
    app_source: str,
    now: datetime,
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
    before = await store.sources_of(session, partner)
    if set(sources) - set(before):
        await store.put_sources(session, partner, sources)
        await audit(
            session,
            "partner.sources_added",
            f"partner:{partner}",
            before={"sources": before},
            after={"sources": await store.sources_of(session, partner)},
            now=now,
        )


async def set_disabled(
    session: AsyncSession, partner: str, *, disabled: bool, now: datetime
) -> None:
    """Refuse a partner's keys and connectors, or take them again. Raises PartnerNotFound."""
    before = (await known(session, partner)).disabled_at
    if disabled == (before is not None):
        return
    await store.set_disabled(session, partner, now if disabled else None)
    await audit(
        session,
        "partner.disabled" if disabled else "partner.enabled",
        f"partner:{partner}",
        before={"disabled": not disabled},
        after={"disabled": disabled},
        now=now,
    )


async def set_quota(
    session: AsyncSession, partner: str, per_minute: int | None, *, now: datetime
) -> None:
    """Give a partner a quota of its own, or None for the settings'. Raises PartnerNotFound."""
    before = (await known(session, partner)).quota_per_minute
    await store.set_quota(session, partner, per_minute)
    await audit(
        session,
        "partner.quota_changed",
        f"partner:{partner}",
        before={"quota_per_minute": before},
        after={"quota_per_minute": per_minute},
        now=now,
    )
