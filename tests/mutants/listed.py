"""The list of mutants: each is one fault in one file, and the tests that must notice it.

`mutants.toml` is the list. A refactoring that changes a text brings its mutants along: a text that
is gone is an error here, and in `tests/architecture/test_mutants.py`.
"""

import tomllib
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import orjson

LIST = Path(__file__).with_name("mutants.toml")
ROOT = Path(__file__).parents[2]


class MutantStale(ValueError):
    """The text that a mutant replaces does not occur exactly once in its file."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` becomes `new` in `file`, which breaks `rule`; `tests` are node ids or files of tests.

    The tests run in this order until one fails.
    """

    name: str
    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The same for the same fault and tests, so that a result can be kept."""
        return sha256(orjson.dumps(asdict(self))).hexdigest()

    def applied(self, root: Path) -> str:
        """The mutated text of its file below `root`.

        Raises MutantStale unless `old` occurs exactly once, and SyntaxError for Python that no
        longer compiles.
        """
        path = root / self.file
        source = path.read_text() if path.is_file() else ""
        if (count := source.count(self.old)) != 1 or self.old == self.new:
            raise MutantStale(
                f"{self.name}: its text occurs {count} times in {self.file}, and must occur once. "
                f"Bring the mutant in {LIST.relative_to(ROOT)} up to the code; the rule is still: "
                f"{self.rule}"
            )
        text = source.replace(self.old, self.new)
        if path.suffix == ".py":
            compile(text, self.file, "exec")
        return text


def read_mutants(path: Path = LIST) -> tuple[Mutant, ...]:
    """The mutants of a file, in its order. Raises ValueError for a name that comes twice."""
    listed = tomllib.loads(path.read_text())["mutant"]
    mutants = tuple(Mutant(**{**one, "tests": tuple(one["tests"])}) for one in listed)
    names = [one.name for one in mutants]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{path}: named twice: {', '.join(sorted(twice))}")
    return mutants
