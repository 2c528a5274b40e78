"""More than the capacity: what is too much is sent away, what is taken is kept, and all drains."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from flow_system import environment

LIMIT_S = 240.0
SMALL = ("--seconds", "2", "--queue", "1000")
VOID = 3  # a slow machine's generator cannot send so fast; the checks hold all the same


@pytest.mark.timeout(LIMIT_S)
async def test_at_four_times_the_capacity_the_system_stays_up_and_balances(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "loadtest.overload", *SMALL, "--factor", "4", "--p99", "60")
    process = await asyncio.create_subprocess_exec(
        *command, "--dir", str(tmp_path), env=environment(tmp_path / "unused"), stdout=-1, stderr=-2
    )
    try:
        async with asyncio.timeout(LIMIT_S - 30):
            text = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()

    assert process.returncode in (0, VOID), text
    assert len(re.findall(r"^holds ", text, re.MULTILINE)) == 9, text
    assert "BROKEN" not in text
