"""From a merchant's payload to events and reversals, by a connector's rules. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError

from service.errors import BatchTooLarge, BodyNotJson, PayloadNotMapped
from service.http.numbers import exact, whole
from service.intake.event import BATCH_EVENTS_MAX, CloudEvent, InvalidEvent, invalid_event
from service.webhooks.inbound.config import Config, EventFields, ReversalFields, Rule
from service.webhooks.inbound.expressions import (
    Budget,
    EvaluationFailed,
    Expression,
    compile_expression,
    is_false,
)

ERRORS_MAX = 20
LIST_MAX = 64
TEXT_SHOWN_MAX = 256
_NAMED = ("id", "time", "subject", "type", "evidencelevel", "scope")
_REQUIRED = {"id", "time", "subject", "type"}
_CONFIG: TypeAdapter[Config] = TypeAdapter(Config)


@dataclass(frozen=True, slots=True)
class Reversal:
    """An event to undo; `subject` None stands for the person whose event it was."""

    event_id: str
    reason: str
    subject: str | None
    skip_missing: bool


@dataclass(slots=True)
class Mapped:
    """What a payload holds: in order, events and reversals; `skipped` items met no condition."""

    found: list[CloudEvent | InvalidEvent | Reversal] = field(default_factory=list)
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class FieldSeen:
    """One expression's result, for `try`."""

    pointer: str
    expression: str
    value: object


@dataclass(slots=True)
class ItemSeen:
    """What one rule makes of one item, for `try`."""

    rule: str
    item: int
    applies: bool
    fields: list[FieldSeen]
    found: CloudEvent | InvalidEvent | Reversal | None
    errors: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Field:
    pointer: str
    name: str
    expression: Expression
    required: bool


@dataclass(frozen=True, slots=True)
class _Compiled:
    name: str
    pointer: str
    items: Expression | None
    when: Expression | None
    named: tuple[_Field, ...]
    data: tuple[_Field, ...]
    reversal: ReversalFields | None


class CompiledMapping:
    """A configuration, compiled once; `source` is the JSON that it was read from."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.config = config = _CONFIG.validate_json(source)
        self._rules = [_compiled(at, rule) for at, rule in enumerate(config.rules)]

    def __call__(self, payload: object, budget: Budget) -> Mapped:
        """Return everything in a payload; `budget` is for all rules and all items together.

        Raises PayloadNotMapped with a pointer for each expression that does not fit, and
        BatchTooLarge.
        """
        mapped = Mapped()
        errors: list[tuple[str, str]] = []
        for seen in self._look(payload, budget, keep=False):
            errors.extend(seen.errors)
            if not seen.applies and not seen.errors:
                mapped.skipped += 1
            elif seen.found is not None:
                mapped.found.append(seen.found)
            if len(mapped.found) > BATCH_EVENTS_MAX:
                raise BatchTooLarge(f"The payload holds more than {BATCH_EVENTS_MAX} events.")
            if len(errors) >= ERRORS_MAX:
                break
        if errors:
            raise PayloadNotMapped(f"{errors[0][0]}: {errors[0][1]}.", tuple(errors[:ERRORS_MAX]))
        return mapped

    def shown(self, payload: object, budget: Budget, most: int) -> list[ItemSeen]:
        """Return what each rule makes of each of the first items, with each expression's value."""
        return list(islice(self._look(payload, budget, keep=True), most))

    def _look(self, payload: object, budget: Budget, *, keep: bool) -> Iterator[ItemSeen]:
        for rule in self._rules:
            try:
                contexts = _contexts(rule, payload, budget)
            except EvaluationFailed as error:
                pointer = f"{rule.pointer}/items"
                yield ItemSeen(rule.name, 0, False, [], None, ((pointer, str(error)),))
                continue
            for at, context in enumerate(contexts):
                yield self._one(rule, at, context, budget, keep=keep)

    def _one(
        self, rule: _Compiled, at: int, context: object, budget: Budget, *, keep: bool
    ) -> ItemSeen:
        fields: list[FieldSeen] = []
        if rule.when is not None:
            try:
                holds = rule.when(context, budget)
            except EvaluationFailed as error:
                wrong = ((f"{rule.pointer}/when", str(error)),)
                return ItemSeen(rule.name, at, False, fields, None, wrong)
            if keep:
                fields.append(FieldSeen(f"{rule.pointer}/when", rule.when.text, shown(holds)))
            if is_false(holds):
                return ItemSeen(rule.name, at, False, fields, None, ())
        errors: list[tuple[str, str]] = []
        named = _read(rule.named, context, budget, fields if keep else None, errors)
        data = _read(rule.data, context, budget, fields if keep else None, errors)
        found = None if errors else self._found(rule, named, data)
        return ItemSeen(rule.name, at, True, fields, found, tuple(errors))

    def _found(
        self, rule: _Compiled, named: dict[str, object], data: dict[str, object]
    ) -> CloudEvent | InvalidEvent | Reversal:
        texts = {name: _text(value) for name, value in named.items()}
        if rule.reversal is not None:
            return Reversal(
                event_id=str(texts["id"]),
                reason=str(texts["reason"]),
                subject=None if texts.get("subject") is None else str(texts["subject"]),
                skip_missing=rule.reversal.if_missing == "skip",
            )
        event = {"specversion": "1.0", "source": self.config.source, **texts, "data": data}
        try:
            return CloudEvent.model_validate(event)
        except ValidationError as error:
            return invalid_event(event, error)


