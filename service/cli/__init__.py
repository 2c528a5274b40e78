"""The command line: `saxaul --help`. Each command calls one use case and shows what it did."""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Location(NamedTuple):
    """Where a command is defined, and what the list of commands says of it."""

    module: str
    name: str
    help: str
    hidden: bool = False


COMMANDS = {
    "up": Location("cli.system", "up", "Run everything here: PostgreSQL, Valkey, API and worker."),
    "clock": Location("cli.system", "clock", "Move the time of a demo, or show it."),
    "migrate": Location("cli.database", "migrate", "Bring the database's schema up to date."),
    "setup": Location(
        "cli.database", "setup", "On your own servers: roles, tables, the first key."
    ),
    "prepare": Location(
        "cli.database", "prepare", "Migrate, and make the demo partner and people.", hidden=True
    ),
    "settings": Location("cli.about", "show_settings", "List every setting with its value here."),
    "openapi": Location("cli.about", "openapi", "Print the OpenAPI document."),
    "partner": Location("cli.partner", "app", "Partners: who may report, with sources and keys."),
    "people": Location("rights.commands", "app", "People of the programme: forget one."),
    "keys": Location("cli.access", "keys_app", "API keys of partners."),
    "token": Location("cli.access", "token", "Print a person's token, for development."),
    "replay": Location("cli.replay", "replay", "Send a file's events through the HTTP API."),
    "listen": Location("webhooks.outbound.commands", "listen", "Print webhooks as they arrive."),
    "reconcile": Location("cli.ledger", "reconcile", "Prove that everything adds up."),
    "rebuild": Location("cli.ledger", "rebuild", "Make the projections again."),
    "proposals": Location(
        "partners.proposal_commands", "app", "Changes that need two persons: confirm, reject."
    ),
    "audit-trail": Location(
        "audit.commands", "audit_trail", "Who changed what: partners, keys, prices, holds, ..."
    ),
    "secrets": Location("webhooks.commands", "secrets_app", "Seal secrets anew under a new key."),
    "holds": Location("guards.commands", "app", "Carbon that is held for an implausible mean."),
    "factors": Location("catalogue.commands", "factors_app", "The register of factors."),
    "methodology": Location(
        "catalogue.commands", "methodology_app", "Write, check, publish, show methodologies."
    ),
    "versions": Location("restate.commands", "versions_app", "Which version assesses which days."),
    "restate": Location("restate.commands", "restate_command", "Assess past actions again."),
    "shadow": Location(
        "restate.commands", "shadow_app", "Only compare: another version or method."
    ),
    "receipt": Location("catalogue.commands", "receipt_app", "Receipts of actions."),
    "book": Location("catalogue.commands", "book", "Now `methodology site`.", hidden=True),
    "forest": Location("forest.commands", "app", "Lots of trees, for planting partners."),
}


class _OnDemand(TyperGroup):
    """Imports a command when it is run: the list of commands costs no import, and none the rest."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        location = COMMANDS.get(cmd_name)
        if location is None:
            return None
        return TyperCommand(cmd_name, help=location.help, hidden=location.hidden)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and command_at(name or ""), rest


def command_at(name: str) -> Any:
    """Return the command of a name in COMMANDS."""
    location = COMMANDS[name]
    found = getattr(import_module(f"service.{location.module}"), location.name)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)


app = typer.Typer(cls=_OnDemand, no_args_is_help=True, pretty_exceptions_show_locals=False)


@app.callback()
def saxaul() -> None:
    """Saxaul: green actions in, estimated avoided emissions and points out."""
