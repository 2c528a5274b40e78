"""The dashboard and the alerts speak of metrics that there are, and Prometheus can read them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest

from workers.metrics import WorkerMetrics

FOLDER = Path("docs/monitoring")
NAMED = re.compile(r"\b(?:saxaul|process|python)_[a-z_]+\b")
promtool = shutil.which("promtool")


@pytest.fixture
def registries(app: FastAPI) -> tuple[CollectorRegistry, ...]:
    """The API's as it runs, where other parts add figures when it starts, and the worker's."""
    return app.state.runtime.metrics.registry, WorkerMetrics().registry


@pytest.fixture
def samples(registries: tuple[CollectorRegistry, ...]) -> set[str]:
    """Every name under which a program shows a figure."""
    found = set()
    for registry in registries:
        for family in registry.collect():
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
            for ending in endings.get(family.type, ("",)):
                found.add(family.name + ending)
    return found


def expressions() -> list[str]:
    """What the dashboard and the alerts ask for."""
    board = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    panels = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    alerts = re.findall(r"expr: (.*)", (FOLDER / "alerts.yml").read_text())
    return [*panels, *alerts]


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_names_metrics_that_there_are(expression: str, samples: set[str]) -> None:
    named = set(NAMED.findall(expression))

    assert named or "up{" in expression
    assert named <= samples


def test_every_figure_of_ours_is_on_the_dashboard(samples: set[str]) -> None:
    asked = {name for expression in expressions() for name in NAMED.findall(expression)}
    ours = {
        name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for name in samples
        if name.startswith("saxaul_")
    }

    shown = {name.removesuffix("_bucket") for name in asked}
    assert ours - shown == set()
    assert {"saxaul_webhook_backlog", "saxaul_liability_alarm"} <= ours


@pytest.mark.skipif(promtool is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_finds_nothing_to_say_about_the_metrics(
    registries: tuple[CollectorRegistry, ...],
) -> None:
    assert promtool is not None
    for registry in registries:
        lines = generate_latest(registry).splitlines(keepends=True)
        ours = b"".join(line for line in lines if b"saxaul_" in line)
        done = subprocess.run(
            [promtool, "check", "metrics"], input=ours,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip

        assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.skipif(promtool is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_can_read_the_alerts() -> None:
    assert promtool is not None
    done = subprocess.run(
        [promtool, "check", "rules", str(FOLDER / "alerts.yml")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 rules found" in done.stdout
