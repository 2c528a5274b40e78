"""Where the benchmark finds its profiler, and what it makes of a profile."""

import subprocess
from pathlib import Path

import pytest

from loadtest.bench.cpu import REST, STAGES, shares_of, spy_path

ROOT = Path(__file__).parents[2]


def test_the_profiler_is_found_beside_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PY_SPY", raising=False)
    monkeypatch.setenv("PATH", "")

    found = spy_path()

    assert found is not None
    assert subprocess.run([found, "--version"], check=False).returncode == 0


def test_a_profiler_that_is_named_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY_SPY", "/somewhere/py-spy")

    assert spy_path() == "/somewhere/py-spy"


def test_a_sample_counts_for_the_innermost_stage() -> None:
    stacks = (
        "run (uvicorn/server.py:1);handle (fastapi/routing.py:2);decide (intake/decide.py:3) 3\n"
        "run (uvicorn/server.py:1) 1\n"
        "select (selectors.py:1) 4\n"
    )

    assert shares_of(stacks) == {
        REST: 0.5, "decide (caps, rows, leaves)": 0.375, "server (uvicorn)": 0.125,
    }  # fmt: skip


@pytest.mark.parametrize("file", [file for files in STAGES.values() for file in files])
def test_a_stage_of_our_own_code_is_where_it_is_said_to_be(file: str) -> None:
    if file.removesuffix("/") not in {"pydantic", "asyncpg", "fastapi", "starlette", "uvicorn",
                                       "httptools"}:  # fmt: skip
        assert any((ROOT / folder / file).exists() for folder in ("service", "."))
