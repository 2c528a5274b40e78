"""`saxaul people`: what an operator does about a person of the programme."""

from typing import Annotated

import typer

from service.local import local_resources, run
from service.partners.person_key import hasher_of
from service.rights.erase import erase_person
from service.rights.finish import finish_erasures
from service.terminal import out

app = typer.Typer(help="People of the programme.", no_args_is_help=True)


@app.callback()
def people() -> None:
    """People of the programme."""


@app.command("erase")
def erase_command(
    subject: Annotated[str, typer.Argument(help="The subject that the programme's app uses.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a person, for good: their data goes, grams, points and trees stay as sums."""
    if not yes:
        typer.confirm("There is no way back. Forget this person?", abort=True)

    async def erase() -> None:
        async with local_resources() as resources:
            hasher = hasher_of(resources.settings)
            person = hasher.person(subject)
            async with resources.sessions() as session, session.begin():
                done = await erase_person(session, person, hasher, now=resources.clock())
            await finish_erasures(resources.sessions, hasher, resources.clock)
        out.print(f"Forgotten. {done.actions} actions are nobody's now ({done.erasure_id}).")

    run(erase())
