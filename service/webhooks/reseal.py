"""Use case: seal everything anew under the first of several keys, so that the others can go."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.webhooks.inbound import store as inbound
from service.webhooks.inbound.connectors import about as about_connector
from service.webhooks.inbound.store import MessageKey
from service.webhooks.outbound import store as outbound
from service.webhooks.outbound.endpoint import about as about_endpoint
from service.webhooks.vault import Vault

BATCH = 100


@dataclass(slots=True)
class Resealed:
    """How many secrets and payloads were sealed anew; those that were new already do not count."""

    endpoints: int = 0
    connectors: int = 0
    messages: int = 0


async def reseal_secrets(session: AsyncSession, vault: Vault, done: Resealed) -> None:
    """Seal the secrets of endpoints and connectors anew. Raises SealBroken, and changes nothing.

    Idempotent: what the first key sealed stays as it is.
    """
    for endpoint in await outbound.lock_endpoints(session):
        about = about_endpoint(endpoint.endpoint_id)
        fresh = vault.reseal(endpoint.sealed, about)
        old = endpoint.old_sealed
        fresh_old = None if old is None else vault.reseal(old, about)
        if fresh is not None or fresh_old is not None:
            endpoint.sealed = fresh or endpoint.sealed
            endpoint.old_sealed = fresh_old or old
            done.endpoints += 1
    for connector in await inbound.lock_connectors(session):
        about = about_connector(connector.connector_id)
        found = [vault.reseal(one, about) for one in connector.secrets]
        if any(found):
            pairs = zip(found, connector.secrets, strict=True)
            connector.secrets = [new or old for new, old in pairs]
            done.connectors += 1
    await session.flush()


async def reseal_messages(
    session: AsyncSession, vault: Vault, done: Resealed, after: MessageKey
) -> MessageKey | None:
    """Seal the payloads in quarantine anew, a batch at a time; return where it ended, None at the
    end of all. Raises SealBroken."""
    rows = await inbound.lock_payloads(session, after, limit=BATCH)
    for place, payload in rows:
        fresh = vault.reseal(payload, about_connector(place.connector_id))
        if fresh is not None:
            await inbound.keep_payload(session, place, fresh)
            done.messages += 1
    return rows[-1][0] if len(rows) == BATCH else None


async def note_reseal(session: AsyncSession, done: Resealed, *, now: datetime) -> None:
    """Write down that secrets were sealed anew."""
    after = {
        "endpoints": done.endpoints, "connectors": done.connectors, "messages": done.messages,
    }  # fmt: skip
    await audit(session, "secrets.resealed", "setting:secret_key", after=after, now=now)
