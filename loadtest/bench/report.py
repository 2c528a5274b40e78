"""The tables: ratios with their goals first, absolute figures beside them, then how they came."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from loadtest.audit import Check
from loadtest.bench.measure import Bench

COMMENT = (
    "Ratios are of figures measured side by side in one run; absolute figures hold for this "
    "machine only. Spread is lowest to highest of the repeats."
)


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal is the least or the most that a figure should be; `aim` is what is hoped for."""

    value: float
    at_most: bool = False
    aim: float | None = None

    def met_by(self, value: float) -> bool:
        """Whether `value` is good enough."""
        return value <= self.value if self.at_most else value >= self.value

    def __str__(self) -> str:
        text = f"{'at most' if self.at_most else 'at least'} {self.value:,g}"
        return text if self.aim is None else f"{text}, aim {self.aim:,g}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio is one figure over another, repeat by repeat."""

    name: str
    over: str
    under: str
    goal: Goal


RATIOS = (
    Ratio("batches of 500 / plain FastAPI + SQLModel", "batch500", "naive", Goal(25)),
    Ratio("batches of 500 / raw COPY, 1,000 a commit", "batch500", "copy", Goal(0.15, aim=0.25)),
    Ratio("single events / empty FastAPI route", "single", "empty POST", Goal(0.6)),
    Ratio("collecting / empty FastAPI route", "collect", "empty collect", Goal(0.3)),
    Ratio("GET /v1/totals / empty FastAPI route", "totals", "empty GET", Goal(0.8)),
)
MOST_50_MS = Goal(50, at_most=True)
COSTS = {
    "people": "GET /v1/people/{subject}",
    "collect": "POST .../collect",
    "orders": "POST /v1/orders",
}
TABLES = ("action", "claim", "earning", "account", "journal", "total_day")
ABSOLUTE: Mapping[str, tuple[str, str, Goal | None]] = {
    "batch500": ("POST /v1/events, batches of 500", "events/s", Goal(10_000, aim=20_000)),
    "naive": ("plain FastAPI + SQLModel, a commit each", "events/s", None),
    "copy": ("raw COPY, 1,000 rows a commit", "rows/s", None),
    "single": ("POST /v1/events, one event", "requests/s", None),
    "empty POST": ("POST to an empty route, same body", "requests/s", None),
    "totals": ("GET /v1/totals", "requests/s", None),
    "empty GET": ("GET of an empty route", "requests/s", None),
    "collect": ("POST .../collect, everybody at once", "people/s", None),
    "collect p50": ("collecting at half of that rate, open loop: p50", "ms", None),
    "collect p99": ("collecting at half of that rate, open loop: p99", "ms", MOST_50_MS),
    "empty collect": ("POST to an empty route", "requests/s", None),
    "orders": ("POST /v1/orders, one project", "orders/s", None),
    "open rate": ("open loop: rate, half of the top rate", "requests/s", None),
    "p50": ("open loop: p50 from the intended start", "ms", None),
    "p99": ("open loop: p99 from the intended start", "ms", MOST_50_MS),
    "p50 from sending": ("open loop: p50 from the sending", "ms", None),
    "p99 from sending": ("open loop: p99 from the sending", "ms", None),
    "late share": ("open loop: share sent late by the generator", "", Goal(0.01, at_most=True)),
    "assess": ("one sum, median over all cases (CPU)", "us", Goal(10, at_most=True)),
    "load": ("loading all methodologies (CPU)", "s", Goal(1, at_most=True)),
    "people": ("GET /v1/people/{subject}", "requests/s", None),
    **{
        f"{part} {process}": (f"{label}: processor time of {process}", "us a request", None)
        for part, label in COSTS.items()
        for process in ("API", "PostgreSQL")
    },
    "bytes stored": ("bytes in PostgreSQL, indexes included", "an event", None),
    "bytes of log": ("bytes in PostgreSQL's log (WAL)", "an event", None),
    **{f"bytes in {table}": (f"of these in {table}", "an event", None) for table in TABLES},
    "Valkey grew": ("bytes that Valkey grew by, all in all", "", None),
    "lag": ("longest time from answer to totals, under load", "s", Goal(1, at_most=True)),
}


