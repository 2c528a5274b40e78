"""What `saxaul up` shows when all is running. It reads demo.json and asks nothing."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Running:
    url: str
    home: Path
    database_url: str
    embedded_database: bool


def show_welcome(console: Console, running: Running, *, now: datetime) -> None:
    rows = {
        "API": running.url,
        "Documentation": f"{running.url}/docs",
        "Public page": running.url + "/",
        "Database": where_database(running),
        "Keys, tokens": str(running.home / "demo.json"),
        "Logs": str(running.home / "logs"),
        "Stop": "Ctrl-C",
    }
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    console.print()
    console.print(
        Panel(table, title="[bold green]Saxaul is running", title_align="left", padding=(1, 2)),
    )
    console.print("\nA metro ride of 12.4 km that earns points:\n", style="dim")
    console.print(
        curl(running, now=now), soft_wrap=True, markup=False, highlight=False, emoji=False
    )
    console.print()


def where_database(running: Running) -> str:
    parts = urlsplit(running.database_url)
    name = f"{parts.hostname}:{parts.port or 5432}{parts.path}"
    user = f"{parts.username}@" if parts.username else ""
    where = running.home / "postgres.json" if running.embedded_database else "DATABASE_URL"
    return f"postgresql://{user}{name}\npassword in {where}"


def curl(running: Running, *, now: datetime) -> str:
    """Return a curl command that reports one event of the demo partner.

    Its ids are new at every start, so that it does not repeat the last start's event with another
    time.
    """
    demo = json.loads((running.home / "demo.json").read_text())
    fresh = secrets.token_hex(3)
    event = {
        "specversion": "1.0",
        "id": f"ride-{fresh}",
        "source": "metro-bj",
        "type": "transit.metro",
        "subject": "alice",
        "time": now.astimezone(BEIJING).isoformat(timespec="seconds"),
        "data": {"distance_km": "12.4", "trip_id": f"trip-{fresh}", "region": "CN"},
    }
    return (
        f"curl -s {running.url}/v1/events \\\n"
        f"  -H 'Authorization: Bearer {demo['partner_key']}' \\\n"
        "  -H 'Content-Type: application/cloudevents+json' \\\n"
        f"  -d '{json.dumps(event)}'"
    )
