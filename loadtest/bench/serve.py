"""Run an application of the comparison with the same server options as the service's."""

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 2048
START_S = 30.0
STOP_S = 30.0
POLL_S = 0.05


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
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--fd", str(listener.fileno())],
            env={**os.environ, **environment},
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )
        host, port = listener.getsockname()
    try:
        _await(process, host, port)
        yield f"http://{host}:{port}"
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    """This waits for any answer, since the socket takes connections before the application runs."""
    with socket.create_connection((host, port), timeout=START_S) as connection:
        connection.sendall(b"GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if not connection.recv(1):
            raise RuntimeError(f"{process.args!r} does not answer")
    time.sleep(POLL_S)
