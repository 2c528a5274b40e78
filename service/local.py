"""The local system as a command finds it: its settings, its servers, its errors."""

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

import orjson
from pydantic import SecretStr
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from service.acting import Actor, acting
from service.clock import CLOCK_FILE, read_ahead
from service.errors import ServiceError
from service.resources import Resources, SettingMissing, clock_of, open_resources
from service.settings import Settings
from service.terminal import fail

Result = TypeVar("Result")
SECRETS_FILE = "secrets.json"
KEYS = ("person_key", "secret_key")


def read_demo_file(settings: Settings) -> dict[str, str]:
    """Return the file in which `saxaul up` describes its running system.

    It is empty where `saxaul up` never ran.
    """
    file = settings.home / "demo.json"
    return dict(orjson.loads(file.read_bytes())) if file.exists() else {}


def local_keys(settings: Settings) -> dict[str, SecretStr]:
    """Return the keys that `saxaul up` made and keeps here; empty where it made none."""
    file = settings.home / SECRETS_FILE
    made = orjson.loads(file.read_bytes()) if file.exists() else {}
    return {name: SecretStr(made[name]) for name in KEYS if name in made}


def local_settings() -> Settings:
    """Settings from the environment, and URLs and keys of the embedded default where it runs."""
    settings = Settings()
    demo = read_demo_file(settings)
    update: dict[str, object] = {
        name: demo[name]
        for name in ("database_url", "owner_database_url", "redis_url")
        if getattr(settings, name) is None and demo.get(name)
    }
    if "database_url" in update:  # the keys go with the database: others fit no row of it
        kept = local_keys(settings)
        update |= {name: key for name, key in kept.items() if getattr(settings, name) is None}
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
