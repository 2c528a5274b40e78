"""HTTP for endpoints and deliveries: parse, call one use case, answer. No SQL, no rules."""

import base64
from collections.abc import Sequence
from functools import wraps
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import PageNotFound
from service.http.dependencies import AppResources, Now, Transaction
from service.http.idempotency import REPLAYED, add_unstored
from service.http.pages import Page, Paging, newest_first
from service.http.problems import documented
from service.http.times import Moment
from service.partners.caller import Caller
from service.partners.dependencies import ThisCaller
from service.partners.idempotent import Answering, idempotent
from service.webhooks.outbound import endpoint as use
from service.webhooks.outbound import store
from service.webhooks.outbound.schemas import (
    AttemptView,
    DeliveryView,
    EndpointChange,
    EndpointMade,
    EndpointRequest,
    EndpointView,
    Queued,
    Redelivered,
    RedeliverRequest,
    State,
    TestRequest,
    WebhookType,
    WebhookTypes,
)
from service.webhooks.outbound.tables import WebhookEndpoint
from service.webhooks.outbound.types import MESSAGES, example_of, schema_of
from service.webhooks.vault import Vault, vault_of

router = APIRouter(prefix="/v1", tags=["Webhooks"], responses=documented(401, 403, 422, 503))
types_router = APIRouter(prefix="/v1/webhook-types", tags=["Webhooks"], responses=documented(422))

OF_BALANCES = frozenset(("points.lapsed",))
_JSON = "application/json"
_WRITE = documented(400, 404, 409, 413)


async def manager(caller: ThisCaller) -> Caller:
    """Return a caller who may manage webhooks: those of its partner."""
    caller.need(use.MANAGES)
    return caller


async def vault_under_key(resources: AppResources) -> Vault:
    """Return the vault. Raises SettingMissing without SAXAUL_SECRET_KEY."""
    return vault_of(resources.settings)


def check_types(caller: Caller, types: Sequence[str]) -> None:
    """Raise ScopeMissing or PersonNotYours for types about people's points, unless the caller may
    see them.

    The other types are about the partner's own actions and orders, or about nobody.
    """
    if OF_BALANCES.intersection(types):
        caller.need_to_act()


Manager = Annotated[Caller, Depends(manager)]
ThisVault = Annotated[Vault, Depends(vault_under_key)]


async def _known(endpoint_id: UUID, caller: Manager, session: Transaction) -> WebhookEndpoint:
    """The caller's endpoint in the path. Raises EndpointNotFound."""
    return await use.find(session, caller.partner, endpoint_id)


async def _locked(endpoint_id: UUID, caller: Manager, session: Transaction) -> WebhookEndpoint:
    """The same, locked until the transaction ends."""
    return await use.find(session, caller.partner, endpoint_id, lock=True)


def _example(wanted: TestRequest | None) -> str:
    """The type of the example that is wanted."""
    return (wanted or TestRequest()).type


def _with_secret(route: Answering) -> Answering:
    """Decorate a repeatable route: its first answer also shows the endpoint's secret.

    It is added to that answer, so that it is not stored with it; a repeat says null.
    """

    @wraps(route)
    async def answer(
        *, session: AsyncSession, vault: Vault, caller: Caller, **others: Any
    ) -> Response:
        made = await route(session=session, vault=vault, caller=caller, **others)
        if REPLAYED in made.headers:
            return add_unstored(made, secret=None)
        endpoint = UUID(orjson.loads(bytes(made.body))["endpoint_id"])
        secret = await use.secret_of(session, vault, caller.partner, endpoint)
        return add_unstored(made, secret=secret)

    return answer


def _may_hear(wanted: EndpointRequest, caller: Manager) -> Caller:
    """The caller, if it may hear of all the types that it wants. Raises ScopeMissing."""
    check_types(caller, wanted.types)
    return caller


@router.post("/webhook-endpoints", status_code=201, response_model=EndpointMade, responses=_WRITE)
@_with_secret
@idempotent("webhook-endpoint", "{wanted}", hearer=_may_hear)
async def create(
    wanted: EndpointRequest,
    hearer: Caller,
    session: Transaction,
    resources: AppResources,
    vault: ThisVault,
    now: Now,
) -> EndpointView:
    """Make an endpoint, which gets what is recorded from now on; its secret is shown once."""
    made = await use.create_endpoint(
        session,
        vault,
        partner=hearer.partner,
        key_prefix=hearer.key,
        **wanted.model_dump(),
        loopback=resources.settings.webhook_loopback,
        now=now,
    )
    return EndpointView(**_view(made, now))


