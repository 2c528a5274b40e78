"""The runtime of an application: everything it holds while it runs, opened and put together.

The programme and its sandbox are two applications of one process. They share what knows callers,
their quotas and the wish to end; each has its own connections, lanes and memory.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from methodologies import VERSION
from methodologies.catalogue import Catalogue
from methodologies.exclusive import load_exclusions
from service.catalogue.dependencies import CatalogueRuntime, CatalogueSite
from service.clock import Clock
from service.customers.dependencies import CustomersRuntime
from service.customers.hints import RouteHints
from service.forest import changes as forest_changes
from service.forest.liability import LiabilityGauges
from service.http.addresses import hosts_of
from service.http.metrics import Metrics, NoMetrics
from service.http.quota import Quota
from service.http.runtime import HttpRuntime
from service.http.streams import Streams
from service.intake.candidate import Assessor
from service.intake.commit import Committer
from service.intake.dependencies import IntakeRuntime
from service.intake.lane import Lane
from service.intake.report import Intake, running
from service.journal.notify import Notifier
from service.journal.take import lags
from service.partners import changes as partner_changes
from service.partners.authenticate import Authenticator
from service.partners.dependencies import PartnersRuntime
from service.partners.person import PersonHasher
from service.partners.person_key import hasher_of
from service.points.changes import GRANT
from service.points.dependencies import PointsRuntime
from service.points.policy import Policy, load_policy
from service.resources import SANDBOX, Resources, open_resources, redis_url_of
from service.sandbox.opening import Sandbox
from service.settings import Settings
from service.totals.counters import Counters
from service.totals.dependencies import TotalsRuntime
from service.totals.view import LiveTotals
from service.web.certificate_cache import CertificateCache
from service.web.dependencies import WebRuntime
from service.webhooks.inbound.connectors import Connectors
from service.webhooks.inbound.dependencies import HooksRuntime
from service.webhooks.inbound.inbox import Inbox
from service.webhooks.inbound.mappers import Mappers
from service.webhooks.inbound.receive import Hooks
from service.webhooks.outbound.watch import Watch
from service.webhooks.vault import vault_of

if TYPE_CHECKING:
    from service.http.tracing import Tracing

# The changes that need two persons, by their kind.
TWO_PERSONS = {
    change.kind: change
    for change in (
        GRANT,
        forest_changes.ADD_SPECIES,
        forest_changes.CHANGE_SPECIES,
        forest_changes.ADD_PROJECT,
        forest_changes.CHANGE_PROJECT,
        partner_changes.PEOPLE,
        partner_changes.ADMIN_KEY,
    )
}


@dataclass(frozen=True, kw_only=True)
class Runtime(
    HttpRuntime,
    PartnersRuntime,
    CustomersRuntime,
    PointsRuntime,
    IntakeRuntime,
    TotalsRuntime,
    CatalogueRuntime,
    WebRuntime,
    HooksRuntime,
):
    """All that an application holds while it runs: each folder's part, and the sandbox.

    `sandbox` opens the sandbox's application at the first request with a test key; it is None in
    the sandbox itself.
    """

    sandbox: Sandbox | None


@dataclass(frozen=True, slots=True)
class _Shared:
    """The objects that the programme and its sandbox share."""

    authenticator: Authenticator
    registry: async_sessionmaker[AsyncSession]
    quota: Quota
    stopping: asyncio.Event
    streams: Streams
    mappers: Mappers


@asynccontextmanager
async def open_programme(
    settings: Settings, clock: Clock, catalogue: Catalogue, sandbox: Sandbox
) -> AsyncIterator[Runtime]:
    """Yield the programme's runtime; at the end its lanes are drained and `sandbox` is closed."""
    async with open_resources(settings, clock) as resources, AsyncExitStack() as end:
        metrics = metrics_of(settings)
        hasher = hasher_of(settings)
        authenticator = Authenticator(settings, resources.sessions, hasher, clock)
        await end.enter_async_context(authenticator.noting())
        quota = Quota(redis_url_of(settings), metrics)
        end.push_async_callback(quota.close)
        mappers = Mappers()
        end.push_async_callback(mappers.close)
        end.push_async_callback(sandbox.close)
        streams = Streams(per_address=settings.address_streams)
        shared = _Shared(
            authenticator, resources.sessions, quota, asyncio.Event(), streams, mappers
        )
        async with _running(resources, metrics, catalogue, shared, sandbox) as runtime:
            yield runtime


