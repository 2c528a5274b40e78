"""HTTP for totals: public, cached for a moment, streamed at most once a second."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.http.dependencies import Now, Transaction
from service.http.problems import documented
from service.http.runtime import HttpRuntime, runtime_of
from service.http.streams import CountedStream
from service.http.times import Moment
from service.totals import store
from service.totals.dependencies import Live, live_of
from service.totals.schemas import Period, Series, TotalsView
from service.totals.view import LiveTotals, TestTotals

router = APIRouter(prefix="/v1/totals", tags=["Totals"], responses=documented(422, 503))

STREAM_PAUSE_S = 1.0
KEEP_ALIVE_S = 15.0
PUBLIC = {"Cache-Control": "public, max-age=1", "Vary": "Authorization"}
PRIVATE = {"Cache-Control": "no-store"}


AsOf = Annotated[
    Moment | None,
    Query(description="What was known then, RFC 3339 with an offset."),
]


async def totals_now(request: Request) -> Response:
    """Return the totals as they are now, from this process's memory."""
    live = await live_of(request)
    return Response(await live.body(), media_type="application/json", headers=_kept(live))


@router.get("", response_model=TotalsView)
async def totals(live: Live, as_of: AsOf = None) -> Response:
    """Estimated avoided emissions so far, and the goal. At most a second behind."""
    body = await live.body() if as_of is None else await live.body_as_of(as_of)
    return Response(body, media_type="application/json", headers=_kept(live))


def _kept(live: LiveTotals | TestTotals) -> dict[str, str]:
    """Return the `Cache-Control` of an answer: public, or private for test data."""
    return PRIVATE if isinstance(live, TestTotals) else PUBLIC


@router.get("/series")
async def series(
    session: Transaction,
    live: Live,
    now: Now,
    by: Literal["day", "month", "year"] = "day",
    activity: Annotated[str | None, Query(max_length=64)] = None,
    region: Annotated[str | None, Query(max_length=64)] = None,
    as_of: AsOf = None,
) -> Series:
    """Estimated avoided emissions by local day, month or year."""
    partner = live.partner if isinstance(live, TestTotals) else None
    rows = await store.series(
        session, by=by, activity=activity, region=region, as_of=as_of, partner=partner
    )
    return Series(
        by=by,
        as_of=as_of or now,
        data=[
            Period(
                period=row["period"],
                avoided_mg=str(row["avoided_mg"]),
                actions=row["actions"],
                points=row["points"],
                uncertainty_pct=_positive(row["uncertainty_pct"]),
            )
            for row in rows
        ],
    )


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **documented(429),
    },
)
async def stream(request: Request, live: Live) -> StreamingResponse:
    """Server-Sent Events: `totals` whenever they changed, at most one a second."""
    streams = runtime_of(request.app, HttpRuntime).streams
    return CountedStream(
        _changes(request, live),
        streams,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )


async def _changes(request: Request, live: LiveTotals | TestTotals) -> AsyncIterator[bytes]:
    last, quiet_s = b"", 0.0
    runtime = runtime_of(request.app, HttpRuntime)
    stopping = runtime.stopping
    while not stopping.is_set():
        body = await live.body()
        if _without_moment(body) != last:
            last, quiet_s = _without_moment(body), 0.0
            yield b"event: totals\ndata: " + body + b"\n\n"
        elif quiet_s >= KEEP_ALIVE_S:
            quiet_s = 0.0
            yield b": still here\n\n"
        try:
            async with asyncio.timeout(STREAM_PAUSE_S):
                await stopping.wait()
        except TimeoutError:
            quiet_s += STREAM_PAUSE_S


def _without_moment(body: bytes) -> bytes:
    """Return the totals without `as_of`, which moves on while nothing else changes."""
    return body.partition(b'"avoided_mg"')[2]


def _positive(pct: Decimal | None) -> str | None:
    """Return a relative uncertainty; None beside a figure that is not above 0."""
    return None if pct is None or pct < 0 else str(pct)
