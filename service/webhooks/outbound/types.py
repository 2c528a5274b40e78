"""The types of webhooks, each with its schema and an example. Pure.

Every message is `{"type", "timestamp", "data"}`. Carbon is in milligrams CO2e as decimal strings,
points are integers; `timestamp` is when the fact was recorded.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, cast, get_args
from uuid import UUID

from pydantic import BaseModel, Field, RootModel, create_model

Milligrams = Annotated[str, Field(pattern=r"^-?[0-9]+$", description="Milligrams CO2e.")]

BATCH = "action.batch"
TEST = "endpoint.test"
DISABLED = "endpoint.disabled"
BATCH_MAX = 100

EventType = Literal[
    "action.credited",
    "action.capped",
    "action.refused",
    "action.reversed",
    "order.placed",
    "order.refunded",
    "certificate.issued",
    "project.sold_out",
    "points.lapsed",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
ACTION_TYPES = frozenset(EVENT_TYPES[:4])

# An outcome of the intake, and the webhook type that says it.
TYPE_OF_OUTCOME = {
    "credited": "action.credited",
    "zero": "action.credited",
    "capped": "action.capped",
    "refused": "action.refused",
    "already_claimed": "action.refused",
}

_PERSON = UUID("7d9f1c52-0a35-8d0e-9c11-6f4b7a1e2c90")
_ACTION = UUID("019ddc1e-5a00-7c52-b0a1-2f9a70410d27")


class AboutPerson(BaseModel):
    """What a notice about a person carries, so that receivers can put it in order."""

    person: UUID = Field(
        description="The same for all notices to you about one person or customer; nobody else "
        "gets the same."
    )
    sequence: int = Field(
        ge=1,
        description="This endpoint's notices about this person, counted from 1 without a gap, in "
        "the order in which the facts were recorded.",
    )


class ActionData(AboutPerson):
    """An action as recorded: your own source and id, and what became of it."""

    action_id: UUID
    source: str
    id: str
    activity: str
    region: str | None
    occurred_at: datetime
    local_day: date
    outcome: Literal["credited", "capped", "zero", "refused", "already_claimed"]
    reason: str | None
    detail: str | None
    avoided_mg: Milligrams
    points: int
    methodology: str | None
    evidence_level: str
    scope: str
    ripens_at: datetime | None


class ActionReversedData(AboutPerson):
    """An action that was taken back: carbon always, points by policy."""

    action_id: UUID
    source: str
    id: str
    activity: str
    local_day: date
    reason: str
    avoided_mg: Milligrams
    points: int
    from_earning: int
    from_balance: int
    as_debt: int


class OrderPlacedData(AboutPerson):
    """Points of one person became one tree."""

    order_id: UUID
    project_id: str
    serial: str = Field(description="The certificate's.")
    lot: str
    points: int
    placed_at: datetime


class OrderRefundedData(AboutPerson):
    """An order was undone before its tree was planted: points back, its certificate void."""

    order_id: UUID
    project_id: str
    serial: str = Field(description="The certificate's, which is void now.")
    lot: str
    points: int = Field(description="Given back.")
    refunded_at: datetime


class CertificateOfOrderData(AboutPerson):
    """The certificate of a person's order."""

    order_id: UUID
    project_id: str
    serial: str
    lot: str


class CertificateOfPoolData(BaseModel):
    """The certificate of a pool that is complete: of a group, so it names no person."""

    pool_id: UUID
    project_id: str
    serial: str
    lot: str


class CertificateIssuedData(RootModel[CertificateOfOrderData | CertificateOfPoolData]):
    """A tree has its certificate: an order's at once, a pool's when it is complete."""


class ProjectSoldOutData(BaseModel):
    """The last tree of a project was sold; sent to everybody, and again if one comes back."""

    project_id: str
    sold_out_at: datetime


class LapseData(BaseModel):
    """Points of one day and activity that nobody collected."""

    local_day: date
    activity: str
    points: int


class PointsLapsedData(AboutPerson):
    """Points of one person that were not collected in time: their sum, and by day."""

    points: int
    lapsed_at: datetime
    earnings: list[LapseData] = Field(min_length=1)


class TestData(BaseModel):
    """A test that was asked for: nothing happened."""

    endpoint_id: UUID
    message: str


class EndpointDisabledData(BaseModel):
    """We stopped sending to an endpoint."""

    endpoint_id: UUID
    url: str
    reason: str


