"""Commands of the book: factors, methodologies, receipts and the book itself."""

from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from methodologies.catalogue import Catalogue
from methodologies.contract import CatalogueBroken, DataInvalid, UnknownActivity
from methodologies.explanation import Explanation
from methodologies.folder import Version
from methodologies.proof import Proof
from service.book.author import AuthorRefused, check_versions, make_skeleton, publish
from service.book.pages import write_book
from service.book.plugins import load_all
from service.book.state import Finding, State, state_of
from service.clock import system_clock
from service.intake.verify import ReceiptUnreadable, read_receipt, verify
from service.settings import Settings
from service.terminal import err, fail, out

factors_app = typer.Typer(help="The register of factors.", no_args_is_help=True)
methodology_app = typer.Typer(help="Write, check and publish methodologies.", no_args_is_help=True)
receipt_app = typer.Typer(help="Receipts of actions.", no_args_is_help=True)

NAMES_SHOWN = 6
Day = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="As of a day; default today.")
]
Folders = Annotated[
    str,
    typer.Option(
        "--methodologies", help="More folders of methodologies; default METHODOLOGY_PATH."
    ),
]


def today_or(day: datetime | None) -> date:
    return system_clock().date() if day is None else day.date()


def refuse_broken(settings: Settings) -> None:
    """Leave with file, line and reason where the API would not start, before anything does."""
    try:
        load_all(settings.methodology_path, today_or(None))
    except CatalogueBroken as broken:
        raise fail(broken) from broken


@factors_app.callback()
def factors() -> None:
    """The register of factors."""


