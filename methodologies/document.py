"""Strict YAML that remembers its lines: what the loader refuses, it refuses with file and line.

Stricter than YAML: no key twice, no unknown key, numbers only as quoted strings.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import yaml

from methodologies.contract import CatalogueBroken

# libyaml reads the same seven times as fast; without it (some platforms) the slow one does.
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_STR = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_DATE = "tag:yaml.org,2002:timestamp"
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)


class Cursor:
    """A part of a document that knows its file and line, for the errors about it."""

    __slots__ = ("_node", "file")

    def __init__(self, file: str, node: yaml.Node) -> None:
        self.file = file
        self._node = node

    def broken(self, reason: str, *, rule: str | None = None) -> CatalogueBroken:
        return CatalogueBroken(self.file, self._node.start_mark.line + 1, reason, rule)

    def entries(self) -> list[tuple["Cursor", "Cursor"]]:
        """Return keys and values of a mapping, as written. CatalogueBroken: a key stands twice."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.broken("a mapping is expected here")
        seen: set[str] = set()
        found = []
        for key, value in self._node.value:
            cursor = Cursor(self.file, key)
            if not isinstance(key, yaml.ScalarNode):
                raise cursor.broken("a key must be a plain word")
            if key.value in seen:
                raise cursor.broken(f"the key {key.value!r} stands here a second time")
            seen.add(key.value)
            found.append((cursor, Cursor(self.file, value)))
        return found

    def table(
        self,
        *,
        needs: Iterable[str],
        may: Iterable[str] = (),
        rules: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, "Cursor"]:
        """Return a mapping that has all keys of `needs`, any of `may`, and no other.

        CatalogueBroken: otherwise; `rules` names the rule that a missing key breaks.
        """
        needed, known = set(needs), {*needs, *may}
        found: dict[str, Cursor] = {}
        for key, value in self.entries():
            name = key.text()
            if name not in known:
                raise key.broken(
                    f"the key {name!r} is not known here; known: {', '.join(sorted(known))}"
                )
            found[name] = value
        missing = sorted(needed - found.keys())
        if missing:
            rule = rules.get(missing[0])
            raise self.broken(f"the key {missing[0]!r} is missing", rule=rule)
        return found

    def items(self) -> list["Cursor"]:
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.broken("a list is expected here")
        return [Cursor(self.file, node) for node in self._node.value]

    def text(self) -> str:
        value = self._scalar(_STR, "text is expected here; put a number or a date in quotes")
        if not value.strip():
            raise self.broken("the text is empty")
        return value.strip()

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def is_null(self) -> bool:
        return self._node.tag == _NULL

    def number(self) -> Decimal:
        """Return a plain decimal number, exactly. CatalogueBroken: it is none, or not in quotes."""
        value = self._scalar(_STR, 'write a number as a quoted string, such as "0.104"')
        if not _NUMBER.fullmatch(value):
            raise self.broken(f"{value!r} is not a plain decimal number")
        return Decimal(value)

    def count(self) -> int:
        number = self.number()
        if number != int(number) or number < 0:
            raise self.broken(f"{number} is not a whole number of 0 or more")
        return int(number)

    def day(self) -> date:
        value = self._scalar(_DATE, "a day is expected here, such as 2021-01-01")
        try:
            return date.fromisoformat(value)
        except ValueError as wrong:
            raise self.broken(f"{value!r} is not a day such as 2021-01-01") from wrong

    def switch(self) -> bool:
        return self._scalar(_BOOL, "true or false is expected here").lower() == "true"

    def one_of(self, choices: Iterable[str]) -> str:
        value = self.text()
        if value not in set(choices):
            raise self.broken(f"{value!r} is not one of {', '.join(choices)}")
        return value

    def plain(self) -> object:
        """Return the whole part as text, bool, None, lists and dicts, with days as ISO text."""
        if isinstance(self._node, yaml.MappingNode):
            return {key.plain_key(): value.plain() for key, value in self.entries()}
        if isinstance(self._node, yaml.SequenceNode):
            return [item.plain() for item in self.items()]
        if self._node.tag == _NULL:
            return None
        if self._node.tag == _BOOL:
            return self.switch()
        if self._node.tag == _DATE:
            return self.day().isoformat()
        return self._scalar(_STR, "write a number as a quoted string").strip()

    def plain_key(self) -> str:
        return self.day().isoformat() if self._node.tag == _DATE else self.text()

    def _scalar(self, tag: str, wrong: str) -> str:
        if not isinstance(self._node, yaml.ScalarNode) or self._node.tag != tag:
            raise self.broken(wrong)
        return str(self._node.value)


def read_document(path: Path, *, shown_as: str) -> Cursor:
    """Read a YAML file and return its root; `shown_as` is its name in messages.

    CatalogueBroken: the file cannot be read, is empty or no YAML.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except yaml.MarkedYAMLError as wrong:
        line = wrong.problem_mark.line + 1 if wrong.problem_mark else 1
        raise CatalogueBroken(shown_as, line, f"not YAML: {wrong.problem}") from wrong
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise CatalogueBroken(shown_as, 1, f"not YAML: {wrong}") from wrong
    except OSError as wrong:
        raise CatalogueBroken(shown_as, 1, f"cannot be read: {wrong.strerror}") from wrong
    if root is None:
        raise CatalogueBroken(shown_as, 1, "the file is empty")
    return Cursor(shown_as, root)
