"""Run an application of the comparison with the same server options as the service's."""

import argparse
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from loadtest.harness import NotRunning, program

BACKLOG = 2048
START_S = 30.0


def serve(app: ASGIApp) -> None:
    """This serves `app` on the inherited socket of `--fd`, until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    listener = socket.socket(fileno=parser.parse_args().fd)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=BACKLOG,
    )
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def served(module: str, **environment: str) -> Iterator[str]:
    """This runs `python -m module`, which calls `serve`, during the block, and gives its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        host, port = listener.getsockname()
        command = (sys.executable, "-m", module, "--fd", str(listener.fileno()))
        own = {**os.environ, **environment}
        with program(command, environment=own, pass_fds=(listener.fileno(),)):
            listener.close()  # with the program, its socket is gone, too
            _await(host, port)
            yield f"http://{host}:{port}"


def _await(host: str, port: int) -> None:
    """This waits for any answer, since the socket takes connections before the application runs."""
    with socket.create_connection((host, port), timeout=START_S) as connection:
        connection.sendall(b"GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if not connection.recv(1):
            raise NotRunning(f"a program of the load test does not answer at {host}:{port}")
