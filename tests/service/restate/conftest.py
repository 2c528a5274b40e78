"""Programmes of their own whose catalogue has a second version of the metro sheet."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from builders import SOURCES, USUAL, NewSettings, SteppedClock, a_partner, client_of, running_app
from fastapi import FastAPI
from restate_versions import CLEANER, add_version

from service.settings import Settings


@pytest.fixture(scope="session")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with transit.metro@2.0.0 and a stricter 3.0.0, in force from 2027 on."""
    folder = tmp_path_factory.mktemp("later")
    add_version(folder, 2, changes=CLEANER)
    strict = {
        "methodology.yaml": (
            'actions: "12"\n  quantity: {input: trips, at_most: "12"}',
            'actions: "2"\n  quantity: {input: trips, at_most: "12"}',
        )
    }
    add_version(folder, 3, changes={**CLEANER, **strict})
    return folder


@pytest.fixture
async def restate_settings(new_settings: NewSettings, later: Path) -> Settings:
    return await new_settings(methodology_path=str(later))


@pytest.fixture
async def programme(restate_settings: Settings) -> AsyncIterator[FastAPI]:
    async with running_app(restate_settings, SteppedClock()) as app:
        yield app


@pytest.fixture
async def reporter(programme: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    partner = await a_partner(
        programme.state.runtime.resources.sessions,
        sources=SOURCES,
        scopes=(*USUAL, "events:backfill", "admin"),
    )
    async with client_of(programme, partner.key) as client:
        yield client
