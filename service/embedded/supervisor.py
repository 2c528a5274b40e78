"""Keep named children running, and stop them in order.

One thread, one loop. It knows nothing of what its children do.
"""

import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from service.clock import seconds as clock_s
from service.embedded.process import Process, StartupError, stop, tail, wait_until

log = logging.getLogger(__name__)

WATCH_S = 0.1
DEATHS_MAX = 10
DEATHS_WITHIN_S = 60.0
FIRST_DELAY_S = 0.25
HASTENED_S = 5.0
LONGEST_DELAY_S = 5.0  # ten deaths with these delays still fit into the minute


@dataclass(slots=True, eq=False)
class Child:
    """`start` makes a new process each time it is called; it does not wait until it is ready."""

    name: str
    start: Callable[[], Process]
    log: Path
    stop_signal: signal.Signals
    stop_s: float
    hasten_signal: signal.Signals = signal.SIGKILL
    process: Process | None = None
    start_at: float | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS_MAX))

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def begin(self) -> None:
        self.start_at = None
        self.process = self.start()

    def check(self) -> bool:
        """Notice a death, or end the wait after one; True when it was started again.

        Raises StartupError after too many deaths.
        """
        if self.running:
            return False
        now = clock_s()
        if self.start_at is None:
            self.start_at = now + self.record_death(now)
        elif now >= self.start_at:
            self.begin()
            return True
        return False

    def record_death(self, now: float) -> float:
        """Record one death, and return the seconds to wait before the next start."""
        self.deaths.append(now)
        if len(self.deaths) == DEATHS_MAX and now - self.deaths[0] < DEATHS_WITHIN_S:
            raise StartupError(
                f"{self.name} died {DEATHS_MAX} times within a minute, so everything stops. "
                f"The end of {self.log}:\n{tail(self.log)}"
            )
        recent = sum(now - death < DEATHS_WITHIN_S for death in self.deaths)
        delay: float = min(FIRST_DELAY_S * 2 ** (recent - 1), LONGEST_DELAY_S)
        log.warning("%s %s; starting it again in %.1f s", self.name, self.last_words(), delay)
        return delay

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    def last_words(self) -> str:
        code = self.process.returncode if self.process else 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


class Supervisor:
    """Use as `with Supervisor() as supervisor`: the end of the block stops all that was started.

    SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in the block, once; the next one hastens the
    stop. `on_start` is called after every start with the process ids of all children by name.
    """

    def __init__(self, on_start: Callable[[Mapping[str, int]], None] | None = None) -> None:
        self._on_start = on_start
        self._groups: list[list[Child]] = []
        self._stopping = False
        self._hastened = False
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup wants it
            numbers.append(signal.SIGHUP)
        for number in numbers:
            before = signal.signal(number, self._on_signal)
            self._restore.append(partial(signal.signal, number, before))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        try:
            for group in reversed(self._groups):
                self._stop(group)
        finally:
            for restore in self._restore:
                restore()

    def start(self, *children: Child) -> None:
        """Start children that stop together, before all that were started earlier."""
        self._groups.append(list(children))
        for child in children:
            child.begin()
        self._report()

    def check(self) -> None:
        """Look at every child once. Call this often, also while waiting for one of them."""
        started = [child.check() for group in self._groups for child in group]
        if any(started):
            self._report()

    def wait_for(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        """Keep the children running until `ready`; False when that took too long."""
        deadline = clock_s() + seconds
        while not ready():
            if clock_s() > deadline:
                return False
            self.check()
            time.sleep(WATCH_S)
        return True

    def watch(self) -> None:
        """Keep the children running until a signal, which raises KeyboardInterrupt."""
        while True:
            self.check()
            time.sleep(WATCH_S)

    def _report(self) -> None:
        if self._on_start is None:
            return
        children = [child for group in self._groups for child in group]
        self._on_start(
            {child.name: child.process.pid for child in children if child.process is not None}
        )

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stopping:
            self._hastened = True
            return
        self._stopping = True
        raise KeyboardInterrupt

    def _stop(self, group: list[Child]) -> None:
        running = [child for child in group if child.running]
        if not running:
            return
        log.info("stopping %s", ", ".join(child.name for child in running))
        for child in running:
            child.signal(child.stop_signal)
        wait_until(
            lambda: self._hastened or not any(child.running for child in running),
            seconds=max(child.stop_s for child in running),
        )
        for child in running:
            if child.process is not None:
                stop(child.process, (child.hasten_signal, HASTENED_S))
