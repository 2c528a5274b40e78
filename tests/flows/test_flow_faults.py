"""Faults of `loadtest/faults`, briefly: nothing acknowledged is lost, nothing counts twice.

Kills, and losses in Valkey, have tests of their own: test_flow_kill and test_flow_flush. Of the bad
networks the worst are tried: `python -m loadtest.faults` tries all.
"""

import json
import sys
from pathlib import Path

import pytest
from flow_system import environment

from loadtest.harness import finished, running

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
    command = (sys.executable, "-m", "loadtest.faults", *NAMES, *BRIEFLY)
    files = ("--json", str(file), "--dir", str(tmp_path))

    async with running(*command, *files, environment=environment(tmp_path / "unused")) as process:
        done = await finished(process, seconds=LIMIT_S - 30)

    assert done.code == 0, done.text
    results = json.loads(file.read_text())
    proven = {one["name"] for one in results if not one["skipped"]}
    assert {one["name"] for one in results} == set(NAMES)
    assert set(NAMES) - proven <= MAY_SKIP, done.text
    for one in results:
        if one["name"] in proven:
            assert one["sent"] > 0
            assert len(one["checks"]) == 5
            assert all(check["holds"] for check in one["checks"])
