"""The API program: puts resources, intake and routes together, and runs them.

`python -m service.main` listens on SAXAUL_HOST and SAXAUL_PORT, or on the socket of `--fd`.
"""

import argparse
import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI

from methodologies.catalogue import Catalogue
from methodologies.contract import CatalogueBroken
from methodologies.exclusive import load_exclusions
from service.book import routes as book_routes
from service.book.plugins import load_all
from service.clock import Clock, system_clock
from service.forest import routes as forest_routes
from service.forest.catalogue import stock_projects
from service.forest.liability import LiabilityGauges
from service.friends import routes as friends_routes
from service.guards import routes as guards_routes
from service.http import routes as http_routes
from service.http.door import Door
from service.http.logs import open_log
from service.http.metrics import Metrics, Uncounted
from service.http.problems import add_common_problems, add_problem_handlers
from service.http.quota import Quota
from service.intake import routes as intake_routes
from service.intake.candidate import Assessor
from service.intake.commit import Committer
from service.intake.lane import Lane
from service.intake.report import Intake, running
from service.journal.notify import Notifier
from service.journal.take import lags
from service.partners import routes as partner_routes
from service.partners.people import Hasher
from service.partners.recognise import Recogniser
from service.partners.sandbox import Sandbox, is_for_sandbox
from service.points import policy_routes
from service.points import routes as points_routes
from service.points.policy import Policy, load_policy
from service.resources import (
    SANDBOX,
    Resources,
    SettingMissing,
    clock_of,
    open_resources,
    redis_url_of,
)
from service.restate import routes as restate_routes
from service.settings import Settings
from service.totals import routes as totals_routes
from service.totals.counters import Counters
from service.totals.view import LiveTotals
from service.web import certificate_routes
from service.web import routes as web_routes
from service.webhooks.inbound import connector_routes, hook_routes
from service.webhooks.inbound.connectors import Connectors
from service.webhooks.inbound.ledger import Ledger
from service.webhooks.inbound.receive import Hooks
from service.webhooks.outbound import routes as webhook_routes
from service.webhooks.outbound.watch import Watch
from service.webhooks.vault import vault_of

if TYPE_CHECKING:
    from service.http.tracing import Tracing

VERSION = "0.1.0"
GRACEFUL_S = 20  # running requests may take this long after a signal; streams end by themselves
# Longer than load balancers keep an idle connection (60 s is usual): who hangs up while the other
# one sends loses a request, and a phone that waits some seconds between two is the usual case.
KEEP_ALIVE_S = 75
BACKLOG = 2048
COLLECT_AFTER = 50_000  # new containers between two looks at the young ones
PERSON_KEY_BYTES = 32
PUBLIC_PATHS = (
    "/v1/totals",
    "/v1/projects",
    "/v1/certificates",
    "/v1/methodologies",
    "/v1/policies",
    "/v1/leaderboards",
    "/v1/factors",
    "/v1/hooks",
    "/v1/connector-templates",
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
    {"name": "Friends", "description": "Gifts, care and leaderboards. Points pass, never carbon."},
    {"name": "Totals", "description": "Estimated avoided emissions, added up. Public."},
    {"name": "Trees", "description": "Projects that plant them, orders, pools, certificates."},
    {"name": "Forest administration", "description": "Catalogue, lots, reports, liability."},
    {"name": "Methodologies", "description": "The published sheets and factors. Public."},
    {"name": "Partners", "description": "A partner's own keys and sources; test data."},
    {"name": "Connectors", "description": "Merchants' own payloads, read by a configuration."},
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
    catalogue: Catalogue,
    committed: Callable[[int, float], None],
) -> Intake:
    """The lanes of one process, not running yet."""
    settings = resources.settings
    exclusions = load_exclusions()
    committer = Committer(resources.pool, policy, resources.clock, exclusions)
    return Intake(
        assessor=Assessor(catalogue, hasher, settings, exclusions),
        lanes=tuple(
            Lane(
                committer.commit,
                resources.clock,
                committed,
                queue_events=settings.lane_queue_events,
                queue_seconds=settings.lane_queue_seconds,
                batch_events=settings.lane_batch_events,
            )
            for _ in range(settings.lanes)
        ),
        clock=resources.clock,
    )


def open_tracing(settings: Settings) -> "Tracing | None":
    """Traces, where SAXAUL_OTLP_TRACES_URL says where to; else None."""
    if settings.otlp_traces_url is None:
        return None
    # Who does not trace does not pay for the libraries.
    from service.http.tracing import Tracing  # noqa: PLC0415

    return Tracing(settings, VERSION)


