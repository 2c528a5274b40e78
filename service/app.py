"""The application: resources, intake and routes put together. `main.py` serves it."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from methodologies import VERSION
from methodologies.catalogue import Catalogue
from methodologies.exclusive import load_exclusions
from methodologies.plugins import load_all
from service.actions import routes as actions_routes
from service.catalogue import routes as catalogue_routes
from service.clock import Clock, system_clock
from service.forest import routes as forest_routes
from service.forest.catalogue import copy_catalogue
from service.forest.liability import LiabilityGauges
from service.friends import routes as friends_routes
from service.guards import routes as guards_routes
from service.http import routes as http_routes
from service.http.fast_path import FastPath
from service.http.metrics import Metrics, Uncounted
from service.http.problems import add_problem_handlers
from service.http.quota import Quota
from service.intake import routes as intake_routes
from service.intake.candidate import Assessor
from service.intake.commit import Committer
from service.intake.lane import Lane
from service.intake.report import Intake, running
from service.journal.notify import Notifier
from service.journal.take import lags
from service.openapi import TAGS, add_to_document
from service.partners import routes as partner_routes
from service.partners.authenticate import Authenticator
from service.partners.person import PersonHasher
from service.partners.person_key import hasher_of
from service.partners.test_mode import is_for_sandbox
from service.people import routes as people_routes
from service.points import policy_routes
from service.points import routes as points_routes
from service.points.policy import Policy, load_policy
from service.resources import (
    SANDBOX,
    Resources,
    open_resources,
    redis_url_of,
)
from service.restate import routes as restate_routes
from service.sandbox import routes as sandbox_routes
from service.sandbox.opening import Sandbox
from service.settings import Settings
from service.totals import routes as totals_routes
from service.totals.counters import Counters
from service.totals.view import LiveTotals
from service.web import certificate_routes
from service.web import routes as web_routes
from service.web.certificate_shelf import Shelf
from service.webhooks.inbound import connector_routes, hook_routes
from service.webhooks.inbound.connectors import Connectors
from service.webhooks.inbound.inbox import Inbox
from service.webhooks.inbound.receive import Hooks
from service.webhooks.outbound import routes as webhook_routes
from service.webhooks.outbound.watch import Watch
from service.webhooks.vault import vault_of

if TYPE_CHECKING:
    from service.http.tracing import Tracing


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
        actions_routes,
        people_routes,
        points_routes,
        policy_routes,
        friends_routes,
        totals_routes,
        forest_routes,
        certificate_routes,
        catalogue_routes,
        guards_routes,
        restate_routes,
        http_routes,
        web_routes,
        partner_routes,
        sandbox_routes,
        connector_routes,
        hook_routes,
    ):
        app.include_router(module.router)
    app.include_router(catalogue_routes.pages)
    app.include_router(webhook_routes.router)
    app.include_router(webhook_routes.types_router)
    add_to_document(app)
    return app


@asynccontextmanager
async def _running(
    app: FastAPI,
    settings: Settings,
    clock: Clock,
    catalogue: Catalogue | None,
    live: FastAPI | None,
) -> AsyncIterator[None]:
    hasher = hasher_of(settings)
    catalogue = catalogue or load_all(settings.methodology_path, clock().date())
    schema = None if live is None else SANDBOX
    async with open_resources(settings, clock, schema=schema) as resources, AsyncExitStack() as end:
        state = app.state
        state.metrics = (Metrics if settings.observe else Uncounted)(VERSION)
        state.is_sandbox = live is not None
        if live is None:
            authenticate = Authenticator(settings, resources.sessions, clock)
            state.authenticate = await end.enter_async_context(_noting(authenticate))
            state.registry = resources.sessions
            state.quota = Quota(redis_url_of(settings), state.metrics)
            end.push_async_callback(state.quota.close)
            state.stopping = asyncio.Event()
            other = partial(create_app, sandbox_settings(settings), clock, catalogue, app)
            state.sandbox = Sandbox(app, other, partial(copy_catalogue, now=clock()))
            end.push_async_callback(state.sandbox.close)
        else:
            state.authenticate = live.state.authenticate
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
            Inbox(resources.pool),
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
        state.shelf = Shelf()
        state.before_metrics = (liability.look, webhooks)
        state.streams = 0
        async with notifier.running(), running(state.intake):
            yield
            state.stopping.set()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)


@asynccontextmanager
async def _noting(authenticate: Authenticator) -> AsyncIterator[Authenticator]:
    async with authenticate.noting():
        yield authenticate


def sandbox_settings(settings: Settings) -> Settings:
    """Those of the sandbox: the same rules, fewer connections."""
    return settings.model_copy(update={"lanes": 1})


def make_intake(
    resources: Resources,
    hasher: PersonHasher,
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


def fast_path_of(app: FastAPI, *, slow_seconds: float | None) -> FastPath:
    """The application behind its fast path: what phones and the public page ask for most."""
    return FastPath(
        app,
        {
            ("POST", "/v1/events"): intake_routes.report_events,
            ("GET", "/v1/totals"): totals_routes.totals_now,
            ("POST", "/v1/hooks/*"): hook_routes.receive,
            ("POST", "/v1/people/*/collect"): points_routes.collect,
        },
        partial(environment_of, app),
        endless=frozenset((f"{totals_routes.router.prefix}/stream",)),
        slow_seconds=slow_seconds,
    )


async def environment_of(app: FastAPI, scope: MutableMapping[str, Any]) -> FastAPI:
    """The application that a request is for: the programme's own, or its sandbox."""
    if is_for_sandbox(scope):
        sandbox: Sandbox = app.state.sandbox
        return await sandbox.app()
    return app
