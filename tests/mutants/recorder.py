"""A plugin of pytest that writes down what became of each test, for `run.py`."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

REPORT = "MUTANTS_REPORT"  # the environment's name of the file to write


class Recorder:
    """Keeps the tests that passed, and of each failure where and with which exception."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: list[dict[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed.append(report.nodeid)

    def pytest_exception_interact(
        self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any], report: Any
    ) -> None:
        assert call.excinfo is not None
        lines = str(call.excinfo.value).splitlines()
        self.failed.append(
            {
                "test": node.nodeid,
                "when": getattr(report, "when", None) or "collect",
                "kind": call.excinfo.typename,
                "said": lines[0] if lines else "",
            }
        )

    def pytest_sessionfinish(self) -> None:
        report = orjson.dumps({"passed": self.passed, "failed": self.failed})
        Path(os.environ[REPORT]).write_bytes(report)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(), "mutants")
