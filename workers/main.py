"""The worker program: `python -m workers.main`.

arq runs coarse jobs ("look at the database now"); the projectors are loops that the start-up hook
supervises, since a job for each event would cost more than the event.
"""

import asyncio
import gc
import logging
from contextlib import AsyncExitStack
from typing import Any

if __name__ == "__main__":
    gc.disable()  # all that a start imports stays: a look for garbage in it is in vain

import orjson
import uvloop
from arq.connections import RedisSettings
from arq.cron import cron
from arq.worker import run_worker
from prometheus_client import start_http_server

from service.http.logs import open_log
from service.resources import SANDBOX, clock_of, open_resources, redis_url_of
from service.settings import Settings
from service.tasks import end
from workers.answers import forget_old_answers
from workers.checkpoints import close_days
from workers.deliveries import Deliveries, sweep_deliveries
from workers.erasures import finish_all_erasures
from workers.hooks import forget_hooks
from workers.lapse import lapse_points
from workers.leaderboards import rank_regions
from workers.meetings import Meetings
from workers.metrics import WorkerMetrics
from workers.months import open_months
from workers.pools import end_pools
from workers.projectors import Projectors
from workers.rules import note_rules
from workers.sandbox import SandboxProjector

_log = logging.getLogger(__name__)


async def start(ctx: dict[str, Any]) -> None:
    """Open the resources and start the loops."""
    stack = ctx["stack"] = AsyncExitStack()
    settings = Settings()
    clock = clock_of(settings)
    resources = await stack.enter_async_context(open_resources(settings, clock))
    ctx["resources"] = resources
    sandbox = ctx["sandbox"] = await stack.enter_async_context(
        open_resources(settings, clock, schema=SANDBOX)
    )
    metrics = WorkerMetrics()
    if settings.worker_metrics_port:
        server, _ = start_http_server(
            settings.worker_metrics_port, settings.host, registry=metrics.registry
        )
        stack.callback(server.shutdown)
    ctx["loops"] = [
        asyncio.create_task(_supervise(loops), name=type(loops).__name__.lower())
        for loops in (
            Projectors(resources, metrics),
            Deliveries(resources, metrics, resources.sessions),
            SandboxProjector(sandbox),
            Deliveries(sandbox, metrics, resources.sessions),
            Meetings(resources, metrics),
            Meetings(sandbox, metrics),
        )
    ]


async def stop(ctx: dict[str, Any]) -> None:
    """Stop the loops between two transactions and close everything."""
    await asyncio.gather(*map(end, ctx["loops"]))
    await ctx["stack"].aclose()


async def _supervise(loops: Projectors | Deliveries | SandboxProjector | Meetings) -> None:
    """Start loops again that an unknown fault has ended, so that counting goes on."""
    while True:
        try:
            await loops.run()
        except Exception:
            _log.exception("%s stopped; starting them again", type(loops).__name__.lower())
            await asyncio.sleep(1)


class WorkerSettings:
    """The settings that arq reads; `main` adds Valkey's address, so that imports read nothing."""

    functions = (
        open_months, close_days, lapse_points, rank_regions, end_pools, forget_hooks,
        sweep_deliveries, forget_old_answers, note_rules, finish_all_erasures,
    )  # fmt: skip
    cron_jobs = (
        cron(open_months, hour=None, minute=7, run_at_startup=True, unique=True),
        cron(close_days, hour=None, minute=17, run_at_startup=True, unique=True),
        cron(note_rules, hour=None, minute=11, run_at_startup=True, unique=True),
        cron(lapse_points, minute=set(range(1, 60, 5)), run_at_startup=True, unique=True),
        cron(rank_regions, minute=set(range(4, 60, 10)), run_at_startup=True, unique=True),
        cron(end_pools, second=30, unique=True),
        cron(finish_all_erasures, second={5, 20, 35, 50}, unique=True),
        cron(forget_hooks, hour=None, minute=23, unique=True),
        cron(sweep_deliveries, hour=None, minute=37, unique=True),
        cron(forget_old_answers, hour=None, minute=47, unique=True),
    )
    on_startup = start
    on_shutdown = stop
    job_serializer = orjson.dumps
    job_deserializer = orjson.loads
    keep_result = 0
    max_jobs = 4
    retry_jobs = True
    health_check_interval = 10


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    gc.freeze()
    gc.enable()
    settings = Settings()
    open_log(settings)
    asyncio.set_event_loop(uvloop.new_event_loop())  # arq takes the loop that is there
    run_worker(
        vars(WorkerSettings) | {"redis_settings": RedisSettings.from_dsn(redis_url_of(settings))}
    )


if __name__ == "__main__":
    main()
