"""The command of auditors: does a receipt hold?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from methodologies.cli.options import Folders, catalogue_of
from methodologies.cli.terminal import err, fail, out
from methodologies.contract import CatalogueBroken
from methodologies.verify import ReceiptUnreadable, read_receipt, verify


def verify_receipt(
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
