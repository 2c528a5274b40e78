"""Whole systems for the flows: one that is left in peace, and one that things are killed in."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from builders import SteppedClock, running_app
from fastapi import FastAPI
from flow_system import NOT_DURABLE, System, running_system
from prepared import prepare_home

from loadtest.ripening import policy_at_once
from service.settings import Settings

TIMEOUT_S = 0.5  # leases of dead senders of webhooks end after four of these


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only Linux ends all programs of a system with a supervisor that is killed."""
    if sys.platform == "linux":
        return
    for item in items:
        if {"system", "fragile"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason="orphans end by themselves on Linux only"))


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[System]:
    """A system of two API processes. Tests share it: they bring people and events of their own.

    It has no quotas: tests ask for more in a minute than a person does; and its points ripen at
    once, since its clock is the machine's.
    """
    no_quotas = {"partner_quota_per_minute": 0, "person_quota_per_minute": 0}
    home = tmp_path_factory.mktemp("system")
    prepare_home(home, cache)
    policy = policy_at_once(home)
    with running_system(home, NOT_DURABLE, workers=2, policy=policy, **no_quotas) as running:
        assert len(running.pids("api")) == 2
        yield running


@pytest.fixture(scope="session")
async def fragile(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> AsyncIterator[System]:
    """A system that comes back after each test's fault.

    Its API keeps no totals in its memory, and webhook endpoints have to be quick.
    """
    home = tmp_path_factory.mktemp("fragile")
    prepare_home(home, cache)
    quick = {"totals_cache_seconds": 0, "webhook_timeout_seconds": TIMEOUT_S,
             "webhook_loopback": True}  # fmt: skip
    with running_system(home, **quick) as running:
        await running.assert_durable()
        yield running


@pytest.fixture
async def quiet_app(new_settings) -> AsyncIterator[FastAPI]:
    """An application in this process with a database of its own and no worker beside it."""
    settings: Settings = await new_settings()
    async with running_app(settings, SteppedClock()) as app:
        yield app