# Name, values repeat by repeat, unit, and goal.
Shown = tuple[str, Sequence[float], str, Goal | None]


def ratios_of(figures: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The values of every ratio whose two figures were measured, by its name."""
    found = {}
    for ratio in RATIOS:
        pairs = zip(figures.get(ratio.over, ()), figures.get(ratio.under, ()), strict=False)
        values = [over / under for over, under in pairs if under]
        if values:
            found[ratio.name] = values
    return found


def show(
    console: Console,
    bench: Bench,
    machine: Mapping[str, str],
    stages: Mapping[str, float],
    checks: Sequence[Check],
) -> None:
    """This prints machine, ratios, figures, processor time and the audit."""
    _show_machine(console, machine)
    ratios = ratios_of(bench.figures)
    _show_figures(
        console, "Ratios", ((one.name, ratios.get(one.name, ()), "", one.goal) for one in RATIOS)
    )
    absolute = (
        (name, bench.figures.get(key, ()), unit, goal)
        for key, (name, unit, goal) in ABSOLUTE.items()
    )
    _show_figures(console, "Absolute figures", absolute)
    _show_cpu(console, bench, stages)
    for note in bench.notes:
        console.print(f"Note: {note}.", style="yellow", highlight=False)
    _show_audit(console, checks)
    console.print(COMMENT, style="dim")


def as_dict(
    bench: Bench, machine: Mapping[str, str], stages: Mapping[str, float], checks: Sequence[Check]
) -> dict[str, object]:
    """The whole report as values of JSON; figures are as measured, repeat by repeat."""
    return {
        "machine": dict(machine),
        "ratios": ratios_of(bench.figures),
        "figures": {name: values for name, values in bench.figures.items() if values},
        "cpu_microseconds_per_event": dict(bench.cpu),
        "api_time_by_stage": dict(stages),
        "notes": bench.notes,
        "events": bench.tally.as_dict(),
        "audit": [{"rule": c.rule, "holds": c.holds, "shown": c.shown} for c in checks],
    }


def _show_machine(console: Console, machine: Mapping[str, str]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in machine.items():
        table.add_row(name, value, style=None)
    console.print(table, highlight=False)


def _show_figures(console: Console, title: str, figures: Iterable[Shown]) -> None:
    """This prints those figures of which there are values."""
    table = Table("", "median", "spread", "", "goal", "", title=title)
    for name, values, unit, goal in figures:
        if values:
            middle = median(values)
            verdict = "" if goal is None else _verdict(goal, middle)
            table.add_row(name, _number(middle), _spread(values), unit, str(goal or ""), verdict)
    if table.row_count:
        console.print(table)


def _show_cpu(console: Console, bench: Bench, stages: Mapping[str, float]) -> None:
    if bench.cpu:
        table = Table("process", "microseconds an event", "spread", title="Processor time, batches")
        for name, values in sorted(bench.cpu.items(), key=lambda pair: -median(pair[1])):
            table.add_row(name, f"{median(values):.1f}", _spread(values))
        console.print(table)
    if stages:
        table = Table("stage", "share", title="The API's time in batches (py-spy)")
        for name, share in stages.items():
            table.add_row(name, f"{share:.1%}")
        console.print(table)


def _show_audit(console: Console, checks: Sequence[Check]) -> None:
    for check in checks:
        mark = "[green]holds[/]" if check.holds else "[red]BROKEN[/]"
        console.print(f"{mark}  {check.rule}: ", end="")
        console.print(check.shown, markup=False, highlight=False)


def _verdict(goal: Goal, value: float) -> str:
    return "[green]met[/]" if goal.met_by(value) else "[red]missed[/]"


def _spread(values: Sequence[float]) -> str:
    return f"{_number(min(values))} - {_number(max(values))}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
