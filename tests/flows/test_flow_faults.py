"""Faults of `loadtest/faults`, briefly: nothing acknowledged is lost, nothing counts twice.

Kills, and losses in Valkey, have tests of their own: test_flow_kill and test_flow_flush. The gate
tries the worst of the bad networks; a soak tries every fault there is.
"""

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from flow_system import environment

from loadtest.faults.injection import FAULTS
from loadtest.harness import finished, running

LIMIT_S = 400.0
SOAK_LIMIT_S = 3_600.0
WORST = ("postgres-drop", "postgres-reset", "valkey-drop")
BRIEFLY = ("--seconds", "0.4", "--clients", "2")
AT_LENGTH = ("--seconds", "3", "--clients", "4")
MAY_SKIP = {"full-disk", "clock-skew"}  # these need root, and a program of the system


@pytest.mark.timeout(LIMIT_S)
async def test_nothing_is_lost_and_nothing_counts_twice_in_the_worst_networks(
    tmp_path: Path,
) -> None:
    await _assert_proven(WORST, BRIEFLY, tmp_path, seconds=LIMIT_S - 30)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_LIMIT_S)
async def test_nothing_is_lost_and_nothing_counts_twice_whatever_breaks(tmp_path: Path) -> None:
    await _assert_proven(tuple(FAULTS), AT_LENGTH, tmp_path, seconds=SOAK_LIMIT_S - 30)


async def _assert_proven(
    names: Sequence[str], options: Sequence[str], folder: Path, *, seconds: float
) -> None:
    file = folder / "faults.json"
    seed = str(random.getrandbits(32))  # comes from the seed of the whole run
    command = (sys.executable, "-m", "loadtest.faults", *names, *options, "--seed", seed)
    files = ("--json", str(file), "--dir", str(folder))

    async with running(*command, *files, environment=environment(folder / "unused")) as process:
        done = await finished(process, seconds=seconds)

    assert done.code == 0, done.text
    results = json.loads(file.read_text())
    proven = {one["name"] for one in results if not one["skipped"]}
    assert {one["name"] for one in results} == set(names)
    assert set(names) - proven <= MAY_SKIP, done.text
    for one in results:
        if one["name"] in proven:
            assert one["sent"] > 0
            assert len(one["checks"]) == 5
            assert all(check["holds"] for check in one["checks"])
