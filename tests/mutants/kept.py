"""What earlier runs found, kept in `.mutants.json` for as long as the code is the same."""

from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import orjson

from mutants.listed import Mutant
from mutants.run import Verdict

TREES = ("service", "workers", "methodologies", "loadtest", "tests")
FILES = ("pyproject.toml", "requirements-dev.lock")


def fingerprint(root: Path) -> str:
    """The same for the same code and tests; the list of mutants is no part of it."""
    digest = sha256()
    files = [path for tree in TREES for path in (root / tree).rglob("*") if path.is_file()]
    for path in sorted([*files, *(root / name for name in FILES)]):
        if "__pycache__" not in path.parts and path.parent != root / "tests/mutants":
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


class Kept:
    """Verdicts by mutant, and tests that are known to pass without any mutant."""

    def __init__(self, root: Path) -> None:
        self._path = root / ".mutants.json"
        self._code = fingerprint(root)
        self._verdicts: dict[str, dict[str, str]] = {}
        self.sound: set[str] = set()
        if self._path.exists():
            found = orjson.loads(self._path.read_bytes())
            if found["code"] == self._code:
                self._verdicts, self.sound = found["verdicts"], set(found["sound"])

    def verdict(self, mutant: Mutant) -> Verdict | None:
        """What was found of exactly this mutant, if it was tried."""
        found = self._verdicts.get(mutant.digest)
        return None if found is None else Verdict(**found)

    def keep(self, mutant: Mutant, verdict: Verdict) -> None:
        """Write a verdict down at once: a run that is stopped goes on from here."""
        self._verdicts[mutant.digest] = asdict(verdict)
        self.write()

    def forget(self) -> None:
        """Forget everything."""
        self._verdicts, self.sound = {}, set()

    def write(self) -> None:
        """Write all down."""
        found = {"code": self._code, "sound": sorted(self.sound), "verdicts": self._verdicts}
        self._path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