@asynccontextmanager
async def open_sandbox(
    settings: Settings, clock: Clock, catalogue: Catalogue, live: Runtime
) -> AsyncIterator[Runtime]:
    """Yield the runtime of the sandbox beside `live`, over the sandbox's schema."""
    shared = _Shared(
        live.authenticator,
        live.registry,
        live.quota,
        live.stopping,
        live.streams,
        live.hooks.mappers,
    )
    async with (
        open_resources(settings, clock, schema=SANDBOX) as resources,
        _running(resources, metrics_of(settings), catalogue, shared, None) as runtime,
    ):
        yield runtime


@asynccontextmanager
async def _running(
    resources: Resources,
    metrics: Metrics,
    catalogue: Catalogue,
    shared: _Shared,
    sandbox: Sandbox | None,
) -> AsyncIterator[Runtime]:
    """Yield a runtime over open connections whose lanes run.

    Without `sandbox` it is the sandbox's.
    """
    settings, sessions = resources.settings, resources.sessions
    tracing = open_tracing(settings)
    notifier = Notifier(resources.valkey)

    def committed(events: int, seconds: float) -> None:
        metrics.committed(events, seconds)
        if tracing is not None:
            tracing.committed(events, seconds)
        notifier.poke()

    hasher, policy = hasher_of(settings), load_policy(settings.policy)
    routes = RouteHints(sessions, resources.valkey)
    intake = make_intake(resources, hasher, policy, catalogue, committed, routes)
    runtime = Runtime(
        resources=resources,
        metrics=metrics,
        tracing=tracing,
        quota=shared.quota,
        stopping=shared.stopping,
        streams=shared.streams,
        hosts=hosts_of(settings),
        lags=partial(lags, sessions),
        queued_events=intake.queued_events,
        before_metrics=_before_metrics(resources, metrics),
        is_sandbox=sandbox is None,
        authenticator=shared.authenticator,
        registry=shared.registry,
        hasher=hasher,
        changes=TWO_PERSONS,
        policy=policy,
        routes=routes,
        intake=intake,
        totals=_totals(resources),
        site=CatalogueSite(catalogue),
        certificates=CertificateCache(),
        hooks=_hooks(resources, shared, intake, hasher, is_sandbox=sandbox is None),
        sandbox=sandbox,
    )
    async with notifier.running(), routes.listening(), running(intake):
        yield runtime
        shared.stopping.set()
    if tracing is not None:
        await asyncio.to_thread(tracing.close)


def metrics_of(settings: Settings) -> Metrics:
    """Return the metrics of one application.

    Without `observe` they count nothing that happens often.
    """
    return (Metrics if settings.observe else NoMetrics)(VERSION)


def _totals(resources: Resources) -> LiveTotals:
    return LiveTotals(
        resources.sessions,
        Counters(resources.valkey, resources.sessions),
        resources.clock,
        resources.settings.totals_cache_seconds,
    )


def _before_metrics(
    resources: Resources, metrics: Metrics
) -> tuple[Callable[[], Awaitable[None]], ...]:
    alarm_pct = resources.settings.liability_alarm_pct
    liability = LiabilityGauges(metrics.registry, resources.sessions, resources.clock, alarm_pct)
    return (liability.look, Watch(resources, metrics.registry))


def _hooks(
    resources: Resources, shared: _Shared, intake: Intake, hasher: PersonHasher, *, is_sandbox: bool
) -> Hooks:
    settings, sessions = resources.settings, resources.sessions
    connectors = Connectors(
        sessions, shared.registry, vault_of(settings), is_sandbox=is_sandbox, settings=settings
    )
    inbox = Inbox(resources.pool)
    return Hooks(connectors, inbox, intake, hasher, sessions, shared.quota, shared.mappers)


def make_intake(
    resources: Resources,
    hasher: PersonHasher,
    policy: Policy,
    catalogue: Catalogue,
    committed: Callable[[int, float], None],
    routes: RouteHints,
) -> Intake:
    """Return the lanes of one process, not running yet."""
    settings = resources.settings
    exclusions = load_exclusions()
    committer = Committer(
        resources.pool,
        policy,
        resources.clock,
        exclusions,
        waiting=timedelta(days=settings.waiting_days),
    )
    return Intake(
        assessor=Assessor(catalogue, hasher, settings, exclusions, routes.of),
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
        routes=routes,
    )


def open_tracing(settings: Settings) -> "Tracing | None":
    """Return what sends traces to SAXAUL_OTLP_TRACES_URL; None without that setting."""
    if settings.otlp_traces_url is None:
        return None
    # Who does not trace does not pay for the libraries.
    from service.http.tracing import Tracing  # noqa: PLC0415

    return Tracing(settings, VERSION)
