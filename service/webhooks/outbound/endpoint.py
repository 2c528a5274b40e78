"""Use cases: a partner's endpoints, their secrets, and messages sent to them by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.content import Fields
from service.audit.record import audit
from service.clock import uuid7
from service.errors import DeliveryNotFound, EndpointNotFound, EndpointsFull, FieldsInvalid
from service.partners import store as partners
from service.webhooks.outbound import store
from service.webhooks.outbound.address import UrlRefused, check_url
from service.webhooks.outbound.projector import new_delivery
from service.webhooks.outbound.store import NewDelivery
from service.webhooks.outbound.tables import WebhookEndpoint
from service.webhooks.outbound.types import DISABLED, TEST, example_of
from service.webhooks.signing import new_ed25519, new_secret, public_of
from service.webhooks.vault import Vault

MANAGES = "webhooks:manage"
UNANSWERED = (
    "The key that it was made with is revoked or has expired. Confirm it with another key of yours."
)
ENDPOINTS_MAX = 50  # of one partner
OVERLAP = timedelta(hours=24)
ED25519 = "ed25519"


class Shown(NamedTuple):
    """An endpoint, and its public key when it signs with Ed25519."""

    endpoint: WebhookEndpoint
    public_key: str | None


def about(endpoint_id: UUID) -> str:
    """Return what an endpoint's secret is sealed for."""
    return f"webhook-endpoint:{endpoint_id}"


async def create_endpoint(
    session: AsyncSession,
    vault: Vault,
    *,
    partner: str,
    key_prefix: str,
    url: str,
    types: Sequence[str],
    signing: str,
    batch_max: int,
    description: str,
    loopback: bool,
    now: datetime,
) -> Shown:
    """Make an endpoint. Raises FieldsInvalid for a URL where nothing may go, and EndpointsFull.

    Facts that are recorded after this transaction is committed are sent to it.
    """
    checked = _checked(url, loopback=loopback)
    if await store.count_endpoints(session, partner) >= ENDPOINTS_MAX:
        raise EndpointsFull(
            f"You have {ENDPOINTS_MAX} endpoints. Delete one, or give an existing one more types."
        )
    endpoint_id = uuid7(now)
    secret = _fresh(signing)
    endpoint = WebhookEndpoint(
        endpoint_id=endpoint_id,
        bucket=endpoint_id.int % store.BUCKETS,
        partner=partner,
        key_prefix=key_prefix,
        url=checked,
        types=sorted(set(types)),
        batch_max=batch_max,
        description=description,
        signing=signing,
        sealed=vault.seal(secret, about(endpoint_id)),
        created_at=now,
    )
    session.add(endpoint)
    await session.flush()
    await _note(session, endpoint, "made", None, now)
    return _shown(endpoint, secret)


def shown(endpoint: WebhookEndpoint, vault: Vault) -> Shown:
    """Return an endpoint as it is shown later: without a shared secret."""
    if endpoint.signing != ED25519:
        return Shown(endpoint, None)
    return _shown(endpoint, vault.open(endpoint.sealed, about(endpoint.endpoint_id)))


async def secret_of(
    session: AsyncSession, vault: Vault, partner: str, endpoint_id: UUID
) -> str | None:
    """Return the shared secret of an endpoint; None for one that is gone or signs with Ed25519.

    For the answer that makes it, and for the same answer again: stored answers hold no secret.
    """
    endpoint = await store.find_endpoint(session, endpoint_id, partner)
    if endpoint is None or endpoint.signing == ED25519:
        return None
    return vault.open(endpoint.sealed, about(endpoint_id))


async def find(
    session: AsyncSession, partner: str, endpoint_id: UUID, *, lock: bool = False
) -> WebhookEndpoint:
    """Return a partner's endpoint. Raises EndpointNotFound, also for somebody else's."""
    endpoint = await store.find_endpoint(session, endpoint_id, partner, lock=lock)
    if endpoint is None:
        raise EndpointNotFound(f"You have no endpoint {endpoint_id}.")
    return endpoint


async def change_endpoint(
    session: AsyncSession,
    endpoint: WebhookEndpoint,
    changes: dict[str, Any],
    *,
    key_prefix: str,
    loopback: bool,
    now: datetime,
) -> None:
    """Change what is given. Enabling forgets earlier failures, confirms it with the key
    in use, and what waited is sent.

    Raises FieldsInvalid.
    """
    before = state_of(endpoint)
    for name in ("description", "batch_max"):
        if name in changes:
            setattr(endpoint, name, changes[name])
    if "url" in changes:
        endpoint.url = _checked(changes["url"], loopback=loopback)
    if "types" in changes:
        endpoint.types = sorted(set(changes["types"]))
    enabled = changes.get("enabled")
    if enabled is False and endpoint.disabled_at is None:
        endpoint.disabled_at, endpoint.disabled_reason = now, "You disabled it."
    if enabled is True or "url" in changes:
        endpoint.failures = endpoint.trips = 0
        endpoint.failing_since = endpoint.open_until = None
    if enabled is True:
        endpoint.key_prefix = key_prefix
        endpoint.disabled_at = endpoint.disabled_reason = None
    session.add(endpoint)
    await session.flush()
    await _note(session, endpoint, "changed", before, now)


async def confirm_endpoint(
    session: AsyncSession, endpoint: WebhookEndpoint, key_prefix: str, *, now: datetime
) -> None:
    """Let another key answer for an endpoint; if it stopped for want of one, it goes on."""
    before = state_of(endpoint)
    endpoint.key_prefix = key_prefix
    if endpoint.disabled_reason == UNANSWERED:
        endpoint.disabled_at = endpoint.disabled_reason = None
    session.add(endpoint)
    await session.flush()
    await _note(session, endpoint, "confirmed", before, now)