@router.get("/webhook-endpoints")
async def endpoints(
    caller: Manager,
    session: Transaction,
    vault: ThisVault,
    now: Now,
    page: Paging,
) -> Page[EndpointView]:
    """Your endpoints, newest first."""
    return await page.of(
        newest_first("endpoint_id"),
        lambda before, limit: store.endpoints_before(session, caller.partner, before, limit),
        lambda row: EndpointView(**_view(use.shown(row, vault), now)),
    )


@router.get("/webhook-endpoints/{endpoint_id}", responses=documented(404))
async def endpoint(
    endpoint_id: UUID, caller: Manager, session: Transaction, vault: ThisVault, now: Now
) -> EndpointView:
    """One endpoint, and whether it is well."""
    found = await use.find(session, caller.partner, endpoint_id)
    return EndpointView(**_view(use.shown(found, vault), now))


@router.patch("/webhook-endpoints/{endpoint_id}", responses=_WRITE)
async def change(
    endpoint_id: UUID,
    wanted: EndpointChange,
    caller: Manager,
    session: Transaction,
    resources: AppResources,
    vault: ThisVault,
    now: Now,
) -> EndpointView:
    """Change an endpoint; the same change twice is the same as once."""
    found = await use.find(session, caller.partner, endpoint_id, lock=True)
    changes = wanted.model_dump(exclude_unset=True)
    check_types(caller, changes.get("types", ()))
    await use.change_endpoint(
        session,
        found,
        changes,
        key_prefix=caller.key,
        loopback=resources.settings.webhook_loopback,
        now=now,
    )
    return EndpointView(**_view(use.shown(found, vault), now))


@router.post("/webhook-endpoints/{endpoint_id}/confirm", responses=documented(404))
async def confirm(
    endpoint_id: UUID, caller: Manager, session: Transaction, vault: ThisVault, now: Now
) -> EndpointView:
    """Let the key in use answer for the endpoint; if it stopped for want of one, it goes on."""
    found = await use.find(session, caller.partner, endpoint_id, lock=True)
    await use.confirm_endpoint(session, found, caller.key, now=now)
    return EndpointView(**_view(use.shown(found, vault), now))


@router.delete("/webhook-endpoints/{endpoint_id}", status_code=204, responses=documented(404))
async def delete(endpoint_id: UUID, caller: Manager, session: Transaction, now: Now) -> Response:
    """Remove an endpoint. Nothing more is sent to it, and what waited is dropped."""
    await use.remove_endpoint(session, caller.partner, endpoint_id, now=now)
    return Response(status_code=204)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate", response_model=EndpointMade, responses=_WRITE
)
@_with_secret
@idempotent("webhook-rotate", "{endpoint_id}", found=_locked)
async def rotate(
    found: WebhookEndpoint, caller: Manager, session: Transaction, vault: ThisVault, now: Now
) -> EndpointView:
    """A new secret, shown once. For 24 hours deliveries are signed with the old one, too."""
    made = await use.rotate_secret(session, vault, found, now=now)
    return EndpointView(**_view(made, now))


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    status_code=202,
    responses=_WRITE,
)
@idempotent("webhook-test", "{endpoint_id}", "{name}", found=_known, name=_example)
async def send_example(
    found: WebhookEndpoint,
    name: str,
    session: Transaction,
    now: Now,
    wanted: TestRequest | None = None,
) -> Queued:
    """Send an example to an endpoint; what came of it is among its deliveries."""
    return Queued(delivery_id=await use.send_test(session, found, name, now=now))


class _Only:
    """Which of an endpoint's deliveries are asked for."""

    def __init__(
        self,
        state: Annotated[State | None, Query(description="Only those in this state.")] = None,
        type_: Annotated[
            str | None, Query(alias="type", max_length=64, description="Only those of this type.")
        ] = None,
        since: Annotated[
            Moment | None, Query(alias="from", description="Made then or later.")
        ] = None,
        until: Annotated[Moment | None, Query(alias="to", description="Made before.")] = None,
    ) -> None:
        self.state = state
        self.type = type_
        self.since = since
        self.until = until


@router.get("/webhook-endpoints/{endpoint_id}/deliveries", responses=documented(404))
async def deliveries(
    endpoint_id: UUID,
    caller: Manager,
    session: Transaction,
    page: Paging,
    only: Annotated[_Only, Depends()],
) -> Page[DeliveryView]:
    """An endpoint's deliveries, newest first, each with its attempts."""
    found = await use.find(session, caller.partner, endpoint_id)
    return await page.of(
        newest_first("delivery_id"),
        lambda before, limit: store.deliveries_before(
            session,
            bucket=found.bucket,
            endpoint=endpoint_id,
            before=before,
            limit=limit,
            state=only.state,
            type=only.type,
            since=only.since,
            until=only.until,
        ),
        _delivery,
    )


