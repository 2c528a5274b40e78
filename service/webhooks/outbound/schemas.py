"""Wire shapes of endpoints and deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.http.times import Moment
from service.webhooks.outbound.types import BATCH_MAX, EventType

Url = Annotated[
    str,
    Field(
        min_length=1,
        description="https and a public address; port 443, or one from 1024 on.",
        examples=["https://example.com/hooks/saxaul"],
    ),
]
Types = Annotated[list[EventType], Field(min_length=1, description="What it wants to hear of.")]
BatchMax = Annotated[
    int,
    Field(
        ge=1,
        le=BATCH_MAX,
        description="Actions in one delivery: 1 sends each alone under its own type, more sends "
        "them as `action.batch`, also when there is only one.",
    ),
]
Description = Annotated[str, Field(max_length=200)]
TestType = EventType | Literal["endpoint.test", "action.batch"]
State = Literal["waiting", "delivered", "failed"]


class EndpointRequest(BaseModel):
    """A new endpoint."""

    model_config = ConfigDict(extra="forbid")
    url: Url
    types: Types
    signing: Literal["hmac", "ed25519"] = Field(
        "hmac", description="hmac: a shared secret, `v1`; ed25519: a public key, `v1a`."
    )
    batch_max: BatchMax = BATCH_MAX
    description: Description = ""


class EndpointChange(BaseModel):
    """What is to be changed; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    url: Url = ""
    types: Types = []
    batch_max: BatchMax = BATCH_MAX
    description: Description = ""
    enabled: bool = Field(True, description="true forgets failures and sends what waited.")

    @model_validator(mode="after")
    def _something(self) -> "EndpointChange":
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        return self


class EndpointView(BaseModel):
    """An endpoint. `public_key` is there when it is signed with Ed25519."""

    endpoint_id: UUID
    url: str
    types: list[str]
    signing: Literal["hmac", "ed25519"]
    public_key: str | None
    batch_max: int
    description: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None = Field(description="The first failure since a success.")
    next_probe_at: datetime | None = Field(
        description="It failed several times in a row: until then nothing is sent."
    )
    old_secret_until: datetime | None = Field(
        description="Until then each delivery is signed with the secret before, too."
    )
    key: str | None = Field(description="The key of yours that answers for it.")
    created_at: datetime


class EndpointMade(EndpointView):
    """An endpoint with its secret, which is shown this once: a repeat of the request says null."""

    secret: str | None = Field(
        description="`whsec_...`; null for Ed25519, where we keep it, and in a repeated answer."
    )


class TestRequest(BaseModel):
    """Which example to send."""

    model_config = ConfigDict(extra="forbid")
    type: TestType = "endpoint.test"


class Queued(BaseModel):
    """A delivery that will be tried at once."""

    delivery_id: UUID


class RedeliverRequest(BaseModel):
    """Which deliveries to send again: those made in a time, or only those that failed."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    since: Moment | None = Field(None, alias="from")
    until: Moment | None = Field(None, alias="to", description="Not included.")
    failed: bool = Field(False, description="Only those that were given up.")

    @model_validator(mode="after")
    def _bounded(self) -> "RedeliverRequest":
        if self.since is None and not self.failed:
            raise ValueError('say {"from": ..., "to": ...} or {"failed": true}')
        return self


class Redelivered(BaseModel):
    """How many deliveries will be sent again."""

    deliveries: int


class AttemptView(BaseModel):
    """One HTTP try. A number that is missing was cut off with the sender and is not known."""

    number: int
    started_at: datetime
    duration_ms: int
    result: Literal["ok", "status", "timeout", "address", "tls", "connection", "secret"]
    status: int | None
    error: str | None = Field(description="What went wrong, in words.")
    answer: str | None = Field(
        description="The first 256 bytes of the answer; what is no UTF-8 shows as U+FFFD."
    )


class DeliveryView(BaseModel):
    """One message to an endpoint. `delivery_id` is its `webhook-id`, the same at every attempt."""

    delivery_id: UUID
    endpoint_id: UUID
    type: str
    notices: int
    state: State
    created_at: datetime
    settled_at: datetime | None
    next_attempt_at: datetime | None
    attempts: list[AttemptView]


class WebhookType(BaseModel):
    """A type of message with its JSON Schema (2020-12) and an example."""

    type: str
    description: str
    json_schema: dict[str, Any]
    example: dict[str, Any]


class WebhookTypes(BaseModel):
    """All types; there are few, so the list has one page."""

    data: list[WebhookType]
    next_cursor: str | None
