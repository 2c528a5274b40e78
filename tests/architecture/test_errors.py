"""The tree of errors is complete: drawn, coded, mapped and explained."""

import re

import pytest

from service import errors
from service.errors import ServiceError
from service.http.problems import STATUS, all_errors, problem_of, status_of

KINDS = list(dict.fromkeys(all_errors()))
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def drawn() -> dict[str, str | None]:
    """Each class in the module's docstring, with the one that it is drawn under."""
    found: dict[str, str | None] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^(?P<indent> *)[*+-] (?P<name>[A-Z]\w+)", line)
        if match:
            depth = len(match["indent"]) // 2
            assert depth <= len(above), f"{match['name']} is drawn under nothing"
            assert match["name"] not in found, f"{match['name']} is drawn twice"
            del above[depth:]
            found[match["name"]] = above[-1] if above else None
            above.append(match["name"])
    return found


@each_kind
def test_it_is_drawn_in_the_docstring_under_its_parent(kind: type[ServiceError]) -> None:
    parent = None if kind is ServiceError else kind.__bases__[0].__name__

    assert kind.__name__ in drawn(), f"draw {kind.__name__} in service/errors.py"
    assert drawn()[kind.__name__] == parent


def test_nothing_is_drawn_that_is_not_there() -> None:
    assert set(drawn()) == {kind.__name__ for kind in KINDS}


def test_no_code_is_used_twice() -> None:
    codes = [kind.code for kind in KINDS]

    assert len(codes) == len(set(codes)), "give each error a code of its own"


@each_kind
def test_its_code_is_its_name(kind: type[ServiceError]) -> None:
    assert kind.code == re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()


@each_kind
def test_it_is_explained_to_people(kind: type[ServiceError]) -> None:
    own = kind.__dict__.get("__doc__")

    assert own, f"{kind.__name__}: its docstring is its page under /problems/{kind.code}"
    assert own.rstrip().endswith(".")
    assert kind.__dict__.get("title") or kind is ServiceError


@each_kind
def test_its_family_has_a_status(kind: type[ServiceError]) -> None:
    if kind is not ServiceError:
        assert status_of(kind) in STATUS.values()


def test_every_status_belongs_to_a_family() -> None:
    assert set(STATUS) == set(ServiceError.__subclasses__())


@pytest.mark.parametrize("error", [RuntimeError("secret"), KeyError("secret"), OSError("secret")])
def test_a_fault_of_ours_tells_nothing(error: Exception) -> None:
    assert "secret" not in str(problem_of(error))
