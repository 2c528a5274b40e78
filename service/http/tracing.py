"""Traces, for operators who collect them: off without an address to send to, and sampled.

OpenTelemetry's own instrumentation wraps every layer and costs more than it shows; these are two
kinds of spans, made by hand: a request, and the commit of a batch of events.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.clock import system_clock
from service.settings import Settings

_NANO = 1_000_000_000
SERVICE = "saxaul"


class Tracing:
    """Makes spans and sends them in the background; `close` sends what is left."""

    def __init__(self, settings: Settings, version: str) -> None:
        """Sends to the settings' address; the program ends without it being there."""
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": SERVICE, "service.version": version}),
            sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
        )
        exporter = OTLPSpanExporter(endpoint=settings.otlp_traces_url)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self._provider.get_tracer(SERVICE, version)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(
        self, method: str, headers: list[tuple[bytes, bytes]], request_id: str
    ) -> Iterator[list[tuple[int, str]]]:
        """Yield a request's span, as a child of the caller's.

        Put the status and the template of the path into the list: a path may name a person.
        """

        carried = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in headers
            if name in (b"traceparent", b"tracestate")
        }
        with self._tracer.start_as_current_span(
            method,
            context=self._propagator.extract(carried),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method,
                "saxaul.request_id": request_id,
            },
        ) as span:
            answered: list[tuple[int, str]] = []
            yield answered
            for status, template in answered:
                span.update_name(f"{method} {template}")
                span.set_attribute("http.route", template)
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR))

    def committed(self, events: int, seconds: float) -> None:
        """The span of a commit that has just ended."""
        ended_ns = int(system_clock().timestamp() * _NANO)
        span = self._tracer.start_span(
            "commit", start_time=ended_ns - int(seconds * _NANO), attributes={"events": events}
        )
        span.end(ended_ns)

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        self._provider.shutdown()
