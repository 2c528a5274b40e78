"""The wire: CloudEvents 1.0 in four forms, validated straight from bytes. No rules, no I/O.

A batch with a flaw in it is read again event by event, so that each bad event gets its own
problem and the good ones go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import unquote_to_bytes

import pydantic_core
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from service.errors import (
    BatchTooLarge,
    BodyNotJson,
    FieldsInvalid,
    HeaderMalformed,
    ServiceError,
    UnsupportedType,
)
from service.http.numbers import Number
from service.http.times import written_out

BATCH_EVENTS_MAX = 1_000
DATA_FIELDS_MAX = 64
LIST_ITEMS_MAX = 64
ERRORS_SHOWN_MAX = 20

OVERLAP = r"^(none|s1|s2|s3(_cat([1-9]|1[0-5]))?|merchant_s3)$"
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE)]
Subject = Annotated[str, Field(min_length=1, max_length=128, pattern=_PRINTABLE)]
Text = Annotated[StrictStr, Field(max_length=256)]
Kinds = Text | StrictBool | Number | None
_FIRST = Field(union_mode="left_to_right")  # no value is of two kinds: half the cost of trying all
Scalar = Annotated[Kinds, _FIRST]
Row = Annotated[dict[Name, Scalar], Field(max_length=DATA_FIELDS_MAX)]
Rows = Annotated[list[Annotated[Kinds | Row, _FIRST]], Field(max_length=LIST_ITEMS_MAX)]
Datum = Annotated[Kinds | Rows, _FIRST]


class CloudEvent(BaseModel):
    """The report of one green action: CloudEvents 1.0 with JSON data."""

    model_config = ConfigDict(
        extra="forbid",
        title="CloudEvent",
        json_schema_extra={
            "examples": [
                {
                    "specversion": "1.0",
                    "id": "ride-20261122-0001",
                    "source": "metro-bj",
                    "type": "transit.metro",
                    "subject": "alice",
                    "time": "2026-11-22T08:03:11+08:00",
                    "data": {"distance_km": "12.4", "trip_id": "G7731-0001", "region": "CN"},
                }
            ]
        },
    )

    specversion: Literal["1.0"]
    id: Name = Field(description="The sender's id; with source and subject it names the event.")
    source: Name = Field(description="One of the caller's registered sources.")
    type: Name = Field(description="The activity, e.g. transit.metro.")
    subject: Subject = Field(description="The app's id of the person; `me` with a person's token.")
    time: Annotated[AwareDatetime, BeforeValidator(written_out)] = Field(
        description="When it happened, RFC 3339 with an offset; the local day is read from it."
    )
    datacontenttype: Literal["application/json"] | None = None
    dataschema: Annotated[str, Field(max_length=512)] | None = None
    evidencelevel: Literal["L0", "L1", "L2", "L3", "L4"] | None = Field(
        None,
        description="L0 self-declared, L1 a partner's own record. Default L1 for partners and L0 "
        "for people, who may state no other. Higher levels follow from facts: stating one is 403.",
    )
    scope: Literal["3", "3+"] | None = Field(
        None, description="3 for what sits in an operator's own inventory; default 3+."
    )
    inventoryoverlap: Annotated[str, Field(pattern=OVERLAP)] | None = Field(
        None,
        description="Whose inventory it sits in: none, the operator's s1, s2, s3 or s3_cat1 to "
        "s3_cat15 (scope 3), or merchant_s3, a third party's. Default none, or s3 with scope 3.",
    )
    data: Annotated[dict[Name, Datum], Field(max_length=DATA_FIELDS_MAX)] = Field(
        description="Activity data, region and evidence ids; numbers or decimal strings."
    )


@dataclass(frozen=True, slots=True)
class InvalidEvent:
    """An event that cannot be taken, with as much of its source and id as can be read."""

    source: str | None
    id: str | None
    error: ServiceError


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a request held; `is_batch` says which shape the answer has."""

    events: list[CloudEvent | InvalidEvent]
    is_batch: bool


_BATCH = TypeAdapter(Annotated[list[CloudEvent], Field(max_length=BATCH_EVENTS_MAX)])

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
PLAIN = "application/json"
_BINARY_PREFIX = "ce-"