@asynccontextmanager
async def _running(
    app: FastAPI,
    settings: Settings,
    clock: Clock,
    catalogue: Catalogue | None,
    live: FastAPI | None,
) -> AsyncIterator[None]:
    hasher = Hasher(person_key_of(settings))
    catalogue = catalogue or load_all(settings.methodology_path, clock().date())
    schema = None if live is None else SANDBOX
    async with open_resources(settings, clock, schema=schema) as resources, AsyncExitStack() as end:
        state = app.state
        state.metrics = (Metrics if settings.observe else Uncounted)(VERSION)
        state.is_sandbox = live is not None
        if live is None:
            recognise = Recogniser(settings, resources.sessions, clock)
            state.recognise = await end.enter_async_context(_noting(recognise))
            state.registry = resources.sessions
            state.quota = Quota(redis_url_of(settings), state.metrics)
            end.push_async_callback(state.quota.close)
            state.stopping = asyncio.Event()
            other = partial(create_app, sandbox_settings(settings), clock, catalogue, app)
            state.sandbox = Sandbox(app, other, partial(stock_projects, now=clock()))
            end.push_async_callback(state.sandbox.close)
        else:
            state.recognise = live.state.recognise
            state.registry = live.state.registry
            state.quota = live.state.quota
            state.stopping = live.state.stopping
        state.resources = resources
        state.hasher = hasher
        tracing = state.tracing = open_tracing(settings)
        state.policy = load_policy(settings.policy)
        notifier = Notifier(resources.valkey)

        def committed(events: int, seconds: float) -> None:
            state.metrics.committed(events, seconds)
            if tracing is not None:
                tracing.committed(events, seconds)
            notifier.poke()

        state.intake = make_intake(resources, hasher, state.policy, catalogue, committed)
        connectors = Connectors(
            resources.sessions,
            state.registry,
            vault_of(settings),
            is_sandbox=state.is_sandbox,
            settings=settings,
        )
        state.hooks = Hooks(
            connectors,
            Ledger(resources.sessions),
            state.intake,
            hasher,
            resources.sessions,
            state.quota,
        )
        state.totals = LiveTotals(
            resources.sessions,
            Counters(resources.valkey, resources.sessions),
            clock,
            settings.totals_cache_seconds,
        )
        state.lags = partial(lags, resources.sessions)
        liability = LiabilityGauges(
            state.metrics.registry, resources.sessions, clock, settings.liability_alarm_pct
        )
        webhooks = Watch(resources, state.metrics.registry)
        state.before_metrics = (liability.look, webhooks)
        state.streams = 0
        async with notifier.running(), running(state.intake):
            yield
            state.stopping.set()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)


@asynccontextmanager
async def _noting(recognise: Recogniser) -> AsyncIterator[Recogniser]:
    async with recognise.noting():
        yield recognise


def sandbox_settings(settings: Settings) -> Settings:
    """Those of the sandbox: the same rules, fewer connections."""
    return settings.model_copy(update={"lanes": 1})


def create_app(
    settings: Settings,
    clock: Clock = system_clock,
    catalogue: Catalogue | None = None,
    live: FastAPI | None = None,
) -> FastAPI:
    """The application; it opens its resources when it starts and drains its lanes at the end.

    Without a catalogue it loads one when it starts. With `live` it is the sandbox beside that
    application: for test keys, over another schema.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(app, settings, clock, catalogue, live):
            yield

    app = FastAPI(
        title="Saxaul",
        version=VERSION,
        summary="Green actions in, estimated avoided emissions and points out.",
        lifespan=lifespan,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
    )
    app.state.tracing = None  # until the resources are open
    add_problem_handlers(app)
    for module in (
        intake_routes,
        points_routes,
        policy_routes,
        friends_routes,
        totals_routes,
        forest_routes,
        certificate_routes,
        book_routes,
        guards_routes,
        restate_routes,
        http_routes,
        web_routes,
        partner_routes,
        connector_routes,
        hook_routes,
    ):
        app.include_router(module.router)
    app.include_router(book_routes.pages)
    app.include_router(webhook_routes.router)
    app.include_router(webhook_routes.types_router)
    add_schemas(app)
    return app


def door_of(app: FastAPI, *, slow_seconds: float | None) -> Door:
    """The application behind its door: what phones and the public page ask for most."""
    return Door(
        app,
        {
            ("POST", "/v1/events"): intake_routes.report_events,
            ("GET", "/v1/totals"): totals_routes.totals_now,
            ("POST", "/v1/hooks/"): hook_routes.receive,
        },
        partial(world_of, app),
        endless=frozenset((f"{totals_routes.router.prefix}/stream",)),
        slow_seconds=slow_seconds,
    )


async def world_of(app: FastAPI, scope: MutableMapping[str, Any]) -> FastAPI:
    """The application that a request is for: the programme's own, or its sandbox."""
    if is_for_sandbox(scope):
        sandbox: Sandbox = app.state.sandbox
        return await sandbox.app()
    return app


def add_schemas(app: FastAPI) -> None:
    """Put what routes read from bytes themselves into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = generate()
            document["components"]["securitySchemes"] = SECURITY
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    if not path.startswith(PUBLIC_PATHS):
                        operation["security"] = [{name: []} for name in SECURITY]
                    add_common_problems(operation)
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
    open_log(settings)
    clock = clock_of(settings)
    try:
        catalogue = load_all(settings.methodology_path, clock().date())
    except CatalogueBroken as broken:
        sys.exit(f"The API does not start, since a methodology is not fit for use:\n  {broken}")
    app = create_app(settings, clock, catalogue)
    calm_collector()
    config = uvicorn.Config(
        door_of(app, slow_seconds=settings.slow_seconds if settings.observe else None),
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
        timeout_keep_alive=KEEP_ALIVE_S,
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
