"""The local system as a command finds it: its settings, its servers, its errors."""

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

import orjson
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from service.acting import Actor, acting
from service.clock import CLOCK_FILE, read_ahead
from service.errors import ServiceError
from service.resources import Resources, SettingMissing, clock_of, open_resources
from service.settings import Settings
from service.terminal import fail

Result = TypeVar("Result")


def read_demo_file(settings: Settings) -> dict[str, str]:
    """Return the file in which `saxaul up` describes its running system.

    It is empty where `saxaul up` never ran.
    """
    file = settings.home / "demo.json"
    return dict(orjson.loads(file.read_bytes())) if file.exists() else {}


def local_settings() -> Settings:
    """Settings from the environment, and the URLs of the embedded default where it runs."""
    settings = Settings()
    demo = read_demo_file(settings)
    update: dict[str, object] = {
        name: demo[name]
        for name in ("database_url", "owner_database_url", "redis_url")
        if getattr(settings, name) is None and demo.get(name)
    }
    update["virtual_clock"] = settings.virtual_clock or (
        "database_url" in update and read_ahead(settings.home / CLOCK_FILE) > timedelta(0)
    )
    if "database_url" in update and "two_persons" not in settings.model_fields_set:
        update["two_persons"] = False  # as `saxaul up` tells the programs of its demo
    return settings.model_copy(update=update)


@asynccontextmanager
async def local_resources(schema: str | None = None) -> AsyncIterator[Resources]:
    """Resources of the database that is running here, or that the environment names."""
    settings = local_settings()
    with acting(operator()):
        async with open_resources(settings, clock_of(settings), schema=schema) as resources:
            yield resources


def operator() -> Actor:
    """Return who gives commands here: whoever this process belongs to."""
    try:
        return Actor("operator", getpass.getuser())
    except (KeyError, OSError):  # a container's user may have a number and no name
        return Actor("operator", f"uid {os.getuid()}")


def run(work: Coroutine[None, None, Result]) -> Result:
    """Run a command's work; what stands in its way becomes a sentence and exit code 1."""
    try:
        return asyncio.run(work)
    except SettingMissing as error:
        raise fail(error) from error
    except ServiceError as error:
        raise fail(error.detail) from error
    except (OSError, DBAPIError, RedisError) as error:
        raise fail(
            f"a server does not answer ({error}). Is `saxaul up` running with this SAXAUL_HOME?"
        ) from error
