"""Commands of authors: make a draft, check it, publish it, try an event."""

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from methodologies.authoring.drafts import AuthorRefused, check_versions, make_skeleton, publish
from methodologies.cli.options import Day, Folders, catalogue_of, today_or
from methodologies.cli.terminal import fail, out
from methodologies.contract import CatalogueBroken, DataInvalid, UnknownActivity
from methodologies.explanation import Explanation
from methodologies.folder import Version
from methodologies.proof import Proof
from methodologies.units import PintMissing


def new(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="Such as water.refill.")],
    folder: Annotated[Path, typer.Option(help="Where it goes; made if it is new.")] = Path(),
) -> None:
    """Make a draft that passes every check, to be filled with what you know."""
    try:
        made = make_skeleton(id_, folder, today_or(None))
    except (AuthorRefused, OSError) as refused:
        raise fail(refused) from refused
    out.print(f"Written: {made}", highlight=False, soft_wrap=True)
    for path in sorted(made.iterdir()):
        out.print(f"  {path.name}", highlight=False)
    group = context.parent.command_path if context.parent else "saxaul-methodologies"
    out.print(f"Next: {group} check {made}", highlight=False, soft_wrap=True)


def check(
    path: Annotated[Path, typer.Argument(help="A version folder, or a folder of them.")],
    verbose: Annotated[bool, typer.Option("--all", help="Show also what holds.")] = False,
) -> None:
    """Run the cases, rules and units of drafts and published versions; exit code 1 if one fails."""
    failed = False
    try:
        for version, proofs in check_versions(path):
            failed = failed or any(one.wrong for one in proofs)
            _show_proofs(version, proofs, verbose=verbose)
    except (AuthorRefused, CatalogueBroken, PintMissing) as refused:
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
    summary = (
        f"{reference} ({version.edition.status}): {cases} cases, {len(proofs) - cases} others:"
    )
    out.print(f"{summary} {mark}", highlight=False)


def publish_draft(
    folder: Annotated[Path, typer.Argument(help="The version folder of a draft.")],
    on: Day = None,
) -> None:
    """Publish a draft: set its status and day, and write its digest to LOCK. It is final."""
    try:
        reference = publish(folder, today_or(on))
    except (AuthorRefused, CatalogueBroken, PintMissing) as refused:
        raise fail(refused) from refused
    out.print(f"Published and locked: {reference}", highlight=False)


def try_event(
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
        catalogue = catalogue_of(methodologies)
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
