"""Health, metrics and the explanations of problems."""

import hmac
import inspect
from ipaddress import ip_address

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import MetricsNotYours, PageNotFound, ServiceError
from service.http.dependencies import AppResources
from service.http.metrics import CONTENT_TYPE
from service.http.problems import (
    INTERNAL_CODE,
    INTERNAL_TITLE,
    all_errors,
    documented,
    status_of,
)
from service.http.runtime import HttpRuntime, runtime_of

router = APIRouter(tags=["Operations"], responses=documented(404, 422))

INTERNAL: dict[str, object] = {
    "type": f"/problems/{INTERNAL_CODE}",
    "title": INTERNAL_TITLE,
    "status": 500,
    "explanation": "A bug of ours: it is in our log. Send the same request again later; what was "
    "recorded is answered as a duplicate.",
}
PASSED_ON = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
MIGRATED = text("SELECT to_regclass('journal_pending') IS NOT NULL")


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """This process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "Something is missing; it says what."}})
async def ready(resources: AppResources) -> JSONResponse:
    """Whether database, migrations and Valkey are there. Events only need the first two."""
    checks = {"database": "away", "migrations": "unknown", "valkey": "away"}
    try:
        async with resources.sessions() as session:
            migrated = (await session.execute(MIGRATED)).scalar_one()
            checks["database"] = "ready"
            checks["migrations"] = "ready" if migrated else "missing: run `saxaul migrate`"
    except (DBAPIError, OSError, PoolTimeout):
        pass
    try:
        await resources.valkey.get("sx:ready")
        checks["valkey"] = "ready"
    except (RedisError, OSError):
        pass
    is_ready = all(state == "ready" for state in checks.values())
    return JSONResponse(checks, 200 if is_ready else 503)


@router.get("/metrics", response_class=Response, responses=documented(403))
async def metrics(request: Request) -> Response:
    """Prometheus' text format, for this machine, or for who sends SAXAUL_METRICS_TOKEN."""
    runtime = runtime_of(request.app, HttpRuntime)
    _check_reader(request, runtime.resources.settings.metrics_token)
    found = runtime.metrics
    try:
        for look in runtime.before_metrics:
            await look()
        for projector, lag_s in (await runtime.lags()).items():
            found.lag.labels(projector).set(lag_s)
    except (DBAPIError, OSError, PoolTimeout):
        found.lag.clear()  # no figure is better than an old one
    found.lane_depth.set(runtime.queued_events())
    found.streams.set(runtime.streams.open)
    return Response(found.text(), media_type=CONTENT_TYPE)


@router.get("/problems")
async def problems() -> dict[str, list[dict[str, object]]]:
    """Every kind of problem that this API answers with."""
    known = [_explained(error) for error in all_errors() if error is not ServiceError]
    return {"data": [*known, INTERNAL]}


@router.get("/problems/{code}")
async def problem(code: str) -> dict[str, object]:
    """One kind of problem, in words."""
    if code == INTERNAL_CODE:
        return INTERNAL
    for error in all_errors():
        if error.code == code:
            return _explained(error)
    raise PageNotFound(f"There is no problem {code!r}. GET /problems lists them.")


def _check_reader(request: Request, token: SecretStr | None) -> None:
    """Raise MetricsNotYours unless the request comes from this machine, or has the token if one is
    set. What a proxy here passes on does not come from here."""
    if token is not None and token.get_secret_value():
        wanted = f"Bearer {token.get_secret_value()}".encode()
        if hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted):
            return
    elif _is_here(request) and not any(name in request.headers for name in PASSED_ON):
        return
    raise MetricsNotYours("Ask from the machine itself, or set SAXAUL_METRICS_TOKEN and send it.")


def _is_here(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _explained(error: type[ServiceError]) -> dict[str, object]:
    return {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": 500 if error is ServiceError else status_of(error),
        "explanation": inspect.getdoc(error),
    }
