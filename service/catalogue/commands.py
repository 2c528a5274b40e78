"""What `saxaul` mounts of the methodologies' own commands, and a former name of one of them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from methodologies.cli.app import factors_app, methodology_app
from methodologies.cli.catalogue_site import site
from methodologies.cli.options import Folders, catalogue_of
from methodologies.contract import CatalogueBroken
from service.intake.verify import ReceiptUnreadable, read_receipt, verify
from service.terminal import err, fail, out

__all__ = ["book", "factors_app", "methodology_app", "receipt_app"]

receipt_app = typer.Typer(help="Receipts of actions.", no_args_is_help=True)


def book(
    folder: Annotated[Path, typer.Argument(help="Where the pages go.")] = Path("site/book"),
    methodologies: Folders = "",
) -> None:
    """Build the catalogue site, as `saxaul methodology site` does, and say that name."""
    err.print("`saxaul book` is now called `saxaul methodology site`.", highlight=False)
    site(folder, methodologies)


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
        verdict = verify(found, catalogue_of(methodologies))
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
