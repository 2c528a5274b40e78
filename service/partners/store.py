"""SQL of partners, sources and keys. No decisions, no commit, no HTTP."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from service.partners.caller import OWN
from service.partners.keys import HeldKey, KnownKey, NewKey, Succession
from service.partners.tables import ApiKey, Partner, Proposal, Source

# What came of a key: its successors by rotation, the keys that it made, and theirs.
_REVOKE = text("""
    WITH RECURSIVE lineage AS (
        SELECT prefix FROM api_key WHERE prefix = :prefix
        UNION
        SELECT made.prefix FROM lineage
        JOIN api_key AS made ON lineage.prefix IN (made.replaces, made.made_by)
    )
    UPDATE api_key SET revoked_at = :now FROM lineage
    WHERE api_key.prefix = lineage.prefix AND revoked_at IS NULL RETURNING api_key.prefix
""")
_SUCCESSORS = text("""
    WITH RECURSIVE line AS (
        SELECT prefix FROM api_key WHERE prefix = :prefix
        UNION
        SELECT next.prefix FROM line JOIN api_key AS next ON next.replaces = line.prefix
    )
    SELECT prefix FROM line
""")

_ORIGIN = text("""
    WITH RECURSIVE line AS (
        SELECT prefix, coalesce(replaces, made_by) AS above FROM api_key WHERE prefix = :prefix
        UNION
        SELECT key.prefix, coalesce(key.replaces, key.made_by) FROM line
        JOIN api_key AS key ON key.prefix = line.above
    )
    SELECT prefix FROM line WHERE above IS NULL
""")
_MAY_CONFIRM = text("""
    SELECT EXISTS (
        SELECT FROM api_key JOIN partner USING (partner)
        WHERE NOT is_test AND revoked_at IS NULL AND disabled_at IS NULL
          AND (expires_at IS NULL OR expires_at > :now)
          AND (retires_at IS NULL OR retires_at > :now)
          AND scopes && ARRAY[CAST(:scope AS text), 'admin'])
""")


async def find_key(session: AsyncSession, prefix: str) -> KnownKey | None:
    """Return the key with this prefix and the sources of its partner."""
    key = await session.get(ApiKey, prefix)
    if key is None:
        return None
    partner = await session.get(Partner, key.partner)
    assert partner is not None, "a key's partner is there by its foreign key"
    return KnownKey(
        partner=key.partner,
        secret_sha256=key.secret_sha256,
        scopes=frozenset(key.scopes),
        sources=frozenset(await sources_of(session, key.partner)),
        expires_at=key.ends_at,
        revoked_at=key.revoked_at,
        is_test=key.is_test,
        partner_disabled=partner.disabled_at is not None,
        test_epoch=partner.test_epoch,
        quota_per_minute=partner.quota_per_minute,
        people=partner.people,
        people_since=partner.people_since,
    )


async def put_partner(
    session: AsyncSession, partner: str, name: str, now: datetime, *, people: str = OWN
) -> None:
    """Add the partner unless it is there."""
    row = insert(Partner).values(partner=partner, name=name, created_at=now, people=people)
    await session.execute(row.on_conflict_do_nothing())


async def put_sources(session: AsyncSession, partner: str, sources: tuple[str, ...]) -> None:
    """Register the sources unless they are registered."""
    row = insert(Source).values([{"source": source, "partner": partner} for source in sources])
    await session.execute(row.on_conflict_do_nothing())


async def owner_of_source(session: AsyncSession, source: str) -> str | None:
    """Return the partner that a source is registered for."""
    found = await session.get(Source, source)
    return None if found is None else found.partner


async def put_key(
    session: AsyncSession,
    key: NewKey,
    *,
    partner: str,
    scopes: tuple[str, ...],
    now: datetime,
    expires_at: datetime | None,
    replaces: str | None = None,
    made_by: str | None = None,
) -> None:
    """Store a new key's hash."""
    session.add(
        ApiKey(
            prefix=key.prefix,
            partner=partner,
            secret_sha256=key.secret_sha256,
            scopes=list(scopes),
            created_at=now,
            expires_at=expires_at,
            is_test=key.is_test,
            replaces=replaces,
            made_by=made_by,
        )
    )
    await session.flush()


async def revoke_key(session: AsyncSession, prefix: str, now: datetime) -> list[str]:
    """Revoke a key and all that came of it; the prefixes of those that were not revoked yet."""
    found = await session.scalars(_REVOKE, {"prefix": prefix, "now": now})
    return sorted(found, key=lambda one: (one != prefix, one))


async def succession_of(session: AsyncSession, prefix: str | None) -> Succession:
    """Return a key with those that succeeded it by rotation."""
    if prefix is None:
        return Succession()
    found = list(await session.scalars(_SUCCESSORS, {"prefix": prefix}))
    keys = await session.scalars(select(ApiKey).where(col(ApiKey.prefix).in_(found)))
    return Succession(
        tuple(
            HeldKey(frozenset(key.scopes), key.ends_at, key.revoked_at)
            for key in sorted(keys, key=lambda key: key.prefix != prefix)
        )
    )


