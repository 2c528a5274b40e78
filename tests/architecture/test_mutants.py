"""The list of mutants is up to the code: each can be put in, and its tests are there."""

import ast
from pathlib import Path

import pytest
from mutants.listed import ROOT, Mutant, MutantStale, read_mutants

MUTANTS = read_mutants()


def functions_of(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_put_in_and_its_tests_are_there(mutant: Mutant) -> None:
    assert mutant.applied(ROOT)
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file(), f"{mutant.name}: there is no {file}"
        known = {"", *functions_of(ROOT / file)}
        assert name.partition("[")[0] in known, f"{mutant.name}: there is no {test}"


def test_there_are_enough_and_each_says_what_it_breaks() -> None:
    assert len(MUTANTS) >= 40
    assert all(one.rule.endswith(".") for one in MUTANTS)
    assert len({one.rule for one in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("old", ["no such text", "def ", "unchanged"])
def test_a_text_that_is_not_there_once_is_said(tmp_path: Path, old: str) -> None:
    (tmp_path / "a.py").write_text("def one(): ...\ndef two(): ...\nunchanged = 1\n")
    mutant = Mutant("one", "A rule.", "a.py", old, "unchanged", ("tests/test_a.py",))

    with pytest.raises(MutantStale, match="must occur once"):
        mutant.applied(tmp_path)


def test_a_mutant_that_is_no_program_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one = 1\n")

    with pytest.raises(SyntaxError):
        Mutant("one", "A rule.", "a.py", "1", "(", ("tests/test_a.py",)).applied(tmp_path)
