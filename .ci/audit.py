#!/usr/bin/env python3
"""`make audit`: a bill of materials, and a look for known vulnerabilities in what is installed.

Writes dist/sbom.cdx.json (CycloneDX) and asks PyPI's advisories about every package of the lock.
It exits with 1 for a known vulnerability. Where no registry or no advisory service can be reached
it says so and exits with 0: a closed network is no finding, and no all-clear either.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
TOOLS_LOCK = ROOT / "requirements-audit.lock"
TOOLS = ROOT / ".venv" / "audit"  # an environment of their own: they need what Saxaul does not
SBOM = ROOT / "dist" / "sbom.cdx.json"
LIMIT_S = 300
NEXT_STEP = "Raise it (make lock ARGS=--upgrade), or say in SECURITY.md why it does not reach us."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the advisories said: the exit code, and lines to print."""

    exit_code: int
    lines: tuple[str, ...]


def judge(report: Mapping[str, Sequence[Mapping[str, object]]]) -> Verdict:
    """Read pip-audit's JSON report: a vulnerability is 1, what nobody could look up is named."""
    packages = report["dependencies"]
    unknown = [str(one["name"]) for one in packages if "skip_reason" in one]
    found = [_line(one) for one in packages if one.get("vulns")]
    if found:
        return Verdict(1, (*found, NEXT_STEP))
    if len(unknown) == len(packages):
        return Verdict(0, ("NOT AUDITED: the advisory service knows none of the packages here.",))
    lines = [f"No known vulnerability in {len(packages) - len(unknown)} packages."]
    if unknown:
        lines.append(f"NOT AUDITED, unknown to the service: {', '.join(unknown)}.")
    return Verdict(0, tuple(lines))


def _line(package: Mapping[str, object]) -> str:
    vulns = package["vulns"]
    assert isinstance(vulns, list)
    listed = "; ".join(
        f"{one['id']}, fixed in {', '.join(one['fix_versions']) or 'no version yet'}"
        for one in vulns
    )
    return f"VULNERABLE: {package['name']} {package['version']}: {listed}"


def _run(*command: object) -> "subprocess.CompletedProcess[str] | None":
    """Run a command; None when it does not end in time."""
    try:
        return subprocess.run(
            [str(part) for part in command],
            check=False,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return None


def _install_tools() -> str | None:
    """Install the tools of this audit; why not, if they cannot be had here."""
    done = TOOLS / ".installed"
    if done.exists() and done.stat().st_mtime >= TOOLS_LOCK.stat().st_mtime:
        return None
    if _run(sys.executable, "-m", "venv", TOOLS) is None:
        return "no environment could be made"
    pip = (TOOLS / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet")
    installed = _run(*pip, "install", "--require-hashes", "-r", TOOLS_LOCK)
    if installed is None or installed.returncode:
        said = installed.stderr.strip().splitlines() if installed else []
        return said[-1] if said else "the registry does not answer"
    done.touch()
    return None


def _write_sbom() -> str:
    SBOM.parent.mkdir(exist_ok=True)
    made = _run(
        TOOLS / "bin" / "cyclonedx-py", "requirements", LOCK, "--pyproject",
        ROOT / "pyproject.toml", "--output-reproducible", "--of", "JSON", "-o", SBOM,
    )  # fmt: skip
    if made is None or made.returncode:
        return f"No bill of materials: {made.stderr.strip() if made else 'it took too long'}"
    components = json.loads(SBOM.read_text())["components"]
    return f"Bill of materials: {SBOM.relative_to(ROOT)} (CycloneDX, {len(components)} components)."


def main() -> int:
    """Audit, print, and return the exit code."""
    why_not = _install_tools()
    if why_not is not None:
        print(f"NOT AUDITED, and no bill of materials: {why_not}")
        return 0
    print(_write_sbom())
    audited = _run(
        TOOLS / "bin" / "pip-audit", "--disable-pip", "--require-hashes", "-r", LOCK, "-f", "json",
        "--progress-spinner", "off",
    )  # fmt: skip
    try:
        report = json.loads(audited.stdout) if audited else None
    except json.JSONDecodeError:
        report = None
    if report is None:
        print("NOT AUDITED: the advisory service cannot be reached from here.")
        return 0
    verdict = judge(report)
    print(*verdict.lines, sep="\n")
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