async def list_keys(session: AsyncSession, partner: str | None = None) -> list[ApiKey]:
    """Return all keys, or a partner's, newest first; there is no secret in them."""
    query = select(ApiKey).order_by(col(ApiKey.created_at).desc(), col(ApiKey.prefix))
    if partner is not None:
        query = query.where(col(ApiKey.partner) == partner)
    return list(await session.scalars(query))


async def lock_keys(session: AsyncSession, partner: str) -> dict[str, ApiKey]:
    """Return a partner's keys by prefix; other changes of them wait until this transaction ends."""
    await session.execute(select(Partner).where(col(Partner.partner) == partner).with_for_update())
    return {key.prefix: key for key in await list_keys(session, partner)}


async def retire_key(session: AsyncSession, prefix: str, at: datetime) -> None:
    """Let a key end at `at` in favour of its successor, unless it ends before."""
    query = text(
        "UPDATE api_key SET retires_at = least(coalesce(retires_at, :at), :at)"
        " WHERE prefix = :prefix"
    )
    await session.execute(query, {"prefix": prefix, "at": at})


async def origin_of(session: AsyncSession, prefix: str) -> str:
    """Return the key that a key came of in the end, by rotations and makings; itself if of none."""
    found: str | None = await session.scalar(_ORIGIN, {"prefix": prefix})
    return found or prefix


async def may_confirm(session: AsyncSession, scope: str, now: datetime) -> bool:
    """Return whether any live key may confirm what needs a scope."""
    return bool(await session.scalar(_MAY_CONFIRM, {"scope": scope, "now": now}))


async def proposals_before(
    session: AsyncSession, *, state: str | None, now: datetime, before: UUID, limit: int
) -> Sequence[Proposal]:
    """Return proposals before an id, newest first; `expired` ones were open and can be no more."""
    query = select(Proposal).where(col(Proposal.proposal_id) < before)
    if state in ("open", "expired"):
        is_late = col(Proposal.expires_at) <= now
        query = query.where(
            col(Proposal.state) == "open", is_late if state == "expired" else ~is_late
        )
    elif state is not None:
        query = query.where(col(Proposal.state) == state)
    return (
        await session.scalars(query.order_by(col(Proposal.proposal_id).desc()).limit(limit))
    ).all()


async def note_uses(session: AsyncSession, used: Mapping[str, datetime]) -> None:
    """Remember when keys were last used; in the order of their prefixes."""
    query = text("""
        UPDATE api_key SET last_used_at = used.at
        FROM unnest(CAST(:prefixes AS text[]), CAST(:times AS timestamptz[])) AS used(prefix, at)
        WHERE api_key.prefix = used.prefix
          AND (last_used_at IS NULL OR last_used_at < used.at)
    """)
    prefixes = sorted(used)
    await session.execute(
        query, {"prefixes": prefixes, "times": [used[prefix] for prefix in prefixes]}
    )


async def sources_of(session: AsyncSession, partner: str) -> list[str]:
    """Return the sources that a partner reports under, by name."""
    query = select(Source.source).where(Source.partner == partner).order_by(Source.source)
    return list(await session.scalars(query))


async def find_partner(session: AsyncSession, partner: str) -> Partner | None:
    """Return a registered partner."""
    return await session.get(Partner, partner)


async def partners_after(session: AsyncSession, after: str, limit: int) -> list[Partner]:
    """Return partners by id, after one."""
    query = select(Partner).where(col(Partner.partner) > after)
    return list(await session.scalars(query.order_by(col(Partner.partner)).limit(limit)))


async def set_disabled(session: AsyncSession, partner: str, at: datetime | None) -> bool:
    """Disable a partner, or enable it with None; whether there is one."""
    query = text(
        "UPDATE partner SET disabled_at = CASE WHEN CAST(:at AS timestamptz) IS NULL THEN NULL"
        " ELSE coalesce(disabled_at, :at) END WHERE partner = :partner RETURNING 1"
    )
    return (await session.execute(query, {"partner": partner, "at": at})).scalar() is not None


async def set_quota(session: AsyncSession, partner: str, per_minute: int | None) -> bool:
    """Give a partner a quota of its own, or None; whether there is such a partner."""
    query = text(
        "UPDATE partner SET quota_per_minute = :quota WHERE partner = :partner RETURNING 1"
    )
    found = await session.execute(query, {"partner": partner, "quota": per_minute})
    return found.scalar() is not None


async def set_people(session: AsyncSession, partner: str, people: str, now: datetime) -> None:
    """Say whose people a partner's subjects are; nothing changes when it is so already."""
    query = text(
        "UPDATE partner SET people = :people, people_since = :now"
        " WHERE partner = :partner AND people <> :people"
    )
    await session.execute(query, {"partner": partner, "people": people, "now": now})


async def next_epoch(session: AsyncSession, partner: str) -> int | None:
    """Start a partner's next epoch of test data; return the one that ended, or None."""
    query = text(
        "UPDATE partner SET test_epoch = test_epoch + 1 WHERE partner = :partner"
        " RETURNING test_epoch - 1"
    )
    found = (await session.execute(query, {"partner": partner})).scalar()
    return None if found is None else int(found)


async def partner_exists(session: AsyncSession, partner: str) -> bool:
    """Return whether the partner is registered."""
    query = text("SELECT 1 FROM partner WHERE partner = :partner")
    return (await session.execute(query, {"partner": partner})).scalar() is not None