@factors_app.command("check")
def factors_check(on: Day = None) -> None:
    """Show the state of the register; exit code 1 when something in it is refused."""
    today = today_or(on)
    try:
        # Loaded as of the first of days: what is overdue is to be shown, not to stop this.
        catalogue = load_all(Settings().methodology_path, date.min)
    except CatalogueBroken as broken:
        raise fail(broken) from broken
    state = state_of(catalogue, today)
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
    table = Table("area", *(f"{mark}\n{said}" for mark, said in marks.items()), "rows", "in use",
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


@methodology_app.command("new")
def methodology_new(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Such as water.refill.")],
    folder: Annotated[Path, typer.Option(help="Where it goes; made if it is new.")] = Path(),
) -> None:
    """Make a draft that passes every check, to be filled with what you know."""
    try:
        place = make_skeleton(id_, folder, today_or(None))
    except (AuthorRefused, OSError) as refused:
        raise fail(refused) from refused
    out.print(f"Written: {place}", highlight=False, soft_wrap=True)
    for path in sorted(place.iterdir()):
        out.print(f"  {path.name}", highlight=False)
    out.print(f"Next: saxaul methodology check {place}", highlight=False, soft_wrap=True)


@methodology_app.command("check")
def methodology_check(
    path: Annotated[Path, typer.Argument(help="A version folder, or a folder of them.")],
    verbose: Annotated[bool, typer.Option("--all", help="Show also what holds.")] = False,
) -> None:
    """Run the cases, rules and units of drafts and published versions; exit code 1 if one fails."""
    failed = False
    try:
        for version, proofs in check_versions(path):
            failed = failed or any(one.wrong for one in proofs)
            _show_proofs(version, proofs, verbose=verbose)
    except (AuthorRefused, CatalogueBroken) as refused:
        raise fail(refused) from refused
    raise typer.Exit(1 if failed else 0)


def _show_proofs(version: Version, proofs: tuple[Proof, ...], *, verbose: bool) -> None:
    reference = version.edition.reference
    table = Table("rule", "what", "", title=reference, title_justify="left")
    wrong = [one for one in proofs if one.wrong]
    for one in proofs if verbose else wrong:
        mark = f"[red]{escape(one.wrong)}[/]" if one.wrong else "[green]holds[/]"
        table.add_row(one.rule, escape(one.what), mark)
    if table.row_count:
        out.print(table)
    cases = sum(one.rule == "worked-cases" for one in proofs)
    mark = f"[red]{len(wrong)} wrong[/]" if wrong else "[green]holds[/]"
    said = f"{reference} ({version.edition.status}): {cases} cases, {len(proofs) - cases} others:"
    out.print(f"{said} {mark}", highlight=False)


@methodology_app.command("publish")
def methodology_publish(
    place: Annotated[Path, typer.Argument(help="The version folder of a draft.")],
    on: Day = None,
) -> None:
    """Publish a draft: set its status and day, and write its digest to LOCK. It is final."""
    try:
        reference = publish(place, today_or(on))
    except (AuthorRefused, CatalogueBroken) as refused:
        raise fail(refused) from refused
    out.print(f"Published and locked: {reference}", highlight=False)


@methodology_app.command("try")
def methodology_try(
    activity: Annotated[str, typer.Argument(help="Such as transit.metro.")],
    data: Annotated[str, typer.Argument(help="The event's data, such as '{\"distance_km\": 3}'.")],
    region: Annotated[str, typer.Option(help="ISO 3166-1 or -2.")] = "CN",
    level: Annotated[str, typer.Option(help="Evidence level.")] = "L1",
    on: Day = None,
    methodologies: Folders = "",
) -> None:
    """Show the sum for one event, line by line, as a receipt would. Nothing is recorded."""
    try:
        given = orjson.loads(data)
        if not isinstance(given, dict):
            raise fail('the data must be a JSON object such as {"distance_km": "3"}')
        catalogue = _catalogue(methodologies)
        sum_ = catalogue.explain(
            activity, region=region, day=today_or(on), level=level, data=given, version=None
        )
    except orjson.JSONDecodeError as wrong:
        raise fail(f"the data is not JSON: {wrong}") from wrong
    except (CatalogueBroken, DataInvalid, UnknownActivity) as wrong:
        raise fail(wrong) from wrong
    _show_sum(sum_)
    raise typer.Exit(1 if sum_.refusal else 0)


def _show_sum(sum_: Explanation) -> None:
    if sum_.refusal:
        out.print(f"{sum_.edition.reference} refuses: {sum_.refusal.reason}", highlight=False)
        out.print(escape(sum_.refusal.detail), highlight=False, soft_wrap=True)
        return
    table = Table("line", "sum", "gives", "unit", title=sum_.edition.reference,
                  title_justify="left")  # fmt: skip
    for line in sum_.lines:
        table.add_row(line.name, escape(line.formula), line.value, line.unit)
    out.print(table)
    for factor in sum_.factors:
        out.print(
            f"  {factor.id} = {factor.value} {factor.unit} ({factor.confidence}) "
            f"{escape(factor.source.title)}",
            highlight=False,
        )


@receipt_app.callback()
def receipt() -> None:
    """Receipts of actions."""


@receipt_app.command("verify")
def receipt_verify(
    file: Annotated[
        Path, typer.Argument(help="A receipt as GET /v1/actions/{id}/receipt gave it.")
    ],
    methodologies: Folders = "",
) -> None:
    """Do a receipt's sum again, offline. Exit code 1 unless everything in it is equal."""
    try:
        found = read_receipt(file.read_bytes())
        verdict = verify(found, _catalogue(methodologies))
    except OSError as wrong:
        raise fail(f"{file} cannot be read: {wrong.strerror}") from wrong
    except ReceiptUnreadable as wrong:
        raise fail(f"{file}: {wrong}") from wrong
    except CatalogueBroken as broken:
        raise fail(broken) from broken
    for note in verdict.notes:
        err.print(f"[yellow]note:[/] {escape(note)}", highlight=False, soft_wrap=True)
    for difference in verdict.differences:
        err.print(f"[red]differs[/] {escape(str(difference))}", highlight=False, soft_wrap=True)
    if verdict.differences:
        raise fail(f"{file} does not hold: {len(verdict.differences)} places differ.")
    avoided = int(found["recorded"]["avoided_mg"]) if verdict.methodology else 0
    out.print(
        f"[green]equal[/] {found['action_id']} by {verdict.methodology or 'no methodology'}: "
        f"{avoided:,} mg CO2e estimated avoided emissions, every line and digest",
        highlight=False,
        soft_wrap=True,
    )


def book(
    folder: Annotated[Path, typer.Argument(help="Where the pages go.")] = Path("site/book"),
) -> None:
    """Build the methodology book as a static site, with a page for every version."""
    try:
        names = write_book(_catalogue(""), folder)
    except CatalogueBroken as broken:
        raise fail(broken) from broken
    except OSError as wrong:
        raise fail(f"{folder} cannot be written: {wrong.strerror}") from wrong
    out.print(
        f"{len(names)} pages in {folder}; begin with {folder / 'index.html'}.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def _catalogue(methodologies: str) -> Catalogue:
    """The packaged methodologies with those of an option, else of METHODOLOGY_PATH."""
    return load_all(methodologies or Settings().methodology_path, date.min)
