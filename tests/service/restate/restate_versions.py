"""A second version of a methodology in a folder of its own, and a programme that knows both."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from builders import BATCH
from fastapi import FastAPI

from methodologies.folder import PACKAGED
from methodologies.lock import lock
from methodologies.plugins import load_all
from service.acting import Actor, acting
from service.restate.chunks import ChunkLimits
from service.restate.restate import restate, try_out
from service.restate.rules import Span, change_of, closed_span

METRO = "transit.metro"
CLOSED_DAY = "2026-03-02"  # long closed at `builders.NOW`
# The factor of the metro is 30 instead of 32 g: a ride of 12.4 km is 917,600 mg gross.
CLEANER = {"factors.yaml": ('value: "0.032"', 'value: "0.030"')}
OLD_MG, NEW_MG = 794_592, 816_664


def add_version(
    folder: Path,
    number: int,
    *,
    changes: Mapping[str, tuple[str, str]],
    published: bool = True,
    begins: str = "2027-01-01",
    of: str = "transit_metro",
) -> Path:
    """Version `number` of a packaged sheet, with something changed; it begins on a later day."""
    made = folder / of / f"v{number}"
    shutil.copytree(PACKAGED / of / "v1", made, ignore=shutil.ignore_patterns("__pycache__"))
    every = {**changes, "version": ('version: "1.0.0"', f'version: "{number}.0.0"')}
    if not published:
        every["status"] = ("status: published", "status: draft")
    for name, (old, new) in every.items():
        file = made / (name if name.endswith(".yaml") else "methodology.yaml")
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
    lock(folder)
    if published:
        reference = f"{of.replace('_', '.', 1)}@{number}.0.0"
        with (folder / "IN_FORCE").open("a", encoding="utf-8") as file:
            file.write(f"{reference} {begins}\n")
    return folder


def a_closed_ride(make: Any, data: Mapping[str, object] | None = None, **more: Any) -> Any:
    """Return a ride on a day that is closed."""
    return make(data, **{"time": f"{CLOSED_DAY}T08:30:00+08:00", **more})


async def send(client: httpx.AsyncClient, events: list[Any]) -> list[Any]:
    answer = await client.post("/v1/events", json=events, headers=BATCH)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def restated(
    app: FastAPI,
    from_: str = "1.0.0",
    to: str = "2.0.0",
    *,
    between: Span | None = None,
    people: int = 500,
    dry_run: bool = False,
    methodology: str = METRO,
) -> dict[str, Any]:
    """What `saxaul restate` does, in this process."""
    resources = app.state.runtime.resources
    catalogue = load_all(resources.settings.methodology_path, resources.clock().date())
    change = change_of(catalogue, methodology, from_, to)
    closed = closed_span(
        between,
        now_day=resources.clock().date(),
        late_days=resources.settings.late_days,
    )
    common = {
        "closed": closed,
        "size": ChunkLimits(people=people),
        "started": lambda total, done: None,
        "advanced": lambda actions: None,
    }
    if dry_run:
        return await try_out(resources, catalogue, change, **common)
    with acting(Actor("operator", "tests")):
        return await restate(resources, catalogue, change, between=between, **common)