@lru_cache(maxsize=1_024)
def compiled(source: bytes) -> CompiledMapping:
    """Return a configuration that is JSON, compiled."""
    return CompiledMapping(source)


def read_payload(body: bytes) -> object:
    """Read JSON with exact numbers. Raises BodyNotJson, also for NaN, for numbers that are out of
    reach, and for too deep nesting."""
    try:
        return json.loads(
            body.decode(), parse_float=exact, parse_int=whole, parse_constant=_no_constant
        )
    except RecursionError as error:
        raise BodyNotJson("The body is nested too deeply.") from error
    except ValueError as error:
        raise BodyNotJson(f"The body is not JSON in UTF-8: {error}.") from error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def shown(value: object) -> object:
    """Return a value as `try` shows it: small, and always JSON."""
    if isinstance(value, str):
        return value[:TEXT_SHOWN_MAX].encode("utf-8", "replace").decode()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return f"a list of {len(value)}" if not _is_flat(value) else [shown(one) for one in value]
    if isinstance(value, dict):
        return f"an object with {len(value)} names"
    return value if not isinstance(value, int) or isinstance(value, bool) else str(value)


def _is_flat(value: Sequence[object]) -> bool:
    return len(value) <= LIST_MAX and not any(isinstance(one, list | dict) for one in value)


def _compiled(at: int, rule: Rule) -> _Compiled:
    pointer = f"/rules/{at}"
    if rule.event is not None:
        named = tuple(_named_fields(rule.event, f"{pointer}/event"))
        data = tuple(
            _Field(f"{pointer}/event/data/{name}", name, compile_expression(text), False)
            for name, text in rule.event.data.items()
        )
    else:
        assert rule.reversal is not None
        named = tuple(
            _Field(
                f"{pointer}/reversal/{name}",
                name,
                compile_expression(getattr(rule.reversal, name)),
                True,
            )
            for name in ("id", "reason", "subject")
            if getattr(rule.reversal, name) is not None
        )
        data = ()
    return _Compiled(
        rule.name,
        pointer,
        None if rule.items is None else compile_expression(rule.items),
        None if rule.when is None else compile_expression(rule.when),
        named,
        data,
        rule.reversal,
    )


def _named_fields(event: EventFields, pointer: str) -> Iterator[_Field]:
    for name in _NAMED:
        text = getattr(event, name)
        if text is not None:
            yield _Field(f"{pointer}/{name}", name, compile_expression(text), name in _REQUIRED)


def _contexts(rule: _Compiled, payload: object, budget: Budget) -> Sequence[object]:
    if rule.items is None:
        return (payload,)
    items = rule.items(payload, budget)
    if not isinstance(items, list):
        raise EvaluationFailed("finds no list in this payload")
    if len(items) > BATCH_EVENTS_MAX:
        raise BatchTooLarge(f"The payload holds {len(items)} items; the limit is 1,000.")
    return [{"item": item, "payload": payload} for item in items]


def _read(
    fields: Sequence[_Field],
    context: object,
    budget: Budget,
    keep: list[FieldSeen] | None,
    errors: list[tuple[str, str]],
) -> dict[str, Any]:
    """Return each field's value; those that find nothing are left out. Faults go to `errors`."""
    values: dict[str, Any] = {}
    for one in fields:
        try:
            value = one.expression(context, budget)
        except EvaluationFailed as error:
            errors.append((one.pointer, str(error)))
            continue
        if keep is not None:
            keep.append(FieldSeen(one.pointer, one.expression.text, shown(value)))
        if value is None:
            if one.required:
                errors.append((one.pointer, "finds nothing in this payload"))
        elif isinstance(value, dict) or (isinstance(value, list) and not _is_flat(value)):
            errors.append((one.pointer, f"finds {shown(value)}; a text or number is needed"))
        else:
            values[one.name] = value
    return values


def _text(value: object) -> object:
    """Return an id as a text, also where the merchant keeps it as a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value
