"""A running Saxaul to send load to: one of our own for a while, or one that is there already.

All that is known of it is `demo.json`, its URL and its command line.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from loadtest.harness import (
    START_S,
    NotRunning,
    SystemUnderTest,
    demo_of,
    program,
    tail,
    wait_until,
)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
POLL_S = 0.1
READ_S = 10.0


@dataclass(frozen=True, slots=True)
class System:
    """Where the system is and how to speak to it. `pid` is `saxaul up`'s, when that is ours.

    A key that is not known is empty: what needs it is left out.
    """

    url: str
    home: Path
    partner_key: str
    webhooks_key: str
    admin_key: str
    database_url: str | None
    redis_url: str | None
    pid: int | None

    @property
    def alone(self) -> bool:
        """Whether nobody else sends anything: the system was started for us."""
        return self.pid is not None


@contextmanager
def started(folder: Path | None, **environment: str) -> Iterator[System]:
    """Run a system with a data folder of its own, and remove both at the end.

    `folder` is where the data folder is made: benchmark the disk that you mean to use. Raises
    NotRunning when it does not start.
    """
    with temporary_folder(folder) as own, terminable():
        tested = system_in(own, **environment)
        try:
            tested.start()
            yield system_of(tested)
        finally:
            tested.stop()


def system_in(folder: Path, **environment: str) -> SystemUnderTest:
    """A system that is not started yet, with its data folder in `folder`."""
    settings = {**os.environ, "SAXAUL_LOG_LEVEL": "warning", **environment}
    settings.pop("SAXAUL_PORT", None)  # a free one, and after a restart the same again
    return SystemUnderTest(folder / "home", settings)


def system_of(tested: SystemUnderTest) -> System:
    """How to speak to a system of ours that is running."""
    demo = tested.demo
    return System(
        url=demo["url"],
        home=tested.home,
        partner_key=demo["partner_key"],
        webhooks_key=demo["webhooks_key"],
        admin_key=demo["admin_key"],
        database_url=demo.get("owner_database_url") or demo["database_url"],
        redis_url=demo["redis_url"],
        pid=tested.process.pid,
    )


@contextmanager
def another_api(
    system: System, *, below: Sequence[str] = (), **environment: str
) -> Iterator[tuple[System, int]]:
    """One more API process beside those of a system of ours, with settings of its own; its id.

    `below` is a command that it runs under. Raises NotRunning when it does not become ready.
    """
    port = _free_port()
    log = system.home.parent / f"api-{port}.log"
    settings = {
        **os.environ,
        **{f"SAXAUL_{name.upper()}": key for name, key in _secrets_of(system.home).items()},
        "DATABASE_URL": system.database_url or "",
        "REDIS_URL": system.redis_url or "",
        "SAXAUL_HOME": str(system.home),
        "SAXAUL_PORT": str(port),
        "SAXAUL_LOG_LEVEL": "warning",
        **environment,
    }
    command = (*below, sys.executable, "-m", "service.main")
    url = f"http://127.0.0.1:{port}"
    with program(command, environment=settings, output=log) as process:
        wait_until(lambda: is_ready(url) or process.poll() is not None, seconds=START_S)
        if process.poll() is not None or not is_ready(url):
            raise NotRunning(f"another API process did not become ready. It said:\n{tail(log)}")
        yield replace(system, url=url), process.pid


@contextmanager
def temporary_folder(folder: Path | None) -> Iterator[Path]:
    """A folder for data folders, removed at the end."""
    made = Path(tempfile.mkdtemp(prefix="saxaul-load-", dir=folder))
    made.chmod(0o711)  # the embedded database's own user has to pass through
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def running(url: str | None, home: Path) -> System:
    """A system that runs already, as `demo.json` of `home` describes it.

    SAXAUL_PARTNER_KEY goes before the key in there. Raises NotRunning.
    """
    demo = demo_of(home)
    found_url = url or demo.get("url")
    key = os.environ.get("SAXAUL_PARTNER_KEY") or demo.get("partner_key")
    if not found_url or not key:
        raise NotRunning(
            f"There is no demo.json in {home}: run `saxaul up` first, or give --url and "
            "SAXAUL_PARTNER_KEY."
        )
    if not is_ready(found_url):
        raise NotRunning(f"{found_url}/readyz does not say ready.")
    return System(
        url=found_url,
        home=home,
        partner_key=key,
        webhooks_key=os.environ.get("SAXAUL_WEBHOOKS_KEY") or demo.get("webhooks_key", ""),
        admin_key=demo.get("admin_key", ""),
        database_url=demo.get("owner_database_url") or demo.get("database_url"),
        redis_url=demo.get("redis_url"),
        pid=None,
    )


def default_home() -> Path:
    """SAXAUL_HOME, or its default."""
    return Path(os.environ.get("SAXAUL_HOME", ".saxaul"))


def refuse_remote(url: str) -> None:
    """Raises NotRunning for a host that is not this machine: load on others needs their consent."""
    host = urlsplit(url).hostname
    if host not in LOOPBACK:
        raise NotRunning(f"{host} is not this machine. If you may load it, say --allow-remote.")


def is_ready(url: str) -> bool:
    """Whether /readyz says so."""
    try:
        return _get(url, "/readyz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def is_described(url: str) -> bool:
    """Whether the system hands out its OpenAPI document."""
    return _get(url, "/openapi.json")[0] == 200


def actions_in_totals(url: str) -> int:
    """How many actions GET /v1/totals counts."""
    return int(totals_of(url)["actions"])


def totals_of(url: str) -> dict[str, Any]:
    """GET /v1/totals. Raises NotRunning when it is not answered with them."""
    status, body = _get(url, "/v1/totals")
    if status != 200:
        raise NotRunning(f"GET {url}/v1/totals answers {status}.")
    return dict(json.loads(body))


def settled_actions(url: str, expected: int, *, seconds: float) -> int:
    """The actions in the totals once there are `expected`, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = actions_in_totals(url)
        if found >= expected or time.monotonic() > deadline:
            return found
        time.sleep(POLL_S)


def _secrets_of(home: Path) -> dict[str, str]:
    """The keys that `saxaul up` made for itself."""
    file = home / "secrets.json"
    return dict(json.loads(file.read_bytes())) if file.exists() else {}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _get(url: str, path: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=READ_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that nothing that we started is left behind."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
