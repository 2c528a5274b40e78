"""Faults of `loadtest/faults`, briefly: nothing acknowledged is lost, nothing counts twice.

Kills, and losses in Valkey, have tests of their own: test_flow_kill and test_flow_flush. Of the bad
networks the worst are tried: `python -m loadtest.faults` tries all.
"""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from flow_system import environment

LIMIT_S = 400.0
NAMES = (
    "restart-postgres",
    "postgres-drop",
    "postgres-reset",
    "valkey-drop",
    "full-disk",
    "clock-skew",
)
BRIEFLY = ("--seconds", "0.4", "--clients", "2")
MAY_SKIP = {"full-disk", "clock-skew"}  # these need root, and a program of the system


@pytest.mark.timeout(LIMIT_S)
async def test_nothing_is_lost_and_nothing_counts_twice_whatever_breaks(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.faults", *NAMES, *BRIEFLY,
        "--json", str(file), "--dir", str(tmp_path),
        env=environment(tmp_path / "unused"), stdout=-1, stderr=-2,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT_S - 30):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()

    assert process.returncode == 0, printed.decode()
    results = json.loads(file.read_text())
    proven = {one["name"] for one in results if not one["skipped"]}
    assert {one["name"] for one in results} == set(NAMES)
    assert set(NAMES) - proven <= MAY_SKIP, printed.decode()
    for one in results:
        if one["name"] in proven:
            assert one["sent"] > 0
            assert len(one["checks"]) == 5
            assert all(check["holds"] for check in one["checks"])
