"""What a program writes to its log: lines for people, or one JSON object a line for machines.

Every line that is written while a request is answered carries the request's id. None names a
person: exceptions are said by `exception_text`, wherever in a line they stand.
"""

import logging
import re
import secrets
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

import orjson

from service.http.exception_text import SaidError, trace_of
from service.settings import Settings

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
REQUEST_ID = b"x-request-id"
REQUEST: ContextVar[str | None] = ContextVar("saxaul_request", default=None)
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._:/=+-]{1,128}")
_TEXT = "%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s"


def request_id_of(headers: list[tuple[bytes, bytes]]) -> str:
    """Return the caller's `X-Request-Id` if it is short and harmless, else a new one."""
    for name, value in headers:
        if name == REQUEST_ID and _WELL_FORMED.fullmatch(value):
            return value.decode("ascii")
    return secrets.token_hex(16)


class _Request(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        found = REQUEST.get()
        record.request_id = found
        record.request = "" if found is None else f" [{found}]"
        if isinstance(record.args, tuple):
            record.args = tuple(
                SaidError(one) if isinstance(one, BaseException) else one for one in record.args
            )
        return True


class TextLines(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802  the standard library's name
        """Return an exception with where it came from, without values."""
        return _trace(ei)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, and an exception's text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", None),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = _trace(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _trace(found: ExcInfo) -> str:
    return "" if found[1] is None else trace_of(found[1])


def open_log(settings: Settings) -> None:
    """Send this process's log to standard error, as the settings say."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    handler.addFilter(_Request())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