@router.post(
    "/webhook-endpoints/{endpoint_id}/redeliver",
    status_code=202,
    responses=_WRITE,
)
@idempotent("webhook-redeliver", "{endpoint_id}", "{wanted}", found=_known)
async def redeliver_range(
    wanted: RedeliverRequest,
    found: WebhookEndpoint,
    session: Transaction,
    now: Now,
) -> Redelivered:
    """Send settled deliveries of a time again, or only those that failed; with the same ids."""
    count = await use.redeliver_range(
        session, found, since=wanted.since, until=wanted.until, failed=wanted.failed, now=now
    )
    return Redelivered(deliveries=count)


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    status_code=202,
    responses=_WRITE,
)
@idempotent("webhook-redeliver", "{delivery_id}")
async def redeliver(
    delivery_id: UUID,
    caller: Manager,
    session: Transaction,
    now: Now,
) -> Queued:
    """Send one delivery again, now, whatever became of it; with the same id."""
    await use.redeliver(session, caller.partner, delivery_id, now=now)
    return Queued(delivery_id=delivery_id)


@types_router.get("")
async def webhook_types() -> WebhookTypes:
    """Every type of message, with its JSON Schema and an example."""
    return WebhookTypes(data=[_type(name) for name in MESSAGES], next_cursor=None)


@types_router.get("/{name}", responses=documented(404))
async def webhook_type(name: str) -> WebhookType:
    """One type of message."""
    if name not in MESSAGES:
        raise PageNotFound(f"There is no type {name!r}. GET /v1/webhook-types lists them.")
    return _type(name)


def _type(name: str) -> WebhookType:
    return WebhookType(
        type=name,
        description=(MESSAGES[name].__doc__ or "").strip(),
        json_schema=schema_of(name),
        example=example_of(name),
    )


def _view(shown: use.Shown, now: Now) -> dict[str, Any]:
    row = shown.endpoint
    return {
        "endpoint_id": row.endpoint_id,
        "url": row.url,
        "types": row.types,
        "signing": cast("Literal['hmac', 'ed25519']", row.signing),
        "public_key": shown.public_key,
        "batch_max": row.batch_max,
        "description": row.description,
        "enabled": row.disabled_at is None,
        "disabled_at": row.disabled_at,
        "disabled_reason": row.disabled_reason,
        "failing_since": row.failing_since,
        "next_probe_at": row.open_until,
        "old_secret_until": row.old_until if row.old_until and row.old_until > now else None,
        "key": row.key_prefix,
        "created_at": row.created_at,
    }


def _delivery(row: RowMapping) -> DeliveryView:
    attempts = []
    for one in row["attempts"]:
        answer = one["answer"]
        text = None if answer is None else base64.b64decode(answer).decode(errors="replace")
        attempts.append(AttemptView(**{**one, "answer": text}))
    return DeliveryView(
        delivery_id=row["delivery_id"],
        endpoint_id=row["endpoint_id"],
        type=row["type"],
        notices=row["notices"],
        state=row["state"],
        created_at=row["created_at"],
        settled_at=row["settled_at"],
        next_attempt_at=row["due_at"] if row["state"] == store.WAITING else None,
        attempts=attempts,
    )


def add_webhooks(document: dict[str, Any]) -> None:
    """Describe every type of message under `webhooks` of an OpenAPI 3.1 document."""
    schemas = document["components"]["schemas"]
    document["webhooks"] = {}
    for name, message in MESSAGES.items():
        schema = schema_of(name, "#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[message.__name__] = schema
        document["webhooks"][name] = {
            "post": {
                "tags": ["Webhooks"],
                "operationId": f"webhook-{name.replace('.', '-')}",
                "summary": name,
                "description": schema["description"],
                "parameters": [
                    {"name": header, "in": "header", "required": True, "schema": {"type": "string"},
                     "description": why}
                    for header, why in _HEADERS.items()
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        _JSON: {
                            "schema": {"$ref": f"#/components/schemas/{message.__name__}"},
                            "example": example_of(name),
                        }
                    },
                },
                "responses": {
                    "2XX": {"description": "Taken. Anything else is tried again."},
                    "410": {"description": "No more, please: the endpoint is disabled."},
                },
            }
        }  # fmt: skip


_HEADERS = {
    "webhook-id": "The delivery's id, the same at every attempt: do each id once.",
    "webhook-timestamp": "Seconds since 1970 at this attempt.",
    "webhook-signature": "Signatures of `id.timestamp.body` between spaces: `v1,` or `v1a,`.",
}
