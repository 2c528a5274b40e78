"""The runtime: one frozen whole, whose sandbox shares the callers and nothing that is recorded."""

from dataclasses import FrozenInstanceError

import pytest
from fastapi import FastAPI

from service.app import create_app
from service.http.runtime import HttpRuntime, runtime_of
from service.runtime import Runtime
from service.settings import Settings

SHARED = ("authenticator", "registry", "quota", "stopping", "streams")
OWN = ("resources", "metrics", "intake", "totals", "site", "certificates", "hooks")


async def test_a_sandbox_shares_its_programmes_callers_and_nothing_else(app: FastAPI) -> None:
    live = runtime_of(app, Runtime)
    assert live.sandbox is not None

    test = runtime_of(await live.sandbox.app(), Runtime)

    assert (live.is_sandbox, test.is_sandbox, test.sandbox) == (False, True, None)
    for name in SHARED:
        assert getattr(test, name) is getattr(live, name), name
    for name in OWN:
        assert getattr(test, name) is not getattr(live, name), name


async def test_a_runtime_cannot_be_changed(app: FastAPI) -> None:
    runtime = runtime_of(app, HttpRuntime)

    with pytest.raises(FrozenInstanceError):
        runtime.lags = runtime.lags  # type: ignore[misc]  # what mypy refuses is refused, too


def test_an_application_that_has_not_started_has_no_runtime() -> None:
    with pytest.raises(AssertionError):
        runtime_of(create_app(Settings()), HttpRuntime)
