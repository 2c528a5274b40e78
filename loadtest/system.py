"""A running Saxaul to send load to: one of our own for a while, or one that is there already.

All that is known of it is `demo.json`, its URL and its command line.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import httpx

from loadtest.harness import (
    START_S,
    NotRunning,
    SystemUnderTest,
    default_home,
    demo_of,
    program,
    tail,
    tls_context,
    wait_until,
)
from loadtest.ripening import policy_at_once

LOOPBACK = ("127.0.0.1", "::1", "localhost")
POLL_S = 0.1
ANSWER_S = 60.0


class NotAllowed(NotRunning):
    """The system is on another machine, and nobody said that it may be loaded."""


@dataclass(frozen=True, slots=True)
class System:
    """Where a system is and with which keys one speaks to it.

    `pid` is that of `saxaul up` when the system is ours. What is not known is empty or None, and
    what needs it is left out.
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

    def client(self, key: str = "") -> httpx.Client:
        """An HTTP client of the system, with a key or without."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=ANSWER_S,
            trust_env=False,
            verify=tls_context(),
        )

    def totals(self) -> dict[str, Any]:
        """The answer of GET /v1/totals. Raises NotRunning when there is none."""
        try:
            with self.client() as client:
                return dict(client.get("/v1/totals").raise_for_status().json())
        except httpx.HTTPError as error:
            raise NotRunning(f"GET {self.url}/v1/totals: {error}") from error

    def settled_actions(self, expected: int, *, seconds: float) -> int:
        """The actions in the totals once there are `expected`, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while (found := int(self.totals()["actions"])) < expected:
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        return found


def add_system_options(parser: argparse.ArgumentParser) -> None:
    """This adds the options that say which system is loaded; `chosen_system` reads them."""
    parser.add_argument("--url", help="a system that runs already")
    parser.add_argument("--home", type=Path, help="its data folder, for demo.json and reconcile")
    parser.add_argument("--dir", type=Path, help="where a data folder of our own is made")
    parser.add_argument(
        "--allow-remote", action="store_true", help="also load a host that is not this machine"
    )


def chosen_system(options: argparse.Namespace) -> System:
    """The system that the options name, or that runs here.

    Raises NotRunning when there is none, and NotAllowed when it is on another machine and the
    options do not allow that: load on others needs their consent.
    """
    system = running_system(options.url, options.home or default_home())
    host = urlsplit(system.url).hostname
    if host not in LOOPBACK and not options.allow_remote:
        raise NotAllowed(f"{host} is not this machine. If you may load it, say --allow-remote.")
    return system


def running_system(url: str | None, home: Path) -> System:
    """A system that runs already, at `url` or where `demo.json` of `home` says.

    SAXAUL_PARTNER_KEY and SAXAUL_WEBHOOKS_KEY go before the keys in `demo.json`. Raises NotRunning.
    """
    demo = demo_of(home)
    url = url or demo.get("url")
    key = os.environ.get("SAXAUL_PARTNER_KEY") or demo.get("partner_key")
    if not url or not key:
        raise NotRunning(
            f"There is no demo.json in {home}: run `saxaul up` first, or give --url and "
            "SAXAUL_PARTNER_KEY."
        )
    if not is_ready(url):
        raise NotRunning(f"{url}/readyz does not say ready.")
    keys = {"partner_key": key}
    if webhooks_key := os.environ.get("SAXAUL_WEBHOOKS_KEY"):
        keys["webhooks_key"] = webhooks_key
    return _system({**demo, **keys, "url": url}, home, None)


@contextmanager
def started_system(folder: Path | None, **environment: str) -> Iterator[System]:
    """This runs a system with a data folder of its own, and removes both at the end.

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
    """A system that is not started yet, with its data folder in `folder`.

    Its points ripen at once, so that people have something to collect and to spend.
    """
    # All load comes from this machine's one address.
    usual = {
        "SAXAUL_LOG_LEVEL": "warning",
        "SAXAUL_ADDRESS_CONNECTIONS": "4096",
        "SAXAUL_WEBHOOK_LOOPBACK": "true",  # the receiver is here, too
    }
    points = {"SAXAUL_POLICY": str(policy_at_once(folder))}
    settings = {**os.environ, **usual, **points, **environment}
    settings.pop("SAXAUL_PORT", None)  # a free one, and after a restart the same again
    return SystemUnderTest(folder / "home", settings)


def system_of(tested: SystemUnderTest) -> System:
    """The address and the keys of a system of ours that is running."""
    return _system(tested.demo, tested.home, tested.process.pid)


@contextmanager
def another_api(
    system: System, *, below: Sequence[str] = (), **environment: str
) -> Iterator[tuple[System, int]]:
    """One more API process beside those of a system of ours, with settings of its own; its id.

    `below` is a command that it runs under. Raises NotRunning when it does not become ready.
    """
    port = _free_port()
    log = system.home.parent / f"api-{port}.log"
    secrets = json.loads((system.home / "secrets.json").read_bytes())
    settings = {
        **os.environ,
        **{f"SAXAUL_{name.upper()}": key for name, key in secrets.items()},
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
    """A folder for data folders, in `folder` if that is not None; removed at the end."""
    made = Path(tempfile.mkdtemp(prefix="saxaul-load-", dir=folder))
    made.chmod(0o711)  # the embedded database's own user has to pass through
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def terminable() -> Iterator[None]:
    """This lets SIGTERM end the block as Ctrl-C does, so that all that was started is ended."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(run: Callable[[], int], *failures: type[Exception]) -> int:
    """The exit code of a command: what `run` returns, or 130 after Ctrl-C.

    It is 2 when there is no system, or after another of the `failures`, whose message is printed.
    """
    expected: tuple[type[Exception], ...] = (NotRunning, *failures)
    try:
        return run()
    except expected as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def is_ready(url: str) -> bool:
    """Whether /readyz says so."""
    try:
        return httpx.get(
            f"{url}/readyz", timeout=ANSWER_S, trust_env=False, verify=tls_context()
        ).is_success
    except httpx.HTTPError:
        return False


def _system(demo: dict[str, Any], home: Path, pid: int | None) -> System:
    return System(
        url=demo["url"],
        home=home,
        partner_key=demo["partner_key"],
        webhooks_key=demo.get("webhooks_key", ""),
        admin_key=demo.get("admin_key", ""),
        database_url=demo.get("owner_database_url") or demo.get("database_url"),
        redis_url=demo.get("redis_url"),
        pid=pid,
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
