"""The tables: ratios with their goals first, absolute figures beside them, then how they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from loadtest.bench.observe import BARE, BATCHES, SINGLES, TRACED, WATCHED
from loadtest.bench.parts import Bench
from loadtest.books import Check

COMMENT = (
    "Ratios are of figures measured side by side in one run; absolute figures hold for this "
    "machine only. Spread is lowest to highest of the repeats."
)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be: at least, or at most; `aim` is hoped for."""

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
    """One figure over another, repeat by repeat."""

    name: str
    over: str
    under: str
    goal: Goal


WATCH_COST = Goal(1.1, at_most=True)
RATIOS = (
    Ratio("batches of 500 / plain FastAPI + SQLModel", "batch500", "naive", Goal(25)),
    Ratio("batches of 1,000 / plain FastAPI + SQLModel", "batch1000", "naive", Goal(25)),
    Ratio("batches of 500 / raw COPY, 1,000 a commit", "batch500", "copy", Goal(0.15, aim=0.25)),
    Ratio("batches of 1,000 / raw COPY, 1,000 a commit", "batch1000", "copy", Goal(0.15, aim=0.25)),
    Ratio("batches of 1,000 / raw COPY, all at once", "batch1000", "copy whole", Goal(0.15)),
    Ratio("single events / empty FastAPI route", "single", "empty POST", Goal(0.6)),
    Ratio("collecting / empty FastAPI route", "collect", "empty collect", Goal(0.3)),
    Ratio("collecting / plain read-modify-write", "collect", "naive collect", Goal(1.5)),
    Ratio("orders, stock in cells / in one row", "orders", "orders one row", Goal(1)),
    Ratio("signed payloads / plain events, one each", "hook", "single", Goal(0.4)),
    Ratio("signed payloads / plain events, 100 each", "hook100", "batch100", Goal(0.6)),
    Ratio("webhooks out / bare HTTP client loop", "deliver", "bare client", Goal(0.3)),
    Ratio("GET /v1/totals / empty FastAPI route", "totals", "empty GET", Goal(0.8)),
    Ratio("2 API processes / 1, batches of 500", "batch500 two", "batch500", Goal(1.0)),
    Ratio("2 API processes / 1, single events", "single two", "single", Goal(1.0)),
    *(
        Ratio(f"API's time, {what} / {BARE}, {kind}", f"{key} {side}", f"{key} {BARE}", WATCH_COST)
        for side, what in ((WATCHED, "watched"), (TRACED, "watched and traced"))
        for key, kind in ((SINGLES, "single events"), (BATCHES, "batches of 500"))
    ),
)
ABSOLUTE: Mapping[str, tuple[str, str, Goal | None]] = {
    "batch500": ("POST /v1/events, batches of 500", "events/s", Goal(10_000, aim=20_000)),
    "batch1000": ("POST /v1/events, batches of 1,000", "events/s", Goal(10_000, aim=20_000)),
    "naive": ("plain FastAPI + SQLModel, a commit each", "events/s", None),
    "copy": ("raw COPY, 1,000 rows a commit", "rows/s", None),
    "copy whole": ("raw COPY, all at once", "rows/s", None),
    "single": ("POST /v1/events, one event", "requests/s", None),
    "hook": ("POST /v1/hooks, signed, one event", "payloads/s", Goal(2_000)),
    "hook API": ("processor time of the API for that", "us a payload", None),
    "hook PostgreSQL": ("processor time of PostgreSQL for that", "us a payload", None),
    "hook100": ("POST /v1/hooks, signed, 100 events", "events/s", Goal(10_000)),
    "hook100 API": ("processor time of the API for that", "us an event", None),
    "hook100 PostgreSQL": ("processor time of PostgreSQL for that", "us an event", None),
    "batch100": ("POST /v1/events, batches of 100", "events/s", None),
    "empty POST": ("POST to an empty route, same body", "requests/s", None),
    "totals": ("GET /v1/totals", "requests/s", None),
    "empty GET": ("GET of an empty route", "requests/s", None),
    "collect": ("POST .../collect, everybody at once", "people/s", None),
    "collect p50": ("collecting at half of that rate, open loop: p50", "ms", None),
    "collect p99": (
        "collecting at half of that rate, open loop: p99",
        "ms",
        Goal(50, at_most=True),
    ),
    "naive collect": ("plain FastAPI + SQLModel, read-modify-write", "people/s", None),
    "empty collect": ("POST to an empty route", "requests/s", None),
    "orders": ("POST /v1/orders on one project, stock in cells", "orders/s", None),
    "orders one row": ("POST /v1/orders, all stock in one row", "orders/s", None),
    "open rate": ("open loop: rate, half of the top rate", "requests/s", None),
    "p50": ("open loop: p50 from the intended start", "ms", None),
    "p99": ("open loop: p99 from the intended start", "ms", Goal(50, at_most=True)),
    "p50 from sending": ("open loop: p50 from the sending", "ms", None),
    "p99 from sending": ("open loop: p99 from the sending", "ms", None),
    "late share": ("open loop: share sent late by the generator", "", Goal(0.01, at_most=True)),
    "assess": ("one sum, median over all cases (CPU)", "µs", Goal(10, at_most=True)),
    "load": ("loading all methodologies (CPU)", "s", Goal(1, at_most=True)),
    "deliver": ("webhooks out, while another endpoint hangs", "deliveries/s", Goal(1_000)),
    "deliver worker": ("processor time of the worker for that", "us a delivery", None),
    "deliver PostgreSQL": ("processor time of PostgreSQL for that", "us a delivery", None),
    "bare client": ("bare HTTP client loop to the same receiver", "requests/s", None),
    "batch500 two": ("two API processes, batches of 500", "events/s", None),
    "single two": ("two API processes, one event", "requests/s", None),
    "people": ("GET /v1/people/{subject}", "requests/s", None),
    **{
        f"{part} {process}": (f"{said}: processor time of {process}", "us a request", None)
        for part, said in (
            ("people", "GET /v1/people/{subject}"),
            ("collect", "POST .../collect"),
            ("orders", "POST /v1/orders"),
        )
        for process in ("API", "PostgreSQL")
    },
    "bytes stored": ("bytes in PostgreSQL, indexes included", "an event", None),
    "bytes of log": ("bytes in PostgreSQL's log (WAL)", "an event", None),
    **{
        f"bytes in {table}": (f"of these in {table}", "an event", None)
        for table in ("action", "claim", "earning", "account", "journal", "day_total")
    },
    "Valkey grew": ("bytes that Valkey grew by, all in all", "", None),
    **{
        f"{key} {side}": (f"processor time of the API, {what}, {kind}", "us an event", None)
        for side, what in ((BARE, "bare"), (WATCHED, "watched"), (TRACED, "watched and traced"))
        for key, kind in ((SINGLES, "single"), (BATCHES, "batches of 500"))
    },
    "lag": ("longest time from answer to totals, under load", "s", Goal(1, at_most=True)),
}


