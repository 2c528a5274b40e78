"""Use case: a partner's connectors: make, change, rotate secrets; and knowing them quickly."""

import re
import secrets as randomness
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.audit.content import Fields, digest
from service.audit.record import audit
from service.clock import seconds
from service.errors import (
    ConnectorDisabled,
    ConnectorNotFound,
    ConnectorUnconfirmed,
    FieldsInvalid,
)
from service.intake.event import pointed
from service.partners import store as partners
from service.partners.authenticate import own_sources, quota_of, test_caller
from service.partners.caller import KEY_STATES, OWN, Caller
from service.partners.keys import Succession
from service.partners.test_mode import TEST_CONNECTOR
from service.settings import Settings
from service.webhooks import signing
from service.webhooks.inbound import store
from service.webhooks.inbound.config import BodySignature, Config, ready_made
from service.webhooks.inbound.mapping import CompiledMapping, compiled
from service.webhooks.inbound.tables import Connector
from service.webhooks.vault import Vault

REPORTS = "events:write"
SECRETS_MAX = 3
SECRET_CHARACTERS_MIN, SECRET_CHARACTERS_MAX = 16, 256
CACHED_MAX = 10_000
_ID = re.compile(r"con_(test_)?[0-9a-f]{24}")
_CONFIG: TypeAdapter[Config] = TypeAdapter(Config)


@dataclass(frozen=True, slots=True)
class CompiledConnector:
    """A connector as the hot path needs it."""

    connector_id: str
    version: int
    mapping: CompiledMapping
    secrets: tuple[str, ...]
    caller: Caller
    succession: Succession
    enabled: bool
    remembers_events: bool

    def check(self, now: datetime) -> None:
        """Raise ConnectorDisabled unless the connector and its partner are enabled.

        Raises ConnectorUnconfirmed when no key that may report answers for it any more.
        """
        if not self.enabled:
            raise ConnectorDisabled(
                "This connector, or its partner, is disabled: nothing was recorded."
            )
        if not self.succession.may(REPORTS, now):
            raise ConnectorUnconfirmed(
                f"The key {self.caller.key or 'that'} this connector was made with is revoked, has "
                f"expired or lacks {REPORTS}: nothing was recorded. Confirm the connector with "
                f"another key: POST /v1/connectors/{self.connector_id}/confirm."
            )


class Connectors:
    """Keeps connectors for `key_cache_seconds`, so that a message costs no query for them."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        registry: async_sessionmaker[AsyncSession],
        vault: Vault,
        *,
        is_sandbox: bool,
        settings: Settings,
    ) -> None:
        self._sessions = sessions
        self._registry = registry
        self.vault = vault
        self._is_sandbox = is_sandbox
        self._settings = settings
        self._cache: dict[str, tuple[float, CompiledConnector]] = {}

    async def find(self, connector_id: str) -> CompiledConnector:
        """Return the connector. Raises ConnectorNotFound."""
        cached = self._cache.get(connector_id)
        if cached is not None and cached[0] > seconds():
            return cached[1]
        if _ID.fullmatch(connector_id) is None:  # anybody may ask: no query for what is no id
            raise not_found(connector_id)
        async with self._sessions() as session:
            row = await store.find_connector(session, connector_id)
        if row is None:
            raise not_found(connector_id)
        connector = await self._compile(row)
        if len(self._cache) >= CACHED_MAX:
            self._cache.clear()
        self._cache[connector_id] = (seconds() + self._settings.key_cache_seconds, connector)
        return connector

    def forget(self, connector_id: str) -> None:
        """Forget a connector that has just changed, so that the database is read again."""
        self._cache.pop(connector_id, None)

    async def _compile(self, row: RowMapping) -> CompiledConnector:
        name = str(row["partner"])
        async with self._registry() as session:
            partner = await partners.find_partner(session, name)
            named = frozenset(await partners.sources_of(session, name))
            succession = await partners.succession_of(session, row["key_prefix"])
        people = OWN if partner is None else partner.people
        sources, key = own_sources(named, people, self._settings), row["key_prefix"] or ""
        connector_id = str(row["connector_id"])
        mapping = compiled(orjson.dumps(row["config"], option=orjson.OPT_SORT_KEYS))
        scopes = frozenset((REPORTS,))
        quota = quota_of(None if partner is None else partner.quota_per_minute, self._settings)
        return CompiledConnector(
            connector_id=connector_id,
            version=row["version"],
            mapping=mapping,
            secrets=tuple(self.vault.open(one, about(connector_id)) for one in row["secrets"]),
            caller=test_caller(
                name,
                partner.test_epoch if partner else 0,
                scopes,
                sources,
                quota_per_minute=quota,
                key=key,
                people=people,
            )
            if self._is_sandbox
            else Caller(
                f"partner:{name}",
                name,
                scopes,
                sources,
                KEY_STATES,
                KEY_STATES,
                quota_per_minute=quota,
                people=people,
                key=key,
                people_since=None if partner is None else partner.people_since,
            ),
            succession=succession,
            enabled=partner is not None
            and partner.disabled_at is None
            and row["disabled_at"] is None,
            remembers_events=any(rule.reversal for rule in mapping.config.rules),
        )


def about(connector_id: str) -> str:
    """Return what a connector's secrets and payloads are sealed with."""
    return f"connector:{connector_id}"


