"""HTTP for connectors: parse, call one use case, answer. No SQL, no rules."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping

from service.errors import DeliveryNotFound, FieldsInvalid, ServiceError
from service.http.dependencies import AppResources, Now, Transaction, whole_body
from service.http.pages import Order, Page, Paging, as_found, by_name, newest_first
from service.http.problems import documented, problem_of
from service.http.times import WHOLE_MAX, whole_of
from service.intake.estimate import estimate_event
from service.intake.event import CloudEvent
from service.partners.caller import Caller
from service.partners.dependencies import ThisCaller
from service.partners.idempotent import idempotent
from service.points.dependencies import ThisPolicy
from service.points.policy import Policy
from service.webhooks import signing
from service.webhooks.inbound import connectors as use
from service.webhooks.inbound import store
from service.webhooks.inbound.config import Config, ready_made
from service.webhooks.inbound.dependencies import TheseHooks
from service.webhooks.inbound.hook_routes import as_json
from service.webhooks.inbound.inbox import row_key_of
from service.webhooks.inbound.receive import Hooks, described

router = APIRouter(
    prefix="/v1", tags=["Connectors"], responses=documented(400, 401, 403, 404, 409, 413, 422, 503)
)
SCOPE = "webhooks:manage"
REPLAY_MAX = 100
TRY_ITEMS_MAX = 100


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewConnector(_Strict):
    """A connector to make: from a `template`, or from a `config` of your own."""

    template: Annotated[str | None, Field(max_length=64, examples=["food-order"])] = None
    config: dict[str, Any] | None = None
    name: str | None = None
    source: Annotated[str | None, Field(description="One of your sources.")] = None
    signature: dict[str, Any] | None = None
    secret: Annotated[
        str | None,
        Field(
            max_length=256,
            description="What the sender signs with, or whpk_... of its Ed25519 key; made for you "
            "when it is left out.",
        ),
    ] = None


class ChangedConnector(_Strict):
    """A connector's new configuration, whole."""

    config: dict[str, Any]


class NewSecret(_Strict):
    """A further secret; made for you when it is left out."""

    secret: Annotated[str | None, Field(max_length=256)] = None


class ConnectorView(BaseModel):
    """A connector. `secret` is shown once, when it was made for you."""

    connector_id: str
    path: str
    version: int
    secrets: int = Field(description="How many secrets are taken at the moment.")
    created_at: datetime
    changed_at: datetime
    disabled_at: datetime | None
    key: str | None = Field(description="The key of yours that answers for it.")
    config: dict[str, Any]
    secret: str | None = None


class VersionView(BaseModel):
    """One configuration that a connector had."""

    version: int
    created_at: datetime
    config: dict[str, Any]


_BY_VERSION: Order[VersionView, int] = Order(
    lambda row: (row.version,), lambda parts: whole_of(parts[0]), WHOLE_MAX
)


class DeliveryView(BaseModel):
    """A message that came in; `answer` is what its sender got."""

    delivery_id: UUID
    message: str
    state: str
    status: int | None
    version: int | None
    size_bytes: int
    received_at: datetime
    in_quarantine: bool
    answer: dict[str, Any] | None


class ReplayRequest(_Strict):
    """Which payloads to map again: one, or the oldest hundred."""

    delivery_id: UUID | None = None


class Replayed(BaseModel):
    """One payload that was mapped again, and what came of it."""

    delivery_id: UUID
    status: int
    answer: dict[str, Any]


class Replays(BaseModel):
    """What was mapped again, oldest first; `more` when payloads are left in quarantine."""

    results: list[Replayed]
    more: bool


async def manager_of(caller: ThisCaller) -> Caller:
    """Return a partner that may manage its webhooks. Raises ScopeMissing."""
    caller.need(SCOPE)
    return caller


Manager = Annotated[Caller, Depends(manager_of)]


async def writer_of(caller: Manager) -> Caller:
    """Return a manager that may report events, too: what comes in through a connector is its word.

    Raises ScopeMissing.
    """
    caller.need(use.REPORTS)
    return caller


Writer = Annotated[Caller, Depends(writer_of)]


@router.get("/connector-templates")
async def templates() -> dict[str, Any]:
    """The ready-made configurations, by name."""
    rows = [{"template": name, "config": config} for name, config in ready_made().items()]
    return {"data": rows, "next_cursor": None}


def _config(new: NewConnector) -> Config:
    """The configuration that a new connector shall have: its own, or a template with changes."""
    overrides = {
        name: value
        for name in ("name", "source", "signature")
        if (value := getattr(new, name)) is not None
    }
    return use.config_of(new.template, new.config, overrides)


