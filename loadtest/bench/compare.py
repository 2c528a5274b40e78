"""`python -m loadtest.bench.compare A B`: two revisions side by side, in turn: A, B, A, B.

Each revision is checked out into a folder of its own and benchmarks itself with this environment's
libraries and its own code; what is compared are its figures, and their ratios round by round.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from loadtest.system import exit_code

ROOT = Path(__file__).parents[2]
WIDTH = 130
LIMIT_S = 3600.0

Figures = Mapping[str, Sequence[float]]


class Failed(RuntimeError):
    """A revision cannot be checked out, or its benchmark fails; the message says which."""


def main() -> int:
    """This reads the command line, measures and prints; it returns the exit code."""
    options = _options()
    err = Console(stderr=True)
    found: dict[str, dict[str, list[float]]] = {
        revision: defaultdict(list) for revision in (options.a, options.b)
    }
    with ExitStack() as stack:
        trees = {revision: stack.enter_context(_checked_out(revision)) for revision in found}
        for number in range(options.rounds):
            for revision, tree in trees.items():
                err.print(f"round {number + 1} of {options.rounds}: {revision}", style="dim")
                for name, values in _measure(tree, options).items():
                    found[revision][name].append(median(values))
    rows = compared(found[options.a], found[options.b])
    _show(Console(width=None if sys.stdout.isatty() else WIDTH), options, rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def compared(a: Figures, b: Figures) -> dict[str, dict[str, object]]:
    """The values of every figure that both have, and B over A round by round."""
    return {
        name: {
            "a": list(a[name]),
            "b": list(b[name]),
            "ratios": [y / x for x, y in zip(a[name], b[name], strict=False) if x],
        }
        for name in a
        if name in b
    }


@contextmanager
def _checked_out(revision: str) -> Iterator[Path]:
    """This checks a revision out into a folder, which is removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="saxaul-revision-") as folder:
        Path(folder).chmod(0o711)
        tree = Path(folder) / "tree"
        done = _git("worktree", "add", "--detach", str(tree), revision)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )


def _measure(tree: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """The figures of one repeat of a revision's own benchmark. Raises Failed."""
    file = tree / "bench.json"
    command = [sys.executable, "-m", "loadtest.bench", "--repeats", "1", "--json", str(file)]
    command += ["--quick"] if options.quick else []
    command += ["--only", options.only] if options.only else []
    # Before what the environment has installed, in whatever folder a program is started.
    own = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        command, cwd=tree, env=own, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    if done.returncode != 0:
        raise Failed(
            f"the benchmark of {tree} ended with {done.returncode}:\n{done.stderr[-2000:]}"
        )
    report = json.loads(file.read_text())
    cpu = {f"{name} us/event": v for name, v in report["cpu_microseconds_per_event"].items()}
    return {**report["ratios"], **report["figures"], **cpu}


def _show(
    console: Console, options: argparse.Namespace, rows: Mapping[str, Mapping[str, object]]
) -> None:
    table = Table(
        "figure", options.a, options.b, "B / A", "spread", title=f"{options.a} and {options.b}"
    )
    for name, row in rows.items():
        a, b, ratios = (list(row[part]) for part in ("a", "b", "ratios"))  # type: ignore[call-overload]  # JSON
        if ratios:
            table.add_row(
                name,
                f"{median(a):,.4g}",
                f"{median(b):,.4g}",
                f"{median(ratios):.3f}",
                f"{min(ratios):.3f} - {max(ratios):.3f}",
            )
    console.print(table)
    console.print("Medians of the rounds; ratios are of neighbouring runs.", style="dim")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.bench.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", metavar="A", help="a git revision")
    parser.add_argument("b", metavar="B", help="another one; HEAD is the last commit")
    parser.add_argument("--rounds", type=int, default=3, help="of A and B each; default 3")
    parser.add_argument("--quick", action="store_true", help="fewer events; a look, not a result")
    parser.add_argument("--only", metavar="PART,...", help="as for the benchmark itself")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    options = parser.parse_args()
    if options.a == options.b:
        parser.error("A and B are the same")
    return options


if __name__ == "__main__":
    sys.exit(exit_code(main, Failed))
