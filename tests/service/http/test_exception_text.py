"""What the log says of an exception names nobody."""

import io
import logging
import sys
from collections.abc import Callable, Iterator

import asyncpg
import orjson
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.http.exception_text import text_of
from service.http.logs import JsonLines, open_log
from service.settings import Settings

NAME = "marker-alice"


class Wanted(BaseModel):
    """Something that a name is not."""

    number: int


def a_validation_error() -> None:
    Wanted.model_validate({"number": NAME})


def a_key_error() -> None:
    raise KeyError(NAME)


def a_cause() -> None:
    try:
        int(NAME)
    except ValueError as wrong:
        raise RuntimeError("it was no number") from wrong


def a_group() -> None:
    raise ExceptionGroup("two", [ValueError(NAME), LookupError(NAME)])


@pytest.fixture(params=["text", "json"])
def log(request: pytest.FixtureRequest, settings: Settings) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    written = io.StringIO()
    open_log(settings.model_copy(update={"log_format": request.param, "log_level": "info"}))
    root.handlers[0].setStream(written)  # type: ignore[attr-defined]  # it is a stream handler
    yield written
    root.handlers = before
    root.setLevel(level)


@pytest.mark.parametrize("wrong", [a_validation_error, a_key_error, a_cause, a_group])
def test_what_went_wrong_is_told_without_the_value(
    log: io.StringIO, wrong: Callable[[], None]
) -> None:
    try:
        wrong()
    except Exception as error:
        logging.getLogger("x").exception("it failed: %r %s", error, error)
        kind = type(error).__name__

    assert NAME not in log.getvalue()
    assert kind in log.getvalue()
    assert "test_exception_text.py" in log.getvalue()


STATEMENTS = [
    ("SELECT CAST(:name AS int)", {"name": NAME}),  # the driver refuses the parameter
    ("SELECT CAST(CAST(:name AS text) AS uuid)", {"name": NAME}),  # the server does
    ("SELECT 1 FROM no_such_table WHERE name = :name", {"name": NAME}),
    (
        "INSERT INTO partner (partner, name, created_at) "
        "VALUES (:name, 'x', now()), (:name, 'x', now())",
        {"name": NAME},
    ),
]


@pytest.mark.parametrize(("statement", "named"), STATEMENTS)
async def test_an_error_of_the_database_is_told_without_parameters_and_keys(
    app: FastAPI, log: io.StringIO, statement: str, named: dict[str, str]
) -> None:
    sessions: Callable[[], AsyncSession] = app.state.runtime.resources.sessions
    try:
        async with sessions() as session:
            await session.execute(text(statement), named)
    except Exception as error:
        logging.getLogger("x").exception("it failed: %r", error)
        told = text_of(error)

    assert NAME not in log.getvalue()
    assert "Error" in told


async def test_nor_does_the_drivers_own_error_tell(app: FastAPI, log: io.StringIO) -> None:
    async with app.state.runtime.resources.pool.acquire() as connection:
        for query in ("SELECT $1::int", "SELECT $1::text::uuid", "SELECT $1::text::int"):
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
                await connection.fetch(query, NAME)
            logging.getLogger("x").error("it failed", exc_info=caught.value)

    assert NAME not in log.getvalue()


def test_our_own_words_are_kept() -> None:
    try:
        raise RuntimeError("3 known accounts are missing")
    except RuntimeError:
        line = orjson.loads(
            JsonLines().format(
                logging.LogRecord("x", logging.ERROR, "f", 1, "failed", None, sys.exc_info())
            )
        )

    assert "3 known accounts are missing" in line["exception"]
