"""Lists in an event's data: of numbers, or of rows with columns such as the trips of a meeting."""

from collections.abc import Mapping
from decimal import Decimal

from methodologies.arithmetic import plain
from methodologies.contract import Inputs
from methodologies.values import NUMERIC, Input, number_rule, putter


class ListReader:
    """Reads one list input; built once, called for each event that has it."""

    __slots__ = (
        "_at_most",
        "_bare",
        "_numbers",
        "_numbers_default",
        "_others",
        "_required",
        "_shape",
        "_texts_default",
    )

    def __init__(self, one: Input) -> None:
        assert one.at_most is not None
        self._at_most = one.at_most
        self._bare = one.kind == "numbers"
        self._numbers = {c.name: number_rule(c) for c in one.columns if c.kind in NUMERIC}
        self._others = {c.name: putter(c) for c in one.columns if c.kind not in NUMERIC}
        self._required = tuple(c.name for c in one.columns if c.required)
        given = {c.name: c.default for c in one.columns if c.default is not None}
        self._numbers_default = {n: Decimal(v) for n, v in given.items() if n in self._numbers}
        self._texts_default = {n: v for n, v in given.items() if n in self._others}
        self._shape = ", ".join(c.name for c in one.columns)

    def put(self, name: str, raw: object, inputs: Inputs) -> str | None:
        """File the list; the answer is the first limit that an entry passes.

        ValueError: it is no list, too long, or an entry cannot be read.
        """
        if not isinstance(raw, list) or not 1 <= len(raw) <= self._at_most:
            raise ValueError(f"must be a list of 1 to {self._at_most} entries")
        outside: str | None = None
        rows: list[Inputs] = []
        try:
            for entry in raw:
                row, wrong = self._number(name, entry) if self._bare else self._row(entry)
                rows.append(row)
                outside = outside or wrong
        except ValueError as unreadable:
            raise ValueError(f"entry {len(rows) + 1}: {unreadable}") from unreadable
        inputs.rows[name] = tuple(rows)
        return outside

    def _number(self, name: str, raw: object) -> tuple[Inputs, str | None]:
        rule = self._numbers[name]
        number = rule.read(raw)
        inside = rule.low <= number <= rule.high
        return Inputs({name: number}, {}, {}, {}, {}), None if inside else rule.outside(number)

    def _row(self, given: object) -> tuple[Inputs, str | None]:
        if not isinstance(given, Mapping):
            raise ValueError(f"must be an object with {self._shape}")
        row = Inputs(self._numbers_default.copy(), self._texts_default.copy(), {}, {}, {})
        outside: str | None = None
        for name, raw in given.items():
            rule = self._numbers.get(name)
            try:
                if rule is not None:
                    row.numbers[name] = number = rule.read(raw)
                    if not rule.low <= number <= rule.high:
                        outside = outside or rule.outside(number)
                elif name in self._others:
                    self._others[name](name, raw, row)
                else:
                    raise ValueError(f"is not one of {self._shape}")
            except ValueError as wrong:
                raise ValueError(f"{name} {wrong}") from wrong
        for name in self._required:
            if name not in given:
                raise ValueError(f"{name} is required")
        return row, outside


def as_read(one: Inputs, name: str) -> object:
    """An entry of the list `name` as it was given, ready for JSON."""
    if name in one.numbers:
        return plain(one.numbers[name])
    return {**{column: plain(number) for column, number in one.numbers.items()}, **one.texts}
