"""The API program: serves the application.

`python -m service.main` listens on SAXAUL_HOST and SAXAUL_PORT, or on the socket of `--fd`.
"""

import argparse
import gc
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

if __name__ == "__main__":
    gc.disable()  # all that a start imports and builds stays: a look for garbage in it is in vain

import uvicorn
from fastapi import FastAPI

from methodologies.contract import CatalogueBroken
from methodologies.plugins import load_all
from service.app import create_app, fast_path_of
from service.clock import seconds
from service.http.addresses import HSTS, is_over_tls
from service.http.connections import ConnectionLimits, Connections, proxies
from service.http.fast_path import FastPath
from service.http.logs import open_log
from service.http.protocol import protocol_behind
from service.http.runtime import HttpRuntime, runtime_of
from service.resources import clock_of
from service.settings import Settings

GRACEFUL_S = 20  # running requests may take this long after a signal; streams end by themselves
# Longer than load balancers keep an idle connection (60 s is usual): who hangs up while the other
# one sends loses a request, and a phone that waits some seconds between two is the usual case.
KEEP_ALIVE_S = 75
BACKLOG = 2048
SWEEP_TICKS = 10  # of a tenth of a second
COLLECT_AFTER = 50_000  # new containers between two looks at the young ones


class Server(uvicorn.Server):
    """Tells the streams to end as soon as the process is asked to stop, and looks once a second for
    connections that are over their time."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self.connections = connections

    async def on_tick(self, counter: int) -> bool:
        if counter % SWEEP_TICKS == 0:
            self.connections.sweep(self.server_state.connections)  # type: ignore[arg-type]  # all are ours
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        fast_path = self.config.app
        runtime = fast_path.app.state.runtime if isinstance(fast_path, FastPath) else None
        if isinstance(runtime, HttpRuntime):  # None as long as the application opens it
            runtime.stopping.set()
        super().handle_exit(sig, frame)


def calm_collector() -> None:
    """Let the cycle collector work from now on, but seldom, and never on what the start has built.

    A batch makes thousands of small objects that live for one commit and hold no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)
    gc.enable()


def inherited(fd: int) -> socket.socket:
    """Return the listening socket behind a descriptor, with its true family and protocol.

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
    slow_seconds = settings.slow_seconds if settings.observe else None
    server = server_of(settings, app, ConnectionLimits(), seconds, slow_seconds=slow_seconds)
    server.run(sockets=None if fd is None else [inherited(fd)])


def server_of(
    settings: Settings,
    app: FastAPI,
    limits: ConnectionLimits,
    clock: Callable[[], float],
    *,
    slow_seconds: float | None,
) -> Server:
    """Return the server of an application, with its limits. `clock` returns seconds."""

    def refused(problem: str) -> None:
        runtime_of(app, HttpRuntime).metrics.refused(problem)

    limits = replace(
        limits,
        body_bytes=settings.body_bytes,
        address_connections=settings.address_connections,
    )
    connections = Connections(
        limits, trusted=settings.trusted_proxies, clock=clock, refused=refused
    )
    config = uvicorn.Config(
        fast_path_of(app, slow_seconds=slow_seconds),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=protocol_behind(connections),
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        headers=[("Strict-Transport-Security", HSTS)] if is_over_tls(settings) else [],
        date_header=True,
        proxy_headers=bool(proxies(settings.trusted_proxies)),
        forwarded_allow_ips=proxies(settings.trusted_proxies),
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_S,
    )
    return Server(config, connections)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="The Saxaul API.")
    parser.add_argument("--fd", type=int, help="a listening socket that was inherited")
    arguments = parser.parse_args()
    run(Settings(), arguments.fd)


if __name__ == "__main__":
    main()
