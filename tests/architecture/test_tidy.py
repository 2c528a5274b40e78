"""House rules that no linter knows. Each message says what to do instead."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("service", "workers", "methodologies")
MODULES = sorted(path.relative_to(ROOT) for tree in TREES for path in (ROOT / tree).rglob("*.py"))
PURPOSELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "core",
               "impl", "service", "services", "lib", "tools"}  # fmt: skip

# Where a transaction may begin or end: once for a request, a batch, a job or a command.
TRANSACTION_DOORS = (
    "service/http/dependencies.py",
    "service/http/idempotency.py",
    "service/intake/commit.py",
    "service/intake/lane.py",
    "service/cli/access.py",
    "service/forest/commands.py",
    "service/demo.py",
    "service/partners/commands.py",
    "service/partners/dependencies.py",
    "service/partners/authenticate.py",
    "service/sandbox/opening.py",
    "service/webhooks/inbound/inbox.py",
    "service/webhooks/inbound/receive.py",
    "service/totals/apply.py",
    "service/totals/rebuild.py",
    "service/totals/checkpoint.py",
    "service/restate/chunks.py",
    "service/rights/finish.py",
    "service/webhooks/outbound/deliver.py",
    "service/migrations/",
    "workers/",
)
TRANSACTED = {"session", "locking", "connection", "engine", "transaction"}
# The second is where a command without `--on` takes today from, for whoever has no service.
CLOCK = ("service/clock.py", "methodologies/cli/options.py")
# Where any error must become an answer, a log line or an exit code.
BROAD_DOORS = (
    "service/intake/lane.py",
    "service/http/fast_path.py",
    "service/embedded/",
    "service/webhooks/inbound/inbox.py",
    "workers/main.py",
)
DOCSTRING_LINES_MAX = 6
# Their docstrings draw something whole: the tree of errors, the table of keys.
DRAWN = ("service/errors.py", "service/totals/keys.py")
EXACT = (
    "methodologies/", "service/actions/", "service/intake/", "service/people/", "service/points/",
)  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns",
          "perf_counter", "perf_counter_ns"}  # fmt: skip
CLOCK_OWNERS = {"datetime", "date", "time"}


def _in(path: Path, prefixes: tuple[str, ...]) -> bool:
    return any(str(path).startswith(prefix) for prefix in prefixes)


def commits(path: Path, node: ast.AST) -> str | None:
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("commit", "begin")
        and not _in(path, TRANSACTION_DOORS)
        and path.name != "commands.py"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in TRANSACTED
    ):
        return "a transaction ends at the door: take the session that is given, and return"
    return None


def reads_the_clock(path: Path, node: ast.AST) -> str | None:
    if (
        isinstance(node, ast.Attribute)
        and node.attr in CLOCKS
        and isinstance(node.value, ast.Name)
        and node.value.id in CLOCK_OWNERS
        and not _in(path, CLOCK)
    ):
        return "take `now` or a Clock as an argument; service/clock.py alone reads the machine's"
    return None


def catches_everything(path: Path, node: ast.AST) -> str | None:
    broad = {"Exception", "BaseException"}
    if isinstance(node, ast.ExceptHandler) and not _in(path, BROAD_DOORS):
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if any(kind is None or (isinstance(kind, ast.Name) and kind.id in broad) for kind in kinds):
            return "catch what you can mend, by name; the rest is answered at the door"
    return None


def uses_float(path: Path, node: ast.AST) -> str | None:
    is_float = (isinstance(node, ast.Constant) and isinstance(node.value, float)) or (
        isinstance(node, ast.Name) and node.id == "float"
    )
    if is_float and _in(path, EXACT) and path.name != "lane.py":
        return "carbon is int milligrams, factors are Decimal, points are int: no float here"
    return None


def assigns_twice(path: Path, node: ast.AST) -> str | None:
    if isinstance(node, ast.Module):
        names = [
            target.id
            for one in node.body
            if isinstance(one, ast.Assign)
            for target in one.targets
            if isinstance(target, ast.Name)
        ]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            return f"{', '.join(twice)}: a constant of a module is assigned once"
    return None


RULES: tuple[Callable[[Path, ast.AST], str | None], ...] = (
    commits,
    reads_the_clock,
    catches_everything,
    uses_float,
    assigns_twice,
)


def seconds_in(tree: ast.AST) -> set[ast.AST]:
    """Values of constants in seconds: durations are no carbon, and may be floats."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and all(isinstance(one, ast.Name) and one.id.endswith("_S") for one in node.targets)
    }


def broken(path: Path, source: str) -> Iterator[str]:
    tree = ast.parse(source)
    for node in set(ast.walk(tree)) - seconds_in(tree):
        for rule in RULES:
            message = rule(path, node)
            if message is not None:
                yield f"{path}:{getattr(node, 'lineno', 1)}: {message}"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_keeps_the_house_rules(path: Path) -> None:
    found = list(broken(path, (ROOT / path).read_text()))

    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_is_named_for_what_it_does(path: Path) -> None:
    named = path.with_suffix("").name

    assert named not in PURPOSELESS, f"{path}: name the noun or verb of the business instead"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_says_what_it_owns(path: Path) -> None:
    source = (ROOT / path).read_text()
    if source.strip():
        lines = (ast.get_docstring(ast.parse(source)) or "").splitlines()
        assert lines, f"{path}: begin with a docstring of 1-{DOCSTRING_LINES_MAX} lines"
        assert len(lines) <= DOCSTRING_LINES_MAX or str(path) in DRAWN, (
            f"{path}: say in {DOCSTRING_LINES_MAX} lines what the module owns; comment the rest"
        )


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("service/points/collect.py", "await session.commit()"),
        ("service/points/collect.py", "session.begin()"),
        ("service/points/collect.py", "now = datetime.now(UTC)"),
        ("service/totals/view.py", "time.monotonic()"),
        ("service/totals/view.py", "date.today()"),
        ("service/points/collect.py", "try:\n    x\nexcept Exception:\n    pass"),
        ("service/points/collect.py", "try:\n    x\nexcept (ValueError, BaseException):\n    pass"),
        ("service/points/collect.py", "try:\n    x\nexcept:\n    pass"),
        ("methodologies/sheet.py", "x = 0.5"),
        ("service/points/policy.py", "x = float(y)"),
        ("service/points/policy.py", "X = 1\nY = 2\nX = 3"),
    ],
)
def test_each_rule_can_be_broken(path: str, line: str) -> None:
    assert list(broken(Path(path), line))
