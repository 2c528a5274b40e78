"""Runs tests over a copy of the tree, with a mutant in it or without any."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
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
def running(root: Path, *, seed: int) -> Iterator["Runner"]:
    """A runner over a throw-away copy: mutants are never put into the tree itself."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(root, copy, ignore=LEFT_OUT)
        runner = Runner(copy, seed)
        try:
            yield runner
        finally:
            runner.close()


class Runner:
    """Runs tests over the code in a copy of the tree, each time in a process of its own."""

    def __init__(self, tree: Path, seed: int) -> None:
        self.tree = tree
        self._seed = seed
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self._warm = subprocess.Popen(
            [sys.executable, "-m", "mutants.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[1])},
            cwd=tree.parent,
            start_new_session=True,
        )

    def close(self) -> None:
        """End what runs; a server ends with the process that started it."""
        with suppress(ProcessLookupError):
            os.killpg(self._warm.pid, signal.SIGTERM)
        self._warm.wait()

    def run(self, tests: Iterable[str], *, stop: bool) -> Ran:
        """Run tests in the order given; with `stop` only to the first failure.

        Programs that the tests start get their code from the copy, too.
        """
        report, output = self.tree.parent / "report.json", self.tree.parent / "output"
        report.unlink(missing_ok=True)
        arguments = [
            *(["-x"] if stop else []), "--tb=short", "--quiet", "-p", "mutants.recorder",
            "-o", f"cache_dir={self.tree.parent / 'cache'}",
            "-W", "ignore::pytest.PytestAssertRewriteWarning",
            "--randomly-dont-reorganize", f"--randomly-seed={self._seed}",
            f"--hypothesis-seed={self._seed}",
            f"--timeout={TEST_LIMIT_S}", *tests,
        ]  # fmt: skip
        asked = {
            "tree": str(self.tree),
            "arguments": arguments,
            "output": str(output),
            "environment": {
                "PYTHONPATH": f"{self.tree}{os.pathsep}{self.tree / 'tests'}",
                REPORT: str(report),
            },
        }
        assert self._warm.stdin is not None
        assert self._warm.stdout is not None
        self._warm.stdin.write(orjson.dumps(asked) + b"\n")
        self._warm.stdin.flush()
        assert self._warm.stdout.readline(), "the process that runs the tests has ended"
        found = {"passed": (), "failed": ()}
        if report.exists():
            found = orjson.loads(report.read_bytes())
        text = output.read_text(errors="replace")
        return Ran(tuple(found["passed"]), tuple(found["failed"]), text)


def try_mutant(runner: Runner, root: Path, mutant: Mutant) -> Verdict:
    """Put a mutant into the runner's copy of `root`, run its tests, and take it out again."""
    path = runner.tree / mutant.file
    path.write_text(mutant.applied(runner.tree))
    try:
        return judged(runner.run(mutant.tests, stop=True))
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