@router.post("/connectors", status_code=201)
@idempotent("connector", "{new}", shown_once=frozenset(("secret",)), config=_config)
async def make(
    new: NewConnector,
    config: Config,
    caller: Writer,
    session: Transaction,
    hooks: TheseHooks,
    now: Now,
) -> ConnectorView:
    """Make a connector. Its secret is shown once; a repeated request does not show it again."""
    made, secret = await use.make(
        session, caller, config, new.secret, vault=hooks.connectors.vault, now=now
    )
    view = _view(await use.seen(session, caller, made.connector_id))
    return view.model_copy(update={"secret": secret})


@router.get("/connectors")
async def list_(caller: Manager, session: Transaction, page: Paging) -> Page[ConnectorView]:
    """Your connectors, by id."""
    return await page.of(
        by_name("connector_id"),
        lambda after, limit: store.connectors_after(
            session, caller.owner, after=after, limit=limit
        ),
        _view,
    )


@router.get("/connectors/{connector_id}")
async def show(connector_id: str, caller: Manager, session: Transaction) -> ConnectorView:
    """One connector with its configuration."""
    return _view(await use.seen(session, caller, connector_id))


@router.put("/connectors/{connector_id}")
async def change(
    connector_id: str,
    new: ChangedConnector,
    caller: Writer,
    session: Transaction,
    hooks: TheseHooks,
    now: Now,
) -> ConnectorView:
    """A new version of the configuration; payloads in quarantine can be replayed with it."""
    config = use.config_of(None, new.config, {})
    await use.change(session, caller, connector_id, config, now=now)
    hooks.connectors.forget(connector_id)
    return _view(await use.seen(session, caller, connector_id))


@router.delete("/connectors/{connector_id}", status_code=204)
async def disable(
    connector_id: str, caller: Manager, session: Transaction, hooks: TheseHooks, now: Now
) -> Response:
    """Take no more messages. What came in stays to be seen."""
    await use.disable(session, caller, connector_id, now=now)
    hooks.connectors.forget(connector_id)
    return Response(status_code=204)


@router.post("/connectors/{connector_id}/confirm")
async def confirm(
    connector_id: str, caller: Writer, session: Transaction, hooks: TheseHooks, now: Now
) -> ConnectorView:
    """Let the key in use answer for the connector, as when the one that made it was revoked."""
    await use.confirm(session, caller.owner, connector_id, caller.key, now=now)
    hooks.connectors.forget(connector_id)
    return _view(await use.seen(session, caller, connector_id))


@router.post("/connectors/{connector_id}/secrets", status_code=201)
async def add_secret(
    connector_id: str,
    new: NewSecret,
    caller: Writer,
    session: Transaction,
    hooks: TheseHooks,
    now: Now,
) -> ConnectorView:
    """One more secret, so that the sender can change over: all are taken, up to three.

    Not repeatable: the answer shows the secret, which is kept encrypted and never shown again.
    """
    connector = await use.lock_connector(session, caller, connector_id)
    if len(connector.secrets) >= use.SECRETS_MAX:
        raise FieldsInvalid(
            f"/secret: there are {use.SECRETS_MAX} secrets; DELETE the older ones first.",
            (("/secret", f"at most {use.SECRETS_MAX} are taken at a time"),),
        )
    row = await use.seen(session, caller, connector_id)
    secret = new.secret or signing.new_secret()
    use.check_secret(use.config_of(None, row["config"], {}), secret)
    sealed = hooks.connectors.vault.seal(secret, use.about(connector_id))
    await use.set_secrets(session, connector, [sealed, *connector.secrets], now=now)
    hooks.connectors.forget(connector_id)
    view = _view(await use.seen(session, caller, connector_id))
    return view.model_copy(update={"secret": None if new.secret else secret})


@router.delete("/connectors/{connector_id}/secrets", status_code=204)
async def drop_secrets(
    connector_id: str, caller: Manager, session: Transaction, hooks: TheseHooks, now: Now
) -> Response:
    """Take only the newest secret from now on."""
    connector = await use.lock_connector(session, caller, connector_id)
    await use.set_secrets(session, connector, connector.secrets[:1], now=now)
    hooks.connectors.forget(connector_id)
    return Response(status_code=204)


@router.get("/connectors/{connector_id}/versions")
async def versions(
    connector_id: str,
    caller: Manager,
    session: Transaction,
    page: Paging,
) -> Page[VersionView]:
    """Every configuration that the connector had, newest first."""
    await use.seen(session, caller, connector_id)

    async def find(before: int, limit: int) -> list[VersionView]:
        found = await store.versions_of(session, connector_id)
        return [
            VersionView(version=one.version, created_at=one.created_at, config=one.config)
            for one in found
            if one.version < before
        ][:limit]

    return await page.of(_BY_VERSION, find, as_found)


@router.get("/connectors/{connector_id}/deliveries")
async def deliveries(
    connector_id: str,
    caller: Manager,
    session: Transaction,
    page: Paging,
) -> Page[DeliveryView]:
    """What came in, newest first: accepted, quarantined, rejected, or open after an outage."""
    return await _deliveries(session, caller, connector_id, page, quarantined=False)


