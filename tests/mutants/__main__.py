"""`make mutants`: every mutant must be caught by one of the tests that it names.

Exit code 1 when one is not, or when a named test fails, or runs nothing, without any mutant. What
was found is kept while the code is the same; ARGS=--fresh tries all again.
"""

import platform
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from mutants.kept import Kept
from mutants.listed import ROOT, Mutant, read_mutants
from mutants.run import CAUGHT, Verdict, running, try_mutant, unsound
from service.terminal import err, fail, out, progress

SHOWN = ("pytest", "hypothesis", "pytest-randomly")

Only = Annotated[list[str] | None, typer.Option(help="Try this one; may be given several times.")]


def main(
    *,
    only: Only = None,
    show: Annotated[bool, typer.Option("--list", help="List the mutants, and try none.")] = False,
    fresh: Annotated[bool, typer.Option(help="Forget what earlier runs found.")] = False,
    seed: Annotated[int, typer.Option(help="For everything random in the tests.")] = 1,
) -> None:
    """Put faults into a copy of the code, one at a time, and say which test catches each."""
    mutants = _chosen(read_mutants(), only)
    if show:
        _list(mutants)
        return
    versions = ", ".join(f"{name} {version(name)}" for name in SHOWN)
    err.print(f"seed {seed}; Python {platform.python_version()}, {versions}", highlight=False)
    kept = Kept(ROOT)
    if fresh:
        kept.forget()
    found = {one.name: kept.verdict(one) for one in mutants}
    left = [one for one in mutants if found[one.name] is None]
    if left:
        found |= _try(left, kept, seed)
    verdicts = {one.name: verdict for one in mutants if (verdict := found[one.name])}
    _report(mutants, verdicts)
    if any(verdict.outcome != CAUGHT for verdict in verdicts.values()):
        raise typer.Exit(1)


def _chosen(mutants: Sequence[Mutant], only: Sequence[str] | None) -> Sequence[Mutant]:
    unknown = set(only or ()) - {one.name for one in mutants}
    if unknown:
        raise fail(f"no mutant is named {', '.join(sorted(unknown))}; --list shows them.")
    chosen = [one for one in mutants if not only or one.name in only]
    for one in chosen:
        one.applied(ROOT)  # all that is stale is said before anything runs
    return chosen


def _try(left: Sequence[Mutant], kept: Kept, seed: int) -> dict[str, Verdict]:
    found = {}
    with running(ROOT, seed=seed) as runner, progress() as bar:
        tests = sorted({test for one in left for test in one.tests} - kept.sound)
        task = bar.add_task("tests without any mutant", total=len(left))
        if tests:
            wrong = unsound(runner.run(tests, stop=False), tests)
            if wrong:
                raise fail("\n".join(wrong))
            kept.sound |= set(tests)
            kept.write()
        for one in left:
            bar.update(task, description=one.name)
            found[one.name] = try_mutant(runner, ROOT, one)
            kept.keep(one, found[one.name])
            bar.advance(task)
    return found


def _list(mutants: Sequence[Mutant]) -> None:
    table = Table("mutant", "breaks the rule", "in")
    for one in mutants:
        table.add_row(one.name, one.rule, one.file)
    out.print(table)


def _report(mutants: Sequence[Mutant], verdicts: dict[str, Verdict]) -> None:
    table = Table("mutant", "verdict", "by", title=f"{len(mutants)} mutants")
    for one in mutants:
        verdict = verdicts[one.name]
        is_caught = verdict.outcome == CAUGHT
        shown = verdict.by if is_caught else f"{verdict.by} {verdict.said}".strip()
        colour = "green" if is_caught else "red"
        table.add_row(one.name, f"[{colour}]{verdict.outcome}", escape(shown))
    out.print(table)
    caught = sum(verdict.outcome == CAUGHT for verdict in verdicts.values())
    out.print(f"{caught} of {len(mutants)} are caught.")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    typer.run(main)
