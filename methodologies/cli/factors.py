"""The command of the register of factors: its state, and what in it is refused."""

from collections import Counter

import typer
from rich.markup import escape
from rich.table import Table

from methodologies.authoring.register_state import Finding, State, state_of
from methodologies.cli.options import Day, Folders, catalogue_of, today_or
from methodologies.cli.terminal import err, fail, out
from methodologies.contract import CatalogueBroken
from methodologies.units import PintMissing

NAMES_SHOWN = 6


def check_register(on: Day = None, methodologies: Folders = "") -> None:
    """Show the state of the register; exit code 1 when something in it is refused."""
    try:
        state = state_of(catalogue_of(methodologies), today_or(on))
    except (CatalogueBroken, PintMissing) as broken:
        raise fail(broken) from broken
    out.print(_counts_table(state))
    out.print(_findings_table(state.findings))
    refused = [one for one in state.findings if one.refused]
    for finding in refused:
        for line in finding.lines:
            err.print(f"[red]refused[/] ({finding.rule}) {escape(line)}", soft_wrap=True)
    for finding in state.findings:
        if finding.warns:
            for line in finding.lines:
                err.print(f"[yellow]warning[/] ({finding.rule}) {escape(line)}", soft_wrap=True)
    raise typer.Exit(1 if refused else 0)


def _counts_table(state: State) -> Table:
    """Rows by area and confidence."""
    marks = {"S": "seen", "S2": "in a copy", "M": "from memory", "D": "derived"}
    table = Table("area", *(f"{mark}\n{label}" for mark, label in marks.items()), "rows", "in use",
                  title=f"{state.rows} rows on {state.today}", title_justify="left")  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    total: Counter[str] = Counter()
    for name, count in state.by_area.items():
        table.add_row(name, *(str(count[mark] or "") for mark in marks), str(count["rows"]),
                      str(count["used"] or ""))  # fmt: skip
        total += count
    table.add_section()
    table.add_row("all", *(str(total[mark]) for mark in marks), str(total["rows"]),
                  str(total["used"]), style="bold")  # fmt: skip
    return table


def _findings_table(findings: tuple[Finding, ...]) -> Table:
    table = Table("what", "rows", "", "which", title="What to look at", title_justify="left")
    table.columns[1].justify = "right"
    for one in findings:
        mark = "[red]REFUSED[/]" if one.refused else "[yellow]look[/]" if one.warns else ""
        names = ", ".join(one.names[:NAMES_SHOWN])
        more = len(one.names) - NAMES_SHOWN
        table.add_row(one.what, str(one.count), mark or "[green]ok[/]",
                      escape(names) + (f" and {more} more" if more > 0 else ""))  # fmt: skip
    return table
