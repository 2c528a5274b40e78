"""A connector's configuration: how messages are signed, and where in them the events are."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.webhooks.inbound.expressions import (
    CHARACTERS_MAX,
    ExpressionInvalid,
    compile_expression,
)

RULES_MAX = 16
DATA_FIELDS_MAX = 32
READY = Path(__file__).parent.parent / "ready"
_HEADER = r"^[A-Za-z0-9-]{1,64}$"
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"


def _compiles(text: str) -> str:
    try:
        compile_expression(text)
    except ExpressionInvalid as error:
        raise ValueError(f"does not compile, {error}") from error
    return text


Path_ = Annotated[
    str,
    Field(min_length=1, max_length=CHARACTERS_MAX, description="A JMESPath expression."),
    AfterValidator(_compiles),
]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StandardSignature(_Strict):
    """Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature."""

    kind: Literal["standard"] = "standard"


class BodySignature(_Strict):
    """A merchant that signs the body alone, with HMAC-SHA256, in a header of its own.

    There is no signed time, so that an old message is not noticed; events are counted once anyway.
    """

    kind: Literal["body-hmac"]
    header: Annotated[str, Field(pattern=_HEADER, examples=["X-Hub-Signature-256"])]
    prefix: Annotated[str, Field(max_length=32, examples=["sha256="])] = ""
    encoding: Literal["hex", "base64"] = "hex"
    id_header: Annotated[str | None, Field(pattern=_HEADER, examples=["X-GitHub-Delivery"])] = None


Signature = Annotated[StandardSignature | BodySignature, Field(discriminator="kind")]


class EventFields(_Strict):
    """Where the parts of an event are. Constants are written as 'text' or `12`."""

    id: Path_
    time: Path_
    subject: Path_
    type: Path_
    evidencelevel: Path_ | None = None
    scope: Path_ | None = None
    data: Annotated[dict[Name, Path_], Field(max_length=DATA_FIELDS_MAX)]


class ReversalFields(_Strict):
    """Which event is undone. With `subject`, also one that did not come through a connector."""

    id: Path_
    reason: Path_ = "'refund'"
    subject: Path_ | None = None
    if_missing: Literal["quarantine", "skip"] = "quarantine"


class Rule(_Strict):
    """One kind of thing to find in a payload: an event, or the reversal of one.

    Without `items` expressions read the payload; with it, `{"item": ..., "payload": ...}` for each
    element of the list that it finds.
    """

    name: Name
    items: Path_ | None = None
    when: Path_ | None = None
    event: EventFields | None = None
    reversal: ReversalFields | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Rule":
        if (self.event is None) == (self.reversal is None):
            raise ValueError("a rule has either `event` or `reversal`")
        return self


class Config(_Strict):
    """A connector's configuration; kept in versions."""

    name: Name
    source: Name = Field(description="One of your sources; events are reported under it.")
    signature: Signature = StandardSignature()
    rules: Annotated[list[Rule], Field(min_length=1, max_length=RULES_MAX)]


@cache
def ready_made() -> dict[str, dict[str, Any]]:
    """Return the configurations that come with the program, by name.

    `source` is the merchant's to say.
    """
    return {file.stem: yaml.safe_load(file.read_text()) for file in sorted(READY.glob("*.yaml"))}