def not_found(connector_id: str) -> ConnectorNotFound:
    """Return the error for a connector that is not there, or not the caller's."""
    return ConnectorNotFound(f"There is no connector {connector_id[:64]!r} that you may see.")


def config_of(
    template: str | None, config: Mapping[str, Any] | None, overrides: Mapping[str, Any]
) -> Config:
    """Return a configuration: a ready-made one or the caller's, with what is laid over it.

    Raises FieldsInvalid with a pointer to each thing that is wrong, expressions included.
    """
    if (template is None) == (config is None):
        raise FieldsInvalid(
            "Send either `template` or `config`.", (("/template", "or /config, and not both"),)
        )
    prefix = "/config"
    if template is not None:
        if template not in ready_made():
            known = ", ".join(ready_made())
            raise FieldsInvalid(
                f"There is no template {template[:64]!r}; there are {known}.",
                (("/template", f"must be one of {known}"),),
            )
        config, prefix = ready_made()[template], ""
    whole = {**(config or {}), **overrides}
    try:
        return _CONFIG.validate_python(whole)
    except ValidationError as error:
        errors = tuple((prefix + pointer, why) for pointer, why in pointed(error))
        raise FieldsInvalid(f"{errors[0][0]}: {errors[0][1]}.", errors) from error


def check_secret(config: Config, secret: str) -> None:
    """Raise FieldsInvalid for a secret that cannot be one of this kind of signature."""
    if isinstance(config.signature, BodySignature):
        if SECRET_CHARACTERS_MIN <= len(secret) <= SECRET_CHARACTERS_MAX:
            return
        why = f"must be {SECRET_CHARACTERS_MIN} to {SECRET_CHARACTERS_MAX} characters"
    else:
        try:
            signing.check_secret(secret)
        except signing.SecretMalformed as error:
            why = str(error)
        else:
            if not secret.startswith(signing.PRIVATE):
                return
            why = "is a private key: keep it, and send its public half, whpk_..."
    raise FieldsInvalid(f"/secret: {why}", (("/secret", why),))


async def make(
    session: AsyncSession,
    caller: Caller,
    config: Config,
    secret: str | None,
    *,
    vault: Vault,
    now: datetime,
) -> tuple[Connector, str | None]:
    """Return a new connector, and its secret if we made it.

    Raises FieldsInvalid, SourceNotYours.
    """
    caller.check_source(config.source)
    fresh = None
    if secret is None:
        # Of a merchant that signs in its own way, the merchant's system may want it.
        secret = fresh = signing.new_secret()
    check_secret(config, secret)
    random = randomness.token_hex(12)
    connector_id = f"{TEST_CONNECTOR if caller.is_test else 'con_'}{random}"
    connector = Connector(
        connector_id=connector_id,
        partner=caller.owner,
        key_prefix=caller.key,
        version=1,
        secrets=[vault.seal(secret, about(connector_id))],
        created_at=now,
    )
    session.add(connector)
    await session.flush()
    await store.put_version(session, connector_id, 1, config.model_dump(mode="json"), now)
    await _note(session, connector, "made", None, await state_of(session, connector), now)
    return connector, fresh


