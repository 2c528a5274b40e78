"""Use cases: a partner's keys are made, rotated and revoked. Each key's text is returned once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.errors import FieldsInvalid, KeyNotFound, KeyNotYours, KeyRotating
from service.partners import store
from service.partners.caller import ACT, PROGRAMME, Caller
from service.partners.keys import NewKey, earliest, is_live, make_key
from service.partners.tables import ApiKey

KEYS_MAX = 1_000  # of one partner, those that ended among them


class UnstoredKey(TypedDict):
    """A key that was made, and all that is stored of it with `put_key`."""

    key: NewKey
    partner: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    made_by: str | None


async def put_key(
    session: AsyncSession,
    key: NewKey,
    *,
    partner: str,
    scopes: tuple[str, ...],
    now: datetime,
    expires_at: datetime | None,
    made_by: str | None = None,
) -> None:
    """Store a key that was just made."""
    await store.put_key(
        session,
        key,
        partner=partner,
        scopes=scopes,
        now=now,
        expires_at=expires_at,
        made_by=made_by,
    )
    await audit(
        session,
        "key.made",
        f"key:{key.prefix}",
        after={
            "partner": partner,
            "scopes": scopes,
            "is_test": key.is_test,
            "expires_at": expires_at,
            "made_by": made_by,
        },
        now=now,
    )


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
    await audit(
        session,
        "key.rotated",
        f"key:{prefix}",
        before={"ends_at": old.ends_at},
        after={
            "ends_at": earliest(old.ends_at, now + overlap),
            "successor": key.prefix,
            "successor_ends_at": expires_at,
            "scopes": old.scopes,
        },
        now=now,
    )
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
    revoked = await revoke_lineage(session, prefix, now=now)
    if not revoked:
        raise KeyNotFound(f"The key {prefix!r} and what came of it are revoked already.")
    return revoked


async def revoke_lineage(session: AsyncSession, prefix: str, *, now: datetime) -> list[str]:
    """Revoke a key and all that came of it; the prefixes of those that were not revoked yet."""
    revoked = await store.revoke_key(session, prefix, now)
    for one in revoked:
        after = {"revoked": True, "for": prefix}
        await audit(
            session, "key.revoked", f"key:{one}", before={"revoked": False}, after=after, now=now
        )
    return revoked


async def new_own_key(
    session: AsyncSession,
    caller: Caller,
    *,
    scopes: Sequence[str],
    lifetime: timedelta | None,
    now: datetime,
) -> UnstoredKey:
    """Return a new key of the caller's own partner and mode, which can do no more than the caller.

    It does not outlive the key that makes it, and is not stored yet. Raises ScopeMissing,
    FieldsInvalid.
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
    return UnstoredKey(
        key=key,
        partner=caller.owner,
        scopes=tuple(dict.fromkeys(scopes)),
        expires_at=earliest(mine.expires_at, None if lifetime is None else now + lifetime),
        made_by=caller.key,
    )


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
