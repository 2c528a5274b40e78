"""What `running.json` says from the first program on until a clean stop."""

import json
import os
from pathlib import Path

from service.embedded.running_file import RunningFile


def said(home: Path) -> dict:
    return json.loads((home / "running.json").read_text())


def test_it_names_the_supervisor_and_its_programs_until_it_is_removed(tmp_path: Path) -> None:
    file = RunningFile(tmp_path)

    file.set_programs({"postgres": 11})
    before = said(tmp_path)
    file.set_ready()
    file.set_programs({"postgres": 11, "api-1": 12})
    after = said(tmp_path)
    file.remove()

    assert before == {"pid": os.getpid(), "ready": False, "programs": {"postgres": 11}}
    assert after == {"pid": os.getpid(), "ready": True, "programs": {"postgres": 11, "api-1": 12}}
    assert list(tmp_path.iterdir()) == []