@router.get("/connectors/{connector_id}/quarantine")
async def quarantine(
    connector_id: str,
    caller: Manager,
    session: Transaction,
    page: Paging,
) -> Page[DeliveryView]:
    """Payloads that failed, with the reason, newest first. Kept for 30 days, up to 1,000."""
    return await _deliveries(session, caller, connector_id, page, quarantined=True)


@router.post("/connectors/{connector_id}/replay")
async def replay(
    connector_id: str,
    which: ReplayRequest,
    caller: Writer,
    session: Transaction,
    hooks: TheseHooks,
    now: Now,
) -> Replays:
    """Map payloads in quarantine again, with the configuration of now. Events that were recorded
    before are answered as duplicates."""
    await use.seen(session, caller, connector_id)
    hooks.connectors.forget(connector_id)
    connector = await hooks.connectors.find(connector_id)
    connector.check(now)
    rows = await store.quarantined_after(
        session, connector_id, after=UUID(int=0), limit=REPLAY_MAX + 1, only=which.delivery_id
    )
    if which.delivery_id is not None and not rows:
        raise DeliveryNotFound(f"No payload of {which.delivery_id} is in quarantine.")
    results = [await _again(hooks, connector, row) for row in rows[:REPLAY_MAX]]
    left = any(one.status != 200 or one.answer.get("quarantined") for one in results)
    return Replays(results=results, more=left or len(rows) > REPLAY_MAX)


@router.post("/connectors/{connector_id}/try", response_model=None)
async def try_(
    connector_id: str,
    request: Request,
    caller: Writer,
    session: Transaction,
    hooks: TheseHooks,
    policy: ThisPolicy,
    resources: AppResources,
) -> Response:
    """What would come of a payload, field by field. Nothing is recorded, no signature is needed.

    The body is the payload as the merchant sends it.
    """
    await use.seen(session, caller, connector_id)
    hooks.connectors.forget(connector_id)
    connector = await hooks.connectors.find(connector_id)
    body = await whole_body(request)
    rows: list[dict[str, object]] = [
        {
            "rule": seen.rule,
            "item": seen.item,
            "applies": seen.applies,
            "fields": [
                {"pointer": one.pointer, "expression": one.expression, "value": one.value}
                for one in seen.fields
            ],
            "errors": [{"pointer": at, "detail": why} for at, why in seen.errors],
            **(described(seen.found) or {}),
            "estimate": _estimate(seen.found, connector, hooks, policy),
        }
        for seen in await hooks.mappers.shown(connector.mapping, body, TRY_ITEMS_MAX)
    ]
    return as_json({"version": connector.version, "items": rows})


def _estimate(
    found: object, connector: use.CompiledConnector, hooks: Hooks, policy: Policy
) -> object:
    """Return what an event would give, or its problem."""
    if not isinstance(found, CloudEvent):
        return None
    try:
        return estimate_event(
            found,
            connector.caller,
            assessor=hooks.intake.assessor,
            policy=policy,
            now=hooks.intake.clock(),
        )
    except ServiceError as error:
        return {"problem": problem_of(error)}


async def _again(hooks: Hooks, connector: use.CompiledConnector, row: RowMapping) -> Replayed:
    about = use.about(connector.connector_id)
    body = hooks.connectors.vault.open_bytes(bytes(row["payload"]), about)
    row_key = row_key_of(connector.connector_id, row["message_key"])
    taken = await hooks.process(connector, row_key, row["delivery_id"], body)
    return Replayed(
        delivery_id=row["delivery_id"], status=taken.status, answer=orjson.loads(taken.body)
    )


async def _deliveries(
    session: Transaction,
    caller: Caller,
    connector_id: str,
    page: Paging,
    *,
    quarantined: bool,
) -> Page[DeliveryView]:
    await use.seen(session, caller, connector_id)
    return await page.of(
        newest_first("delivery_id"),
        lambda before, limit: store.deliveries_before(
            session, connector_id, before=before, limit=limit, quarantined=quarantined
        ),
        _delivery,
    )


def _delivery(row: RowMapping) -> DeliveryView:
    named = {
        name: row[name] for name in DeliveryView.model_fields if name in row and name != "answer"
    }
    answer = None if row["answer"] is None else orjson.loads(row["answer"])
    return DeliveryView(**named, message=row["message_key"], answer=answer)


def _view(row: RowMapping) -> ConnectorView:
    return ConnectorView(
        connector_id=row["connector_id"],
        path=f"/v1/hooks/{row['connector_id']}",
        version=row["version"],
        secrets=len(row["secrets"]),
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        disabled_at=row["disabled_at"],
        key=row["key_prefix"],
        config=row["config"],
    )
