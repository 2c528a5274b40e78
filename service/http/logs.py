"""What a program writes to its log: lines for people, or one JSON object a line for machines.

Every line that is written while a request is answered carries the request's id.
"""

import logging
import re
import secrets
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

from service.settings import Settings

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
        return True


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
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def open_log(settings: Settings) -> None:
    """Send this process's log to standard error, as the settings say."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else logging.Formatter(_TEXT))
    handler.addFilter(_Request())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
