"""`running.json` in the data folder: which process is which program of a running `saxaul up`."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.embedded.home import write_private


@dataclass(slots=True)
class RunningFile:
    """Writes `running.json` for operators and tests, so that none has to guess from command lines.

    `programs` are process ids by the supervisor's names; `ready` is true once all of them serve.
    The file of a supervisor that was killed stays, and names a `pid` that is gone.
    """

    home: Path
    programs: dict[str, int] = field(default_factory=dict)
    ready: bool = False

    def set_programs(self, programs: Mapping[str, int]) -> None:
        """Writes the file anew with these process ids; call it at every start of a program."""
        self.programs = dict(programs)
        self._write()

    def set_ready(self) -> None:
        """Writes that the system is ready for its users."""
        self.ready = True
        self._write()

    def remove(self) -> None:
        """Removes the file after a clean stop."""
        self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.home / "running.json"

    def _write(self) -> None:
        content = {"pid": os.getpid(), "ready": self.ready, "programs": self.programs}
        write_private(self._file, json.dumps(content, indent=2) + "\n")
