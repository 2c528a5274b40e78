"""The programs of this package: its own, and the groups that `saxaul` mounts."""

from collections.abc import Callable

import typer

from methodologies.cli.authoring import check, new, publish_draft, try_event
from methodologies.cli.catalogue_site import site
from methodologies.cli.factors import check_register
from methodologies.cli.receipt import verify_receipt

COMMANDS: dict[str, Callable[..., None]] = {
    "new": new,
    "check": check,
    "try": try_event,
    "publish": publish_draft,
    "site": site,
}


def _group(about: str) -> typer.Typer:
    """A group of commands that, called alone, explains itself."""
    group = typer.Typer(help=about, no_args_is_help=True, pretty_exceptions_show_locals=False)
    group.callback(help=about)(_nothing)
    return group


def _nothing() -> None:
    """A group does nothing of its own, and stays one when it has a single command."""


app = _group("Methodologies: write, check, publish, show; and verify receipts, offline.")
methodology_app = _group("Write, check, publish and show methodologies.")
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
    methodology_app.command(_name)(_command)
app.command("verify")(verify_receipt)

receipt_app = _group("Receipts of actions.")
receipt_app.command("verify")(verify_receipt)

factors_app = _group("The register of factors.")
factors_app.command("check")(check_register)
