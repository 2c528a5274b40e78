"""The dependency audit tells a vulnerability, an all-clear and a closed network apart."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


SOUND = {"name": "redis", "version": "5.3.1", "vulns": []}
UNKNOWN = {"name": "arq", "skip_reason": "Dependency not found on PyPI"}
WEAK = {
    "name": "fastapi",
    "version": "0.1",
    "vulns": [{"id": "PYSEC-2099-1", "fix_versions": ["0.2"]}],
}


def test_a_known_vulnerability_fails_and_says_where_it_is_fixed(audit: ModuleType) -> None:
    verdict = audit.judge({"dependencies": [SOUND, UNKNOWN, WEAK]})
    assert verdict.exit_code == 1
    assert verdict.lines[0] == "VULNERABLE: fastapi 0.1: PYSEC-2099-1, fixed in 0.2"


def test_what_nobody_could_look_up_is_not_called_sound(audit: ModuleType) -> None:
    verdict = audit.judge({"dependencies": [SOUND, UNKNOWN]})
    assert verdict.exit_code == 0
    assert verdict.lines == (
        "No known vulnerability in 1 packages.",
        "NOT AUDITED, unknown to the service: arq.",
    )


def test_a_closed_network_is_no_all_clear(audit: ModuleType) -> None:
    verdict = audit.judge({"dependencies": [UNKNOWN]})
    assert verdict.exit_code == 0
    assert verdict.lines[0].startswith("NOT AUDITED")


def test_every_package_of_the_lock_is_pinned_by_hash() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-audit.lock"):
        pins = (ROOT / lock).read_text().replace("\\\n", " ").splitlines()
        assert len(pins) > 1, lock
        assert [pin for pin in pins if pin.strip() and "--hash=sha256:" not in pin] == [], lock