async def change(
    session: AsyncSession, caller: Caller, connector_id: str, config: Config, *, now: datetime
) -> Connector:
    """Return a new version of the configuration. Raises ConnectorNotFound, SourceNotYours."""
    caller.check_source(config.source)
    connector = await lock_connector(session, caller, connector_id)
    before = await state_of(session, connector)
    connector.version += 1
    connector.key_prefix = caller.key
    dumped = config.model_dump(mode="json")
    await store.put_version(session, connector_id, connector.version, dumped, now)
    await session.flush()
    await _note(session, connector, "changed", before, await state_of(session, connector), now)
    return connector


async def confirm(
    session: AsyncSession, partner: str, connector_id: str, key_prefix: str, *, now: datetime
) -> Connector:
    """Let another key of the partner answer for a connector. Raises ConnectorNotFound."""
    connector = await store.lock_connector(session, connector_id, partner)
    if connector is None:
        raise not_found(connector_id)
    before = await state_of(session, connector)
    connector.key_prefix = key_prefix
    await session.flush()
    await _note(session, connector, "confirmed", before, await state_of(session, connector), now)
    return connector


async def disable(
    session: AsyncSession, caller: Caller, connector_id: str, *, now: datetime
) -> None:
    """Take no more messages for a connector. Idempotent. Raises ConnectorNotFound."""
    connector = await lock_connector(session, caller, connector_id)
    if connector.disabled_at is None:
        before = await state_of(session, connector)
        connector.disabled_at = now
        await session.flush()
        after = await state_of(session, connector)
        await _note(session, connector, "disabled", before, after, now)


async def set_secrets(
    session: AsyncSession, connector: Connector, secrets: list[bytes], *, now: datetime
) -> None:
    """Take these sealed secrets from now on, the newest first."""
    before = await state_of(session, connector)
    connector.secrets = secrets
    await session.flush()
    after = await state_of(session, connector)
    await _note(session, connector, "secrets_changed", before, after, now)


async def state_of(session: AsyncSession, connector: Connector) -> dict[str, Any]:
    """Return what an audit event says of a connector: its configuration by its digest."""
    row = await store.find_connector(session, connector.connector_id)
    assert row is not None, "a connector has a configuration from the first on"
    return {
        "partner": connector.partner,
        "version": connector.version,
        "config_sha256": (digest(row["config"]) or b"").hex(),
        "secrets_sha256": [sha256(secret).hexdigest() for secret in connector.secrets],
        "key": connector.key_prefix,
        "disabled": connector.disabled_at is not None,
    }


async def _note(
    session: AsyncSession,
    connector: Connector,
    what: str,
    before: Fields | None,
    after: Fields,
    now: datetime,
) -> None:
    await audit(
        session,
        f"connector.{what}",
        f"connector:{connector.connector_id}",
        before=before,
        after=after,
        now=now,
    )


async def lock_connector(session: AsyncSession, caller: Caller, connector_id: str) -> Connector:
    """Return the caller's connector, locked for this transaction. Raises ConnectorNotFound."""
    connector = await store.lock_connector(session, connector_id, caller.owner)
    if connector is None:
        raise not_found(connector_id)
    return connector


async def seen(session: AsyncSession, caller: Caller, connector_id: str) -> RowMapping:
    """Return the caller's connector with its configuration. Raises ConnectorNotFound."""
    row = await store.find_connector(session, connector_id)
    if row is None or row["partner"] != caller.owner:
        raise not_found(connector_id)
    return row
