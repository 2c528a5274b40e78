"""The inputs of a methodology: declared in methodology.yaml, read from an event's data.

Two kinds of fault are kept apart. Data that cannot be read raises `DataInvalid` (the reporter must
mend it). Data that can be read but is outside the sheet's limits is refused: an outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from methodologies.contract import DataInvalid, Inputs, Refusal
from methodologies.lists import ListReader
from methodologies.values import LISTS, NUMERIC, TEXT_MAX, Input, number_rule, putter

ERRORS_MAX = 20


@dataclass(frozen=True, slots=True)
class Ratio:
    """A limit on `over / under * times`, checked when both inputs are given."""

    name: str
    unit: str
    over: str
    under: str
    times: Decimal
    low: Decimal
    high: Decimal

    def holds(self, over: Decimal, under: Decimal) -> bool:
        """Return whether the ratio is within its limits, cross-multiplied: nothing is divided."""
        return self.low * under <= over * self.times <= self.high * under

    def outside(self, over: Decimal, under: Decimal) -> str:
        return (
            f"the {self.name} of {self.over} {over} and {self.under} {under} is outside "
            f"{self.low} to {self.high} {self.unit}"
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """With the text input `when` at `equals` (None: always), one of three things must hold.

    The switch `needs` must be true as evidence; or the switch `forbids` must not be true, since the
    sheet does not cover it; or the list `single` may have one entry only for want of evidence.
    """

    when: str | None
    equals: str | None
    needs: str | None
    forbids: str | None
    single: str | None
    why: str

    def refusal(self, inputs: Inputs) -> Refusal | None:
        if self.when is not None and inputs.texts.get(self.when) != self.equals:
            return None
        if self.forbids is not None:
            forbidden = inputs.switches.get(self.forbids)
            return Refusal("no_methodology", self.why) if forbidden else None
        if self.needs is not None:
            weak = not inputs.switches.get(self.needs)
        else:
            weak = len(inputs.rows.get(self.single or "", ())) > 1
        return Refusal("evidence_too_weak", self.why) if weak else None


@dataclass(frozen=True, slots=True)
class Band:
    """The class of a number by its size, for instance of a distance; the upper edge belongs to it.

    The class is read by formulas and estimates like a text input `name`, and names a factor's role.
    """

    name: str
    of: str
    steps: tuple[tuple[Decimal, str], ...]  # (up to, class), rising

    def class_of(self, number: Decimal) -> str:
        for upper, name in self.steps:
            if number <= upper:
                return name
        return self.steps[-1][1]  # above the limit of the input: refused in any case


# What one event's data says: the inputs, the claims ("kind:value" of each underlying thing, once),
# the flags, and what the sheet's limits have against it. A bare tuple: one is made for every event.
Reading = tuple[Inputs, tuple[str, ...], tuple[str, ...], Refusal | None]


class InputReader:
    """Reads data by the declared inputs of one edition; built once, called for each event."""

    __slots__ = (
        "_activity",
        "_adds",
        "_bands",
        "_checks",
        "_claims",
        "_conditions",
        "_distinct",
        "_expected",
        "_known",
        "_needed",
        "_numbers",
        "_numbers_default",
        "_others",
        "_ratios",
        "_switches_default",
        "_texts_default",
        "_together",
    )

    def __init__(
        self,
        activity: str,
        inputs: tuple[Input, ...],
        *,
        any_of: tuple[str, ...],
        together: tuple[tuple[str, ...], ...],
        ratios: tuple[Ratio, ...],
        conditions: tuple[Condition, ...],
        bands: tuple[Band, ...] = (),
        distinct: tuple[str, ...] = (),
    ) -> None:
        self._activity = activity
        self._together = together
        self._ratios = ratios
        self._conditions = conditions
        self._bands = bands
        self._distinct = distinct
        self._expected = tuple((one.name, f"missing:{one.name}") for one in inputs if one.expected)
        self._adds = bool(bands or self._expected)
        self._checks = bool(ratios or conditions)
        self._known = frozenset(one.name for one in inputs)
        required = [(one.name,) for one in inputs if one.required]
        self._needed = (*required, any_of) if any_of else tuple(required)
        self._numbers = {one.name: number_rule(one) for one in inputs if one.kind in NUMERIC}
        self._others = {
            one.name: ListReader(one).put if one.kind in LISTS else putter(one)
            for one in inputs
            if one.kind not in NUMERIC
        }
        self._claims = tuple((one.name, f"{one.claim}:", one.counts) for one in inputs if one.claim)
        given = {one.name: one.default for one in inputs if one.default is not None}
        self._numbers_default = {n: Decimal(v) for n, v in given.items() if n in self._numbers}
        switches = {one.name for one in inputs if one.kind == "switch"}
        self._switches_default = {n: v == "true" for n, v in given.items() if n in switches}
        self._texts_default = {
            n: v for n, v in given.items() if n in self._others and n not in switches
        }

    def read(self, data: Mapping[str, object]) -> Reading:
        """Read the data of one event.

        DataInvalid: a name, type or value that cannot be read, or an input that is missing.
        """
        numbers, texts = self._numbers_default.copy(), self._texts_default.copy()
        inputs = Inputs(numbers, texts, self._switches_default.copy(), {}, {})
        errors: list[tuple[str, str]] = []
        flags: tuple[str, ...] = ()
        implausible = ""
        for name, raw in data.items():
            if raw is None and name in self._known:
                continue
            try:
                rule = self._numbers.get(name)
                if rule is None:
                    implausible = self._others[name](name, raw, inputs) or implausible
                else:
                    numbers[name] = number = rule.read(raw)
                    if not rule.low <= number <= rule.high:
                        implausible = implausible or rule.outside(number)
                    elif number > rule.soft_high:
                        flags += (rule.flag,)
            except ValueError as wrong:
                errors.append((name, str(wrong)))
            except KeyError:
                errors.append((str(name)[:TEXT_MAX], self._unknown()))
        claims = self._claims_of(inputs, errors)
        self._note_missing(data, errors)
        self._note_same(inputs, errors)
        if errors:
            raise DataInvalid(*errors[:ERRORS_MAX])
        if self._adds:
            flags += self._add(inputs, data)
        refusal = self._refusal(inputs, implausible) if implausible or self._checks else None
        return inputs, claims, flags, refusal

    def _unknown(self) -> str:
        known = ", ".join(sorted(self._known))
        return f"is not an input of {self._activity}; its inputs are {known}"

    def _claims_of(self, inputs: Inputs, errors: list[tuple[str, str]]) -> tuple[str, ...]:
        """Return the claims of the things that the event names, each once, sorted; note errors."""
        claims: tuple[str, ...] = ()
        for name, claim, counts in self._claims:
            if name in inputs.texts:
                named: tuple[str, ...] = (inputs.texts[name],)
                claims += (claim + inputs.texts[name],)
            elif name in inputs.ids:
                named = inputs.ids[name]
                claims += tuple(claim + one for one in named)
            else:
                continue
            many = inputs.numbers.get(counts) if counts else None
            if many is not None and many != len(named):
                errors.append(
                    (
                        name,
                        f"names {len(named)}, but {counts} is {many}: give one id for each, "
                        "or report them as separate events",
                    )
                )
        return claims if len(claims) < 2 else tuple(sorted(set(claims)))

    def _note_missing(self, data: Mapping[str, object], errors: list[tuple[str, str]]) -> None:
        for names in self._needed:
            for name in names:
                if data.get(name) is not None:
                    break
            else:
                wanted = "is required" if len(names) == 1 else f"give one of {', '.join(names)}"
                errors.append((names[0], f"{wanted} for {self._activity}"))
        for first, *others in self._together:
            absent = data.get(first) is None
            for name in others:
                if (data.get(name) is None) is not absent:
                    missing, given = (first, name) if absent else (name, first)
                    errors.append((missing, f"is required with {given}"))

    def _add(self, inputs: Inputs, data: Mapping[str, object]) -> tuple[str, ...]:
        """Put the bands among the texts; the answer is a flag for each expected input not given."""
        for band in self._bands:
            if band.of in inputs.numbers:
                inputs.texts[band.name] = band.class_of(inputs.numbers[band.of])
        return tuple(flag for name, flag in self._expected if data.get(name) is None)

    def _note_same(self, inputs: Inputs, errors: list[tuple[str, str]]) -> None:
        seen: dict[str, str] = {}
        for name in self._distinct:
            alone = (inputs.texts[name],) if name in inputs.texts else ()
            for id_ in inputs.ids.get(name, alone):
                if id_ in seen:
                    errors.append((name, f"names {id_}, as {seen[id_]} does: they must differ"))
                seen[id_] = name

    def _refusal(self, inputs: Inputs, implausible: str) -> Refusal | None:
        for one in self._conditions:
            refusal = one.refusal(inputs)
            if refusal is not None:
                return refusal
        if implausible:
            return Refusal("implausible", implausible)
        for ratio in self._ratios:
            over, under = inputs.numbers.get(ratio.over), inputs.numbers.get(ratio.under)
            if over is not None and under is not None and not ratio.holds(over, under):
                return Refusal("implausible", ratio.outside(over, under))
        return None
