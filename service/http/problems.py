"""RFC 9457 problems: the one place where an error becomes an HTTP status."""

import logging
from collections.abc import Iterator
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from service import errors
from service.errors import DatabaseAway, FieldsInvalid, ServiceError, TooMany, Unavailable

MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[ServiceError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.RequestTooSlow: 408,
    errors.Gone: 410,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.HostNotServed: 421,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.HeadTooLarge: 431,
    errors.Unavailable: 503,
}
INTERNAL_CODE = "internal-error"
INTERNAL_TITLE = "Something went wrong here"
DATA_EXCEPTION = "22021"  # a character that the database cannot store
_log = logging.getLogger(__name__)


def status_of(error: ServiceError | type[ServiceError]) -> int:
    """Return the status of an error's family."""
    kind = error if isinstance(error, type) else type(error)
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def problem_of(error: Exception) -> dict[str, object]:
    """Return the problem object of an error.

    One that we did not foresee tells nothing of its inside.
    """
    if not isinstance(error, ServiceError):
        return {
            "type": f"/problems/{INTERNAL_CODE}",
            "title": INTERNAL_TITLE,
            "status": 500,
            "detail": "This is our fault and is in our log. Send the same request again later: "
            "what was recorded is answered as a duplicate.",
        }
    problem: dict[str, object] = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": status_of(error),
        "detail": error.detail,
    }
    if error.errors:
        problem["errors"] = [{"pointer": at, "detail": why} for at, why in error.errors]
    return problem


def response_of(error: Exception) -> Response:
    """Return a problem as a response, with the headers that its status asks for."""
    problem = problem_of(error)
    headers = {}
    if isinstance(error, (Unavailable, TooMany)):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="saxaul"'
    return Response(
        orjson.dumps(problem), int(str(problem["status"])), headers, media_type=MEDIA_TYPE
    )


class FieldError(BaseModel):
    """One field of the request by its JSON pointer, and what is wrong with it."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """An error as RFC 9457 describes it: the JSON body of every answer from 400 on."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return problems that routes answer with, for the OpenAPI document."""
    titles = {status: kind.title for kind, status in STATUS.items()}
    headers = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return {
        status: {
            "description": titles[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": headers} if status in (STATUS[Unavailable], STATUS[TooMany]) else {}),
        }
        for status in statuses
    }


def add_common_problems(operation: dict[str, Any]) -> None:
    """Document what every operation of a kind may answer: who is known has a quota, a body a form.

    `operation` is one of the OpenAPI document.
    """
    common = (400, 413) if "requestBody" in operation else ()
    if "security" in operation:
        common = (*common, 429)
    for status, answer in documented(*common).items():
        operation["responses"].setdefault(str(status), answer)


def all_errors(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    """Yield every error class, a parent before its children."""
    yield kind
    for child in kind.__subclasses__():
        yield from all_errors(child)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error as a problem."""

    @app.exception_handler(ServiceError)
    async def known(_: Request, error: ServiceError) -> Response:
        return response_of(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer_to(error)

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, ServiceError):  # the framework was reading the body
            return response_of(error.__cause__)
        if error.status_code == 405:
            response = response_of(
                errors.MethodNotAllowed(f"{request.method} is not taken at {request.url.path}.")
            )
            response.headers.update(error.headers or {})
            return response
        if error.status_code == 413:
            return response_of(errors.BodyTooLarge("The body is too large for this address."))
        if error.status_code == 400:
            return response_of(errors.BodyNotJson("The body is not JSON in UTF-8."))
        return response_of(errors.PageNotFound(f"There is nothing at {request.url.path}."))

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    @app.exception_handler(OSError)
    @app.exception_handler(Exception)
    async def other(_: Request, error: Exception) -> Response:
        return answer_to(error)


def answer_to(error: Exception) -> Response:
    """Return the answer to any error: a known one, an outage, or a bug of ours, logged whole."""
    if isinstance(error, ServiceError):
        return response_of(error)
    if isinstance(error, RequestValidationError):
        found = tuple(
            ("".join(f"/{part}" for part in one["loc"]), one["msg"]) for one in error.errors()
        )
        return response_of(FieldsInvalid(f"{found[0][0]}: {found[0][1]}.", found))
    if isinstance(error, DBAPIError) and _state(error).startswith(DATA_EXCEPTION):
        return response_of(
            FieldsInvalid(
                "The path or query holds a character that no name has (U+0000).",
                (("", "must not hold the character U+0000"),),
            )
        )
    if isinstance(error, PoolTimeout | OSError) or (
        isinstance(error, DBAPIError) and (error.connection_invalidated or _is_away(error))
    ):
        _log.warning("a server does not answer: %r", error)
        return response_of(DatabaseAway("The database does not answer. Send it again shortly."))
    _log.error("unforeseen error", exc_info=error)
    return response_of(error)


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", "") or "")


def _is_away(error: DBAPIError) -> bool:
    """Return whether the server starts, stops or has no connections left (SQLSTATE 08, 53, 57)."""
    return _state(error)[:2] in ("08", "53", "57")
