"""Lists in an event's data: of numbers, or of rows with columns such as the trips of a meeting."""

from collections.abc import Mapping

from methodologies.arithmetic import plain
from methodologies.contract import Inputs
from methodologies.values import NUMERIC, Input, number_rule, putter


class ListReader:
    """Reads one list input; built once, called for each event that has it."""

    __slots__ = ("_at_most", "_bare", "_default", "_numbers", "_others", "_required", "_shape")

    def __init__(self, one: Input) -> None:
        assert one.at_most is not None
        self._at_most = one.at_most
        self._bare = one.kind == "numbers"
        self._numbers = {c.name: number_rule(c) for c in one.columns if c.kind in NUMERIC}
        self._others = {c.name: putter(c) for c in one.columns if c.kind not in NUMERIC}
        self._required = tuple(c.name for c in one.columns if c.required)
        self._default = {c.name: c.default for c in one.columns if c.default is not None}
        self._shape = ", ".join(c.name for c in one.columns)

    def put(self, name: str, raw: object, inputs: Inputs) -> str | None:
        """File the list; the answer is the first limit that an entry passes.

        ValueError: it is no list, too long, or an entry cannot be read.
        """
        if not isinstance(raw, list) or not 1 <= len(raw) <= self._at_most:
            raise ValueError(f"must be a list of 1 to {self._at_most} entries")
        outside: str | None = None
        rows = []
        for place, entry in enumerate(raw, start=1):
            given = {name: entry} if self._bare else entry
            try:
                row, wrong = self._read(given)
            except ValueError as unreadable:
                raise ValueError(f"entry {place}: {unreadable}") from unreadable
            rows.append(row)
            outside = outside or wrong
        inputs.rows[name] = tuple(rows)
        return outside

    def _read(self, given: object) -> tuple[Inputs, str | None]:
        if not isinstance(given, Mapping):
            raise ValueError(f"must be an object with {self._shape}")
        row = Inputs({}, {}, {}, {}, {})
        outside: str | None = None
        for name, raw in {**self._default, **given}.items():
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
                raise ValueError(str(wrong) if self._bare else f"{name} {wrong}") from wrong
        for name in self._required:
            if name not in given:
                raise ValueError(f"{name} is required")
        return row, outside


def as_read(one: Inputs, name: str) -> object:
    """An entry of the list `name` as it was given, ready for JSON."""
    if name in one.numbers:
        return plain(one.numbers[name])
    return {**{column: plain(number) for column, number in one.numbers.items()}, **one.texts}
