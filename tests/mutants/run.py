"""Runs tests over a copy of the tree, with a mutant in it or without any."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from mutants.listed import Mutant
from mutants.recorder import REPORT

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".saxaul", ".hypothesis", ".mutants.json", "*_cache", "__pycache__", "site",
    "dist",
)  # fmt: skip
TEST_LIMIT_S = 120  # a mutant may make a test wait for what never comes
CAUGHT, SURVIVED, BROKEN, UNTESTED, HUNG = "caught", "survived", "broken", "no test ran", "hung"
# These say that the mutant is no program any more, and not that a rule was broken.
NO_PROGRAM = ("ImportError", "ModuleNotFoundError", "NameError", "SyntaxError", "UnboundLocalError")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of some tests left: those that passed, and failures in their order."""

    passed: tuple[str, ...]
    failed: tuple[dict[str, str], ...]
    output: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant; `by` is the test that noticed it, and `said` what it said."""

    outcome: str
    by: str
    said: str


@contextmanager
def copied(root: Path) -> Iterator[Path]:
    """A throw-away copy of the tree: mutants are never put into the tree itself."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(root, copy, ignore=LEFT_OUT)
        yield copy


def run_tests(tree: Path, tests: Iterable[str], *, seed: int, stop: bool) -> Ran:
    """Run tests in the order given, over the code in `tree`; with `stop` only to the first failure.

    Programs that the tests start get their code from `tree`, too.
    """
    report = tree.parent / "report.json"
    report.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "pytest", *(["-x"] if stop else []), "--tb=short", "--quiet",
        "-p", "mutants.recorder", "-p", "no:cacheprovider", "--randomly-dont-reorganize",
        f"--randomly-seed={seed}", f"--timeout={TEST_LIMIT_S}", *tests,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'tests'}",
        REPORT: str(report),
    }
    with subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            output, _ = process.communicate()
        finally:
            process.terminate()  # when we are stopped; its servers end with it
    found = orjson.loads(report.read_bytes()) if report.exists() else {"passed": (), "failed": ()}
    return Ran(tuple(found["passed"]), tuple(found["failed"]), output.decode(errors="replace"))


def try_mutant(tree: Path, root: Path, mutant: Mutant, *, seed: int) -> Verdict:
    """Put a mutant into the copy `tree` of `root`, run its tests, and take it out again."""
    path = tree / mutant.file
    path.write_text(mutant.applied(tree))
    try:
        return judged(run_tests(tree, mutant.tests, seed=seed, stop=True))
    finally:
        shutil.copy2(root / mutant.file, path)


def judged(ran: Ran) -> Verdict:
    """The verdict of a run. Only a test that failed by itself has caught anything."""
    if not ran.failed:
        if ran.passed:
            return Verdict(SURVIVED, "", f"{len(ran.passed)} tests passed")
        return Verdict(UNTESTED, "", _last_line(ran.output))
    first = ran.failed[0]
    said = f"{first['kind']}: {first['said']}"
    if first["kind"] == "Failed" and first["said"].startswith("Timeout"):
        return Verdict(HUNG, first["test"], said)
    if first["when"] != "call" or first["kind"] in NO_PROGRAM:
        return Verdict(BROKEN, first["test"], f"{first['when']}: {said}")
    return Verdict(CAUGHT, first["test"], said)


def unsound(ran: Ran, tests: Sequence[str]) -> list[str]:
    """What is wrong with tests over the code as it is: they fail, or none of them ran."""
    wrong = [f"{one['test']} fails without any mutant: {one['said']}" for one in ran.failed]
    return wrong + [
        f"{test} passed no test without any mutant: {_last_line(ran.output)}"
        for test in tests
        if not any(_is_of(passed, test) for passed in ran.passed)
        and not any(_is_of(one["test"], test) for one in ran.failed)
    ]


def _is_of(test: str, named: str) -> bool:
    """Whether a test is one of a file or a function that is named."""
    return test == named or test.startswith((f"{named}::", f"{named}["))


def _last_line(output: str) -> str:
    return (output.strip().splitlines() or ["no output"])[-1]
