"""`saxaul holds`: what the guards keep out of the total, and letting it in again."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from service.guards import store
from service.guards.release import release_hold
from service.guards.routes import NEWEST
from service.local import local_resources, run
from service.terminal import fail, out

SHOWN_MAX = 200
app = typer.Typer(help="Carbon that is held for an implausible mean.", no_args_is_help=True)


@app.command("list")
def show(
    everything: Annotated[bool, typer.Option("--all", help="Released ones, too.")] = False,
) -> None:
    """What is held: partner, activity, day, and the mean that raised the alarm."""

    async def read() -> Table | str:
        active = None if everything else True
        async with local_resources() as resources, resources.sessions() as session:
            rows = await store.holds_before(
                session, before=NEWEST.start, active=active, of=None, limit=SHOWN_MAX
            )
        table = Table("partner", "activity", "day", "actions", "mean g", "expected g", "state")
        for row in rows:
            expected = f"{_grams(row['least_mg'])} to {_grams(row['most_mg'])}"
            table.add_row(
                row["partner"],
                row["activity"],
                str(row["local_day"]),
                str(row["actions"]),
                _grams(row["mean_mg"]),
                expected,
                "held" if row["released_at"] is None else f"released: {row['reason']}",
            )
        return table if rows else "Nothing is held."

    out.print(run(read()))


@app.command()
def release(
    partner: str,
    activity: str,
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])],
    reason: Annotated[str, typer.Option(help="What was looked at, and what was found.")],
) -> None:
    """Let held carbon into the total again. The worker moves it at its next look."""
    local_day = day.date()

    async def write() -> bool:
        async with local_resources() as resources, resources.sessions() as session, session.begin():
            found = await release_hold(
                session,
                partner=partner,
                activity=activity,
                day=local_day,
                by="operator",
                reason=reason,
                now=resources.clock(),
            )
        return found is not None

    if not run(write()):
        raise fail(
            f"nothing of {partner}, {activity} on {local_day} is held; see `saxaul holds list`."
        )
    out.print(f"Released: {partner}, {activity} on {local_day}.")


def _grams(milligrams: int) -> str:
    return f"{milligrams // 1000}.{milligrams % 1000 // 100}"