async def stop_unanswered(
    session: AsyncSession, registry: AsyncSession, *, now: datetime
) -> list[UUID]:
    """Stop endpoints that no live key answers for, and return their ids. Idempotent.

    `registry` has the keys, which are the same for live and test endpoints.
    """
    prefixes = await store.keys_of_endpoints(session)
    gone = [
        prefix
        for prefix in prefixes
        if not (await partners.succession_of(registry, prefix)).may(MANAGES, now)
    ]
    return await store.disable_of_keys(session, gone, UNANSWERED, now) if gone else []


async def rotate_secret(
    session: AsyncSession, vault: Vault, endpoint: WebhookEndpoint, *, now: datetime
) -> Shown:
    """Give an endpoint a new secret; the one before signs beside it for OVERLAP."""
    before, secret = state_of(endpoint), _fresh(endpoint.signing)
    endpoint.old_sealed, endpoint.old_until = endpoint.sealed, now + OVERLAP
    endpoint.sealed = vault.seal(secret, about(endpoint.endpoint_id))
    session.add(endpoint)
    await session.flush()
    await _note(session, endpoint, "secret_rotated", before, now)
    return _shown(endpoint, secret)


async def remove_endpoint(
    session: AsyncSession, partner: str, endpoint_id: UUID, *, now: datetime
) -> None:
    """Delete an endpoint; what was sent to it is forgotten with the retention.

    Raises EndpointNotFound.
    """
    endpoint = await find(session, partner, endpoint_id, lock=True)
    before = state_of(endpoint)
    await store.delete_endpoint(session, endpoint)
    await audit(session, "endpoint.removed", f"endpoint:{endpoint_id}", before=before, now=now)


async def send_test(
    session: AsyncSession, endpoint: WebhookEndpoint, name: str, *, now: datetime
) -> UUID:
    """Send an example of a type, asked for or not, and return the delivery's id."""
    message = example_of(name)
    message["timestamp"] = now.isoformat()
    if name == TEST:
        message["data"]["endpoint_id"] = str(endpoint.endpoint_id)
    made = new_delivery(endpoint, name, 1, orjson.dumps(message), now)
    await store.add_deliveries(session, [made], now)
    after = {"type": name, "delivery": made.delivery_id}
    await audit(
        session, "endpoint.tested", f"endpoint:{endpoint.endpoint_id}", after=after, now=now
    )
    return made.delivery_id


async def redeliver(
    session: AsyncSession, partner: str, delivery_id: UUID, *, now: datetime
) -> RowMapping:
    """Send a delivery again, now, with the same id. Raises DeliveryNotFound."""
    found = await store.find_delivery(session, delivery_id, partner)
    if found is None:
        raise DeliveryNotFound(f"You have no delivery {delivery_id}; old ones are not kept.")
    await store.send_again(session, delivery_id, now)
    await audit(session, "delivery.sent_again", f"delivery:{delivery_id}", now=now)
    return found


async def redeliver_range(
    session: AsyncSession,
    endpoint: WebhookEndpoint,
    *,
    since: datetime | None,
    until: datetime | None,
    failed: bool,
    now: datetime,
) -> int:
    """Send again what was settled of the deliveries made in a time, and return how many."""
    first = datetime.min.replace(tzinfo=UTC)
    count = await store.send_range_again(
        session, endpoint, since=since or first, until=until or now, failed=failed, now=now
    )
    after = {"from": since, "to": until, "failed": failed, "deliveries": count}
    target = f"endpoint:{endpoint.endpoint_id}"
    await audit(session, "endpoint.deliveries_sent_again", target, after=after, now=now)
    return count


async def log_disabled(session: AsyncSession, row: RowMapping, reason: str, now: datetime) -> None:
    """Leave a line in the log of an endpoint that was disabled: a message that is not sent."""
    message = example_of(DISABLED)
    message["timestamp"] = now.isoformat()
    message["data"] = {"endpoint_id": str(row["endpoint_id"]), "url": row["url"], "reason": reason}
    fresh = uuid7(now).int // store.BUCKETS * store.BUCKETS + row["bucket"]
    line = NewDelivery(
        row["bucket"], UUID(int=fresh), row["endpoint_id"], DISABLED, 1, orjson.dumps(message)
    )
    await store.add_deliveries(session, [line], now, state=store.FAILED)


def state_of(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return what an audit event says of an endpoint."""
    return {
        **{name: getattr(endpoint, name) for name in _AUDITED},
        "secret_sha256": sha256(endpoint.sealed).hexdigest(),
        "disabled": endpoint.disabled_at is not None,
    }


_AUDITED = ("partner", "key_prefix", "url", "types", "batch_max", "description", "signing")


async def _note(
    session: AsyncSession,
    endpoint: WebhookEndpoint,
    what: str,
    before: Fields | None,
    now: datetime,
) -> None:
    target = f"endpoint:{endpoint.endpoint_id}"
    after = state_of(endpoint)
    await audit(session, f"endpoint.{what}", target, before=before, after=after, now=now)


def _checked(url: str, *, loopback: bool) -> str:
    try:
        return check_url(url, loopback=loopback)
    except UrlRefused as error:
        raise FieldsInvalid(f"/url: {error}.", (("/url", str(error)),)) from error


def _fresh(signing: str) -> str:
    return new_ed25519().private if signing == ED25519 else new_secret()


def _shown(endpoint: WebhookEndpoint, secret: str) -> Shown:
    return Shown(endpoint, public_of(secret) if endpoint.signing == ED25519 else None)