def ratios_of(figures: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Every ratio whose two figures were measured, by its name."""
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
    """Print everything."""
    _show_machine(console, machine)
    _show_ratios(console, bench.figures)
    _show_absolute(console, bench.figures)
    _show_cpu(console, bench, stages)
    for note in bench.notes:
        console.print(f"Note: {note}.", style="yellow", highlight=False)
    _show_books(console, checks)
    console.print(COMMENT, style="dim")


def as_dict(
    bench: Bench, machine: Mapping[str, str], stages: Mapping[str, float], checks: Sequence[Check]
) -> dict[str, object]:
    """Everything, for JSON; figures as measured, repeat by repeat."""
    return {
        "machine": dict(machine),
        "ratios": ratios_of(bench.figures),
        "figures": {name: values for name, values in bench.figures.items() if values},
        "cpu_microseconds_per_event": dict(bench.cpu),
        "api_time_by_stage": dict(stages),
        "notes": bench.notes,
        "events": bench.tally.as_dict(),
        "books": [{"rule": c.rule, "holds": c.holds, "shown": c.shown} for c in checks],
    }


def _show_machine(console: Console, machine: Mapping[str, str]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in machine.items():
        table.add_row(name, value, style=None)
    console.print(table, highlight=False)


def _show_ratios(console: Console, figures: Mapping[str, Sequence[float]]) -> None:
    table = Table("ratio", "median", "spread", "goal", "", "figures (median)", title="Ratios")
    found = ratios_of(figures)
    for ratio in RATIOS:
        values = found.get(ratio.name)
        if values:
            sides = f"{median(figures[ratio.over]):,.0f} / {median(figures[ratio.under]):,.0f}"
            table.add_row(
                ratio.name,
                f"{median(values):.3g}",
                _spread(values),
                str(ratio.goal),
                _verdict(ratio.goal, median(values)),
                sides,
            )
    if table.row_count:
        console.print(table)


def _show_absolute(console: Console, figures: Mapping[str, Sequence[float]]) -> None:
    table = Table("figure", "median", "spread", "", "goal", "", title="Absolute figures")
    for key, (name, unit, goal) in ABSOLUTE.items():
        values = figures.get(key)
        if values:
            middle = median(values)
            table.add_row(
                name,
                _number(middle),
                _spread(values),
                unit,
                "" if goal is None else str(goal),
                "" if goal is None else _verdict(goal, middle),
            )
    console.print(table)


def _show_cpu(console: Console, bench: Bench, stages: Mapping[str, float]) -> None:
    if bench.cpu:
        table = Table("process", "microseconds an event", "spread", title="Processor time, batches")
        for name, values in sorted(bench.cpu.items(), key=lambda pair: -median(pair[1])):
            table.add_row(name, f"{median(values):.1f}", _spread(values))
        console.print(table)
    if stages:
        table = Table("stage", "share", title="The API's time in batches of 1,000 (py-spy)")
        for name, share in stages.items():
            table.add_row(name, f"{share:.1%}")
        console.print(table)


def _show_books(console: Console, checks: Sequence[Check]) -> None:
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
