"""What operators see: request ids, log lines, metrics and traces."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from builders import (
    SOURCES,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    client_of,
    report,
    running_app,
)
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from trace_collector import collecting

from service.app import fast_path_of
from service.http.logs import REQUEST, JsonLines, open_log
from service.http.metrics import SHARED_DIR
from service.settings import Settings


async def test_an_answer_carries_a_request_id(public: httpx.AsyncClient) -> None:
    one, two = await public.get("/v1/totals"), await public.get("/v1/methodologies")

    assert len(one.headers["x-request-id"]) == 32
    assert one.headers["x-request-id"] != two.headers["x-request-id"]


async def test_the_callers_request_id_is_kept(public: httpx.AsyncClient) -> None:
    answer = await public.get("/no-such-page", headers={"X-Request-Id": "shop-17:a/b"})

    assert answer.status_code == 404
    assert answer.headers["x-request-id"] == "shop-17:a/b"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "<script>", "naïve"])
async def test_a_strange_request_id_is_replaced(public: httpx.AsyncClient, sent: str) -> None:
    answer = await public.get("/healthz", headers={"X-Request-Id": sent.encode()})

    assert answer.headers["x-request-id"] != sent
    assert answer.headers["x-request-id"].isalnum()


@pytest.fixture
def log(settings: Settings) -> Iterator[io.StringIO]:
    """What `open_log` makes the root logger write."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    text = io.StringIO()
    open_log(settings.model_copy(update={"log_format": "json"}))
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(text)
    yield text
    root.handlers = before
    root.setLevel(level)


def test_a_line_of_the_log_is_json_with_the_request(log: io.StringIO) -> None:
    token = REQUEST.set("request-1")
    logging.getLogger("shop").warning("sold %d\n", 3, extra={"fields": {"status": 503}})
    REQUEST.reset(token)
    logging.getLogger("shop").error("later")

    first, second = map(json.loads, log.getvalue().splitlines())
    assert (first["message"], first["level"], first["logger"]) == ("sold 3\n", "warning", "shop")
    assert (first["request_id"], first["status"]) == ("request-1", 503)
    assert second["request_id"] is None


def test_an_exception_stays_on_its_line() -> None:
    try:
        raise RuntimeError("wrong\nin two lines")
    except RuntimeError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", None, sys.exc_info())

    line = JsonLines().format(record)

    assert "\n" not in line
    assert "in two lines" in json.loads(line)["exception"]


async def test_a_slow_request_is_in_the_log(
    app: FastAPI, log: io.StringIO, settings: Settings
) -> None:
    transport = httpx.ASGITransport(fast_path_of(app, slow_seconds=0))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/healthz")

    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["method"], line["route"], line["status"]) == ("GET", "/healthz", 200)
    assert line["request_id"] == answer.headers["x-request-id"]


async def metrics_of(client: httpx.AsyncClient) -> dict[tuple[str, tuple[str, ...]], float]:
    """Each sample by its name and the values of its labels."""
    text = (await client.get("/metrics")).text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_requests_are_counted_by_status(public: httpx.AsyncClient) -> None:
    before = await metrics_of(public)

    await public.get("/nowhere")

    after = await metrics_of(public)
    key = ("saxaul_requests_total", ("404",))
    assert after[key] == before.get(key, 0) + 1
    count = ("saxaul_request_seconds_count", ())
    assert after[count] == before[count] + 2  # one of them asked for the metrics


async def test_metrics_say_what_runs_and_how_far_behind(
    partner: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    await report(partner, an_event())

    found = await metrics_of(public)

    assert any(name == "saxaul_build_info" and value == 1 for (name, _), value in found.items())
    assert found["saxaul_projection_lag_seconds", ("total_day",)] > 0
    assert found["process_resident_memory_bytes", ()] > 10_000_000


SHARED = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from service.http.metrics import Metrics
metrics = Metrics("1")
metrics.served(200, 0.01)
metrics.lane_depth.set(5)
print(metrics.text().decode())
"""


def test_processes_behind_one_socket_answer_for_each_other(tmp_path: Path) -> None:
    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", SHARED, str(tmp_path)],
            capture_output=True, text=True, check=True, timeout=60,
            env={name: value for name, value in os.environ.items() if name != SHARED_DIR},
        )  # fmt: skip
        return done.stdout

    first, second = run(), run()

    assert 'saxaul_requests_total{status="200"} 1.0' in first
    assert 'saxaul_requests_total{status="200"} 2.0' in second
    assert "saxaul_lane_events 5.0" in second  # the first process has ended: its queue is gone


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A collector of traces."""
    with collecting() as found:
        yield found


async def test_requests_and_commits_are_traced_where_asked_for(
    new_settings: NewSettings, collector: tuple[str, list[ExportTraceServiceRequest]]
) -> None:
    url, received = collector
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    settings = await new_settings(otlp_traces_url=url, trace_ratio=1.0)
    async with running_app(settings, SteppedClock()) as app:
        sender = await a_partner(app.state.runtime.resources.sessions, sources=SOURCES)
        async with client_of(app, sender.key) as client:
            answer = await client.post(
                "/v1/events", json=an_event(), headers={"traceparent": parent}
            )

    assert answer.status_code == 201
    spans = [
        span
        for request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    served = next(span for span in spans if span.name == "POST /v1/events")
    assert served.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert "commit" in {span.name for span in spans}
    assert {one.key for one in served.attributes} >= {
        "http.response.status_code",
        "http.route",
        "saxaul.request_id",
    }


async def test_nothing_is_traced_without_an_address(app: FastAPI) -> None:
    assert app.state.runtime.tracing is None