def parse(content_type: str, headers: Mapping[str, str], body: bytes) -> Parsed:
    """Return the events of a request in any of the four forms.

    Raises BodyNotJson, BatchTooLarge, UnsupportedType or HeaderMalformed when the request as a
    whole cannot be read; a bad event of a batch becomes an InvalidEvent.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == PLAIN and "ce-specversion" in headers:
        return Parsed([_parse_one(_from_binary(headers, body))], is_batch=False)
    if media_type == BATCHED or (media_type == PLAIN and body.lstrip()[:1] == b"["):
        return Parsed(_parse_batch(body), is_batch=True)
    if media_type in (STRUCTURED, PLAIN):
        return Parsed([_parse_one(body)], is_batch=False)
    raise UnsupportedType(
        f"The content type {media_type or '(none)'!r} is not read here. Send {STRUCTURED}, "
        f"{BATCHED} or {PLAIN}."
    )


def _parse_one(body: bytes) -> CloudEvent | InvalidEvent:
    try:
        return CloudEvent.model_validate_json(body)
    except ValidationError as error:
        item = read_json(body)
        return invalid_event(item, error)


def _parse_batch(body: bytes) -> list[CloudEvent | InvalidEvent]:
    try:
        return list(_BATCH.validate_json(body))
    except ValidationError:
        items = read_json(body)
    if not isinstance(items, list):
        raise FieldsInvalid("A batch is a JSON array of events.", (("", "must be an array"),))
    if len(items) > BATCH_EVENTS_MAX:
        raise BatchTooLarge(
            f"The batch holds {len(items)} events; the limit is {BATCH_EVENTS_MAX}. Send several."
        )
    return [_parse_one(_to_json(item)) for item in items]


def read_json(body: bytes) -> object:
    """JSON as plain values. Raises BodyNotJson, saying where it stops being JSON."""
    try:
        value: object = pydantic_core.from_json(body)
    except ValueError as error:
        raise BodyNotJson(f"The body is not JSON in UTF-8: {error}.") from error
    return value


def _to_json(value: object) -> bytes:
    return pydantic_core.to_json(value, inf_nan_mode="constants")


def invalid_event(item: object, error: ValidationError) -> InvalidEvent:
    """Return the invalid event: its problem, and its source and id as far as readable."""
    named = item if isinstance(item, dict) else {}
    errors = pointed(error)
    first_pointer, first = errors[0]
    return InvalidEvent(
        source=_name_or_none(named.get("source")),
        id=_name_or_none(named.get("id")),
        error=FieldsInvalid(f"{first_pointer or 'The event'}: {first}.", errors),
    )


def _name_or_none(value: object) -> str | None:
    return value[:64] if isinstance(value, str) else None


def pointed(error: ValidationError) -> tuple[tuple[str, str], ...]:
    """Pydantic's errors as pairs of a JSON Pointer and a sentence, one for each field."""
    found: dict[str, str] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        path = one["loc"]
        # Inside `data` a value may be one of several kinds; pydantic names each kind it tried.
        is_datum = len(path) > 2 and path[0] == "data" and path[2] != "[key]"
        shown_path = path[:2] if is_datum else tuple(part for part in path if part != "[key]")
        pointer = "".join(f"/{_escaped(part)}" for part in shown_path)
        if is_datum and one["type"] not in ("finite_number", "value_error"):
            found.setdefault(
                pointer,
                "must be a number, a text of at most 256 characters, true, false, null, or a "
                "short list of these",
            )
        elif is_datum or pointer not in found:
            message = one["msg"].removeprefix("Value error, ")
            found[pointer] = message[0].lower() + message[1:]
    return tuple(found.items())[:ERRORS_SHOWN_MAX]


def _escaped(part: int | str) -> str:
    return str(part)[:64].replace("~", "~0").replace("/", "~1")


def _from_binary(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the structured form of an event in binary mode: attributes from `ce-` headers."""
    event: dict[str, object] = {"data": read_json(body)}
    for name, value in headers.items():
        if name.startswith(_BINARY_PREFIX):
            try:
                event[name.removeprefix(_BINARY_PREFIX)] = unquote_to_bytes(value).decode()
            except UnicodeDecodeError as error:
                raise HeaderMalformed(f"The header {name} is not percent-encoded UTF-8.") from error
    return _to_json(event)
