"""SQL of connectors and of what came in through them. No decisions, no commit, no HTTP."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from service.webhooks.inbound.inbox import event_bucket
from service.webhooks.inbound.tables import Connector, ConnectorVersion

_COLUMNS = """
    connector.connector_id, connector.partner, connector.version, connector.secrets,
    connector.created_at, connector.disabled_at, connector.key_prefix, current.config,
    current.created_at AS changed_at
"""
_JOINED = """
    FROM connector JOIN connector_version AS current USING (connector_id, version)
"""
_ONE = text(f"SELECT {_COLUMNS} {_JOINED} WHERE connector_id = :id").columns(config=JSONB)
_LIST = text(f"""
    SELECT {_COLUMNS} {_JOINED}
    WHERE connector.partner = :partner AND connector_id > :after
    ORDER BY connector_id LIMIT :limit
""").columns(config=JSONB)
_DELIVERIES = text("""
    SELECT delivery_id, message_key, state, status, version, size_bytes, received_at, answer,
           payload IS NOT NULL AS in_quarantine
    FROM hook_delivery
    WHERE connector_id = :connector AND delivery_id < :before
      AND (NOT CAST(:quarantined AS bool) OR payload IS NOT NULL)
    ORDER BY delivery_id DESC LIMIT :limit
""")
_QUARANTINED = text("""
    SELECT delivery_id, message_key, digest, size_bytes, received_at, payload FROM hook_delivery
    WHERE connector_id = :connector AND payload IS NOT NULL AND delivery_id > :after
      AND (CAST(:only AS uuid) IS NULL OR delivery_id = :only)
    ORDER BY delivery_id LIMIT :limit
""")
_POINTED = text("""
    SELECT action_id FROM hook_event
    WHERE bucket = :bucket AND source = :source AND event_id = :event
""")
_ACTION = text("""
    SELECT action_id FROM action
    WHERE bucket = :bucket AND person_id = :person AND source = :source AND event_id = :event
    ORDER BY local_day DESC LIMIT 1
""")
_PAYLOADS = text("""
    SELECT bucket, connector_id, message_key, payload FROM hook_delivery
    WHERE payload IS NOT NULL AND (bucket, connector_id, message_key) > (:bucket, :id, :key)
    ORDER BY bucket, connector_id, message_key LIMIT :limit FOR UPDATE
""")
_KEEP_PAYLOAD = text("""
    UPDATE hook_delivery SET payload = :payload
    WHERE bucket = :bucket AND connector_id = :id AND message_key = :key
""")
_FORGET_PAYLOADS = text("""
    UPDATE hook_delivery SET payload = NULL WHERE payload IS NOT NULL AND received_at < :before
""")
_FORGET = text("""
    DELETE FROM hook_delivery WHERE received_at < :before AND payload IS NULL
""")


class MessageKey(NamedTuple):
    """What names a message among all, in their order; the usual one is before the first."""

    bucket: int = -1
    connector_id: str = ""
    message_key: str = ""


async def find_connector(session: AsyncSession, connector_id: str) -> RowMapping | None:
    """Return a connector with its current configuration."""
    return (await session.execute(_ONE, {"id": connector_id})).mappings().one_or_none()


async def connectors_after(
    session: AsyncSession, partner: str, *, after: str, limit: int
) -> Sequence[RowMapping]:
    """Return a partner's connectors by id, after one."""
    named = {"partner": partner, "after": after, "limit": limit}
    return (await session.execute(_LIST, named)).mappings().all()


async def lock_connector(
    session: AsyncSession, connector_id: str, partner: str
) -> Connector | None:
    """Return a partner's connector, locked for this transaction."""
    query = select(Connector).where(
        col(Connector.connector_id) == connector_id, col(Connector.partner) == partner
    )
    return (await session.scalars(query.with_for_update())).one_or_none()


async def put_version(
    session: AsyncSession, connector_id: str, version: int, config: Mapping[str, Any], now: datetime
) -> None:
    """Add a configuration."""
    session.add(
        ConnectorVersion(
            connector_id=connector_id, version=version, config=dict(config), created_at=now
        )
    )
    await session.flush()


async def versions_of(session: AsyncSession, connector_id: str) -> Sequence[ConnectorVersion]:
    """Return every configuration a connector had, newest first."""
    query = select(ConnectorVersion).where(col(ConnectorVersion.connector_id) == connector_id)
    return (await session.scalars(query.order_by(col(ConnectorVersion.version).desc()))).all()


async def deliveries_before(
    session: AsyncSession, connector_id: str, *, before: UUID, limit: int, quarantined: bool
) -> Sequence[RowMapping]:
    """Return what came in through a connector before a delivery, newest first."""
    named = {
        "connector": connector_id,
        "before": before,
        "limit": limit,
        "quarantined": quarantined,
    }
    return (await session.execute(_DELIVERIES, named)).mappings().all()


async def quarantined_after(
    session: AsyncSession, connector_id: str, *, after: UUID, limit: int, only: UUID | None
) -> Sequence[RowMapping]:
    """Payloads in quarantine after a delivery, oldest first; or `only` one of them."""
    named = {"connector": connector_id, "after": after, "limit": limit, "only": only}
    return (await session.execute(_QUARANTINED, named)).mappings().all()


async def pointed_action(session: AsyncSession, source: str, event_id: str) -> UUID | None:
    """Return the action that an event became which came through a connector."""
    bucket = event_bucket(source, event_id)
    named = {"bucket": bucket, "source": source, "event": event_id}
    found: UUID | None = (await session.execute(_POINTED, named)).scalar()
    return found


async def action_of(
    session: AsyncSession, person: tuple[int, UUID], source: str, event_id: str
) -> UUID | None:
    """Return the action that a person's event became, whichever way it came."""
    named = {"bucket": person[0], "person": person[1], "source": source, "event": event_id}
    found: UUID | None = (await session.execute(_ACTION, named)).scalar()
    return found


async def forget_old(
    session: AsyncSession, *, payloads_before: datetime, deliveries_before: datetime
) -> None:
    """Drop payloads and deliveries that are older than they are kept."""
    await session.execute(_FORGET_PAYLOADS, {"before": payloads_before})
    await session.execute(_FORGET, {"before": deliveries_before})


async def lock_connectors(session: AsyncSession) -> Sequence[Connector]:
    """Return all connectors, locked for this transaction, in the order of their ids."""
    query = select(Connector).order_by(col(Connector.connector_id)).with_for_update()
    return (await session.execute(query)).scalars().all()


async def lock_payloads(
    session: AsyncSession, after: MessageKey, *, limit: int
) -> list[tuple[MessageKey, bytes]]:
    """Return sealed payloads in quarantine after a place, locked for this transaction."""
    named = {"bucket": after.bucket, "id": after.connector_id, "key": after.message_key}
    rows = await session.execute(_PAYLOADS, {**named, "limit": limit})
    return [(MessageKey(*row[:3]), bytes(row[3])) for row in rows]


async def keep_payload(session: AsyncSession, place: MessageKey, payload: bytes) -> None:
    """Put another sealed payload in the place of one in quarantine."""
    named = {"bucket": place.bucket, "id": place.connector_id, "key": place.message_key}
    await session.execute(_KEEP_PAYLOAD, {**named, "payload": payload})
