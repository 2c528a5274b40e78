"""The API program: puts resources, intake and routes together, and runs them.

`python -m service.main` listens on SAXAUL_HOST and SAXAUL_PORT, or on the socket of `--fd`.
"""

import argparse
import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from methodologies.catalogue import load_catalogue
from service.book import routes as book_routes
from service.clock import Clock, system_clock
from service.forest import routes as forest_routes
from service.http import routes as http_routes
from service.http.door import Door
from service.http.metrics import Metrics
from service.http.problems import add_problem_handlers
from service.intake import routes as intake_routes
from service.intake.candidate import Assessor
from service.intake.commit import Committer
from service.intake.lane import Lane
from service.intake.report import Intake, running
from service.journal.notify import Notifier
from service.partners.people import Hasher
from service.partners.recognise import Recogniser
from service.points import routes as points_routes
from service.points.policy import Policy, load_policy
from service.resources import Resources, SettingMissing, open_resources
from service.settings import Settings
from service.totals import routes as totals_routes
from service.totals.counters import Counters
from service.totals.view import LiveTotals
from service.web import routes as web_routes
from service.webhooks.outbound import routes as webhook_routes
from service.webhooks.outbound.watch import Watch

GRACEFUL_S = 20  # running requests may take this long after a signal; streams end by themselves
BACKLOG = 2048
COLLECT_AFTER = 50_000  # new containers between two looks at the young ones
PERSON_KEY_BYTES = 32
PUBLIC_PATHS = (
    "/v1/totals",
    "/v1/projects",
    "/v1/methodologies",
    "/v1/factors",
    "/v1/webhook-types",
    "/healthz",
    "/readyz",
    "/metrics",
    "/problems",
)
SECURITY = {
    "ApiKey": {"type": "http", "scheme": "bearer", "description": "A partner's key: sx_..."},
    "PersonToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}
TAGS = [
    {"name": "Events", "description": "What people did, reported as CloudEvents."},
    {"name": "Actions", "description": "What was recorded, and the sum behind it."},
    {"name": "People and points", "description": "What a person earned and collected."},
    {"name": "Totals", "description": "Estimated avoided emissions, added up. Public."},
    {"name": "Trees", "description": "Projects that plant them. Public."},
    {"name": "Methodologies", "description": "The published sheets and factors. Public."},
    {"name": "Webhooks", "description": "What we tell your own systems, signed."},
    {"name": "Operations", "description": "Health, metrics and explanations."},
]


def person_key_of(settings: Settings) -> bytes:
    """The key of people's hashes. Raises SettingMissing when it is not set or too short."""
    if settings.person_key is None:
        raise SettingMissing(
            "SAXAUL_PERSON_KEY is not set. Make one with `openssl rand -hex 32` and keep it: with "
            "another key every person would become somebody else."
        )
    key = bytes.fromhex(settings.person_key.get_secret_value())
    if len(key) < PERSON_KEY_BYTES:
        raise SettingMissing(f"SAXAUL_PERSON_KEY must be {PERSON_KEY_BYTES} bytes or more, in hex.")
    return key


def make_intake(
    resources: Resources,
    hasher: Hasher,
    policy: Policy,
    committed: Callable[[int, float], None],
) -> Intake:
    """The lanes of one process, not running yet."""
    settings = resources.settings
    committer = Committer(resources.pool, policy, resources.clock)
    return Intake(
        assessor=Assessor(load_catalogue(), hasher, settings),
        lanes=tuple(
            Lane(
                committer.commit,
                resources.clock,
                committed,
                queue_events=settings.lane_queue_events,
                batch_events=settings.lane_batch_events,
            )
            for _ in range(settings.lanes)
        ),
        clock=resources.clock,
    )


@asynccontextmanager
async def _running(app: FastAPI, settings: Settings, clock: Clock) -> AsyncIterator[None]:
    hasher = Hasher(person_key_of(settings))
    async with open_resources(settings, clock) as resources:
        state = app.state
        state.resources = resources
        state.hasher = hasher
        state.metrics = Metrics()
        state.recognise = Recogniser(settings, resources.sessions, clock)
        state.policy = load_policy()
        notifier = Notifier(resources.valkey)

        def committed(events: int, seconds: float) -> None:
            state.metrics.committed(events, seconds)
            notifier.poke()

        state.intake = make_intake(resources, hasher, state.policy, committed)
        state.totals = LiveTotals(
            resources.sessions,
            Counters(resources.valkey, resources.sessions),
            clock,
            settings.totals_cache_seconds,
        )
        state.watched = (Watch(resources, state.metrics.registry),)
        state.streams = 0
        state.stopping = asyncio.Event()
        async with notifier.running(), running(state.intake):
            yield
            state.stopping.set()


def create_app(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """The application; it opens its resources when it starts and drains its lanes at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(app, settings, clock):
            yield

    app = FastAPI(
        title="Saxaul",
        version="0.1.0",
        summary="Green actions in, estimated avoided emissions and points out.",
        lifespan=lifespan,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
    )
    add_problem_handlers(app)
    for module in (
        intake_routes,
        points_routes,
        totals_routes,
        forest_routes,
        book_routes,
        http_routes,
        web_routes,
    ):
        app.include_router(module.router)
    app.include_router(webhook_routes.router)
    app.include_router(webhook_routes.types_router)
    add_schemas(app)
    return app


def door_of(app: FastAPI) -> Door:
    """The application behind its door: what phones and the public page ask for most."""
    return Door(
        app,
        {
            ("POST", "/v1/events"): intake_routes.report_events,
            ("GET", "/v1/totals"): totals_routes.totals_now,
        },
    )


def add_schemas(app: FastAPI) -> None:
    """Put what routes read from bytes themselves into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = generate()
            document["components"]["securitySchemes"] = SECURITY
            for path, operations in document["paths"].items():
                if not path.startswith(PUBLIC_PATHS):
                    for operation in operations.values():
                        operation["security"] = [{name: []} for name in SECURITY]
            schemas = document["components"]["schemas"]
            schemas["CloudEvent"] = intake_routes.event_schema()
            webhook_routes.add_webhooks(document)
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


class _Server(uvicorn.Server):
    """Tells the streams to end as soon as the process is asked to stop."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        door = self.config.app
        if isinstance(door, Door) and hasattr(door.app.state, "stopping"):
            door.app.state.stopping.set()
        super().handle_exit(sig, frame)


def calm_collector() -> None:
    """Let the cycle collector look less often, and never at what the start has built.

    A batch makes thousands of small objects that live for one commit and hold no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)


def inherited(fd: int) -> socket.socket:
    """The listening socket behind a descriptor, with its true family and protocol.

    The server's own option takes every descriptor for a Unix socket; accepted connections then
    keep Nagle's algorithm, and each answer waits 40 ms for the peer's delayed acknowledgement.
    """
    return socket.socket(fileno=fd)


def run(settings: Settings, fd: int | None) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was taken and stop."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    app = create_app(settings)
    calm_collector()
    config = uvicorn.Config(
        door_of(app),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACEFUL_S,
    )
    _Server(config).run(sockets=None if fd is None else [inherited(fd)])


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="The Saxaul API.")
    parser.add_argument("--fd", type=int, help="a listening socket that was inherited")
    arguments = parser.parse_args()
    run(Settings(), arguments.fd)


if __name__ == "__main__":
    main()