_ACTION_EXAMPLE: dict[str, Any] = {
    "person": str(_PERSON), "sequence": 7, "action_id": str(_ACTION), "source": "metro-bj",
    "id": "ride-20261122-0001", "activity": "transit.metro", "region": "CN",
    "occurred_at": "2026-11-22T08:03:11+08:00", "local_day": "2026-11-22", "outcome": "credited",
    "reason": None, "detail": None, "avoided_mg": "794592", "points": 794,
    "methodology": "transit.metro@1.0.0", "evidence_level": "L1", "scope": "3+",
    "ripens_at": "2026-11-23T07:00:00+08:00",
}  # fmt: skip
_OF_PERSON = {"person": str(_PERSON), "sequence": 8}
_TREE = {
    "order_id": str(_ACTION), "project_id": "saxaul-alxa", "serial": "SX-05N71-YPJC1-T20A",
    "lot": "saxaul-alxa-001",
}  # fmt: skip

_DATA: Mapping[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "action.credited": (ActionData, _ACTION_EXAMPLE),
    "action.capped": (
        ActionData,
        {**_ACTION_EXAMPLE, "outcome": "capped", "points": 0, "ripens_at": None,
         "reason": "actions_per_day", "detail": "The points' cap actions_per_day is reached; "
         "carbon is counted."},
    ),
    "action.refused": (
        ActionData,
        {**_ACTION_EXAMPLE, "outcome": "refused", "reason": "implausible", "avoided_mg": "0",
         "detail": "A metro ride of 900 km is longer than any line.", "points": 0,
         "ripens_at": None},
    ),
    "action.reversed": (
        ActionReversedData,
        {**{name: _ACTION_EXAMPLE[name] for name in (
            "person", "action_id", "source", "id", "activity", "local_day", "avoided_mg")},
         "sequence": 8, "reason": "refund", "points": 794, "from_earning": 794,
         "from_balance": 0, "as_debt": 0},
    ),
    "order.placed": (
        OrderPlacedData,
        {**_OF_PERSON, **_TREE, "points": 17900, "placed_at": "2026-11-22T00:03:12+00:00"},
    ),
    "order.refunded": (
        OrderRefundedData,
        {**_OF_PERSON, "sequence": 9, **_TREE, "points": 17900,
         "refunded_at": "2026-11-23T01:40:00+00:00"},
    ),
    "certificate.issued": (CertificateIssuedData, {**_OF_PERSON, **_TREE}),
    "project.sold_out": (
        ProjectSoldOutData,
        {"project_id": _TREE["project_id"], "sold_out_at": "2026-11-22T00:03:12+00:00"},
    ),
    "points.lapsed": (
        PointsLapsedData,
        {**_OF_PERSON, "points": 794, "lapsed_at": "2026-11-22T00:03:12+00:00",
         "earnings": [
             {"local_day": "2026-11-18", "activity": "transit.metro", "points": 794}]},
    ),
    TEST: (TestData, {"endpoint_id": str(_ACTION), "message": "Your endpoint can be reached."}),
    DISABLED: (
        EndpointDisabledData,
        {"endpoint_id": str(_ACTION), "url": "https://example.com/hooks",
         "reason": "It answered 410 Gone."},
    ),
}  # fmt: skip


def _envelope(name: str, data: type[BaseModel]) -> type[BaseModel]:
    title = "".join(part.capitalize() for part in name.replace("_", ".").split("."))
    return create_model(
        f"Webhook{title}",
        __doc__=data.__doc__,
        type=(cast("Any", Literal[name]), ...),
        timestamp=(datetime, Field(description="When the fact was recorded.")),
        data=(data, ...),
    )


MESSAGES: dict[str, type[BaseModel]] = {
    name: _envelope(name, data) for name, (data, _) in _DATA.items()
}
_ONE_ACTION: Any = Annotated[
    reduce(or_, (MESSAGES[name] for name in EVENT_TYPES if name in ACTION_TYPES)),
    Field(discriminator="type"),
]
ActionBatch = create_model(
    "ActionBatch",
    __doc__="Up to 100 notices of actions, each as it would be alone, in the order of their facts.",
    actions=(list[_ONE_ACTION], Field(min_length=1, max_length=BATCH_MAX)),
)
MESSAGES[BATCH] = _envelope(BATCH, ActionBatch)


def example_of(name: str) -> dict[str, Any]:
    """Return a whole message of a type, as it might arrive."""
    at = "2026-11-22T00:03:12+00:00"
    if name == BATCH:
        return {"type": BATCH, "timestamp": at, "data": {"actions": [example_of(EVENT_TYPES[0])]}}
    return {"type": name, "timestamp": at, "data": dict(_DATA[name][1])}


def schema_of(name: str, ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a type's messages."""
    return MESSAGES[name].model_json_schema(ref_template=ref_template, mode="serialization")
