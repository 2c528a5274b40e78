"""SQL of partners, sources and keys. No decisions, no commit, no HTTP."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select, update

from service.partners.keys import KnownKey, NewKey
from service.partners.tables import ApiKey, Partner, Source


async def find_key(session: AsyncSession, prefix: str) -> KnownKey | None:
    """The key with this prefix and the sources of its partner."""
    key = await session.get(ApiKey, prefix)
    if key is None:
        return None
    sources = await session.scalars(select(Source.source).where(Source.partner == key.partner))
    return KnownKey(
        partner=key.partner,
        secret_sha256=key.secret_sha256,
        scopes=frozenset(key.scopes),
        sources=frozenset(sources),
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


async def put_partner(session: AsyncSession, partner: str, name: str, now: datetime) -> None:
    """Add the partner unless it is there."""
    row = insert(Partner).values(partner=partner, name=name, created_at=now)
    await session.execute(row.on_conflict_do_nothing())


async def put_sources(session: AsyncSession, partner: str, sources: tuple[str, ...]) -> None:
    """Register the sources unless they are registered."""
    row = insert(Source).values([{"source": source, "partner": partner} for source in sources])
    await session.execute(row.on_conflict_do_nothing())


async def owner_of_source(session: AsyncSession, source: str) -> str | None:
    """The partner that a source is registered for."""
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
        )
    )
    await session.flush()


async def revoke_key(session: AsyncSession, prefix: str, now: datetime) -> bool:
    """Revoke a key; whether there was one that was not revoked yet."""
    query = (
        update(ApiKey)
        .where(col(ApiKey.prefix) == prefix, col(ApiKey.revoked_at).is_(None))
        .values(revoked_at=now)
        .returning(col(ApiKey.prefix))
    )
    return (await session.execute(query)).scalar_one_or_none() is not None


async def list_keys(session: AsyncSession) -> list[ApiKey]:
    """All keys, newest first; there is no secret in them."""
    found = await session.scalars(select(ApiKey).order_by(col(ApiKey.created_at).desc()))
    return list(found)


async def partner_exists(session: AsyncSession, partner: str) -> bool:
    """Whether the partner is registered."""
    query = text("SELECT 1 FROM partner WHERE partner = :partner")
    return (await session.execute(query, {"partner": partner})).scalar() is not None
