"""`saxaul forest`: lots out to planting partners, their reports back in."""

from pathlib import Path
from typing import Annotated

import typer

from service.errors import FieldsInvalid
from service.forest import store
from service.forest.plant import record_reports
from service.forest.port import PORTS
from service.local import local_resources, run
from service.terminal import fail

PROBLEMS_SHOWN = 50
app = typer.Typer(help="Lots of trees, for planting partners.", no_args_is_help=True)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Where to write; .csv or .json says how.")],
    partner: Annotated[
        str | None, typer.Option(help="Only the lots of this planting partner.")
    ] = None,
) -> None:
    """Write every lot that was handed to a partner, with columns for the next report."""
    port = PORTS[_form(file)]

    async def work() -> int:
        async with local_resources() as resources, resources.sessions() as session:
            lots = await store.lots_to_plant(session, partner)
        file.write_bytes(port.offer(lots))
        return len(lots)

    typer.echo(f"Lots in {file}: {run(work())}.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A filled-in export, .csv or .json.")],
) -> None:
    """Record a partner's reports, all or none. The same file again changes nothing."""
    if not file.is_file():
        raise fail(f"there is no file {file}.")
    port = PORTS[_form(file)]

    async def work() -> tuple[int, int]:
        lines = port.read(file.read_bytes())
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            return await record_reports(session, lines, now=resources.clock())

    try:
        recorded, known = run(work())
    except FieldsInvalid as error:
        for pointer, why in error.errors[:PROBLEMS_SHOWN]:
            _, _, number, *field = pointer.split("/")
            typer.echo(f"line {number}: {'/'.join(field)}: {why}", err=True)
        raise fail(f"nothing was recorded; wrong lines: {len(error.errors)}.") from error
    typer.echo(f"Reports recorded: {recorded}; known before: {known}.")


def _form(file: Path) -> str:
    form = file.suffix.removeprefix(".").lower()
    if form not in PORTS:
        raise fail(f"{file} ends neither in .csv nor in .json.")
    return form
