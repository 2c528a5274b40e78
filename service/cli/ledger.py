"""Commands of the ledger: prove that it balances, make the projections again."""

import asyncio
from typing import Annotated

import orjson
import typer
from rich.table import Table

from methodologies.plugins import load_all
from service.intake.claim_key import ClaimKeys
from service.local import local_resources, run
from service.partners.person_key import hasher_of
from service.reconciliation.claims import ClaimReader
from service.reconciliation.reconcile import Check, is_quiet
from service.reconciliation.reconcile import reconcile as check_everything
from service.terminal import err, out
from service.totals.counters import Counters
from service.totals.rebuild import rebuild_days, rebuild_live

QUIET_POLL_S = 0.2


def reconcile(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for quiet first.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Prove that everything adds up, to the milligram and to the point. Exit code 1 if not."""

    async def work() -> list[Check]:
        async with local_resources() as resources:
            for _ in range(int(wait / QUIET_POLL_S)):
                if await is_quiet(resources.sessions):
                    break
                await asyncio.sleep(QUIET_POLL_S)
            settings = resources.settings
            catalogue = load_all(settings.methodology_path, resources.clock().date())
            keys = ClaimKeys(hasher_of(settings), catalogue.claim_kinds)
            return await check_everything(
                resources.sessions,
                Counters(resources.valkey, resources.sessions),
                ClaimReader(catalogue, keys),
            )

    checks = run(work())
    if as_json:
        rows = [{"rule": c.rule, "holds": c.holds, "shown": c.shown} for c in checks]
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    else:
        table = Table("rule", "", "figures")
        for check in checks:
            mark = "[green]holds[/]" if check.holds else "[red]BROKEN[/]"
            table.add_row(check.rule, mark, check.shown)
        out.print(table)
    raise typer.Exit(0 if all(check.holds for check in checks) else 1)


def rebuild() -> None:
    """Make the projections again: daily totals from the journal, live counters from those."""

    async def work() -> str:
        async with local_resources() as resources:
            with err.status("Daily totals from the journal ..."):
                await rebuild_days(resources.sessions)
            with err.status("Live counters in Valkey ..."):
                counters = Counters(resources.valkey, resources.sessions)
                sums = await rebuild_live(resources.sessions, counters, resources.clock)
        return f"{sums.everything().avoided_mg} mg in {len(sums.cells)} cells, {sums.people} people"

    out.print(f"Rebuilt: {run(work())}.", highlight=False)
