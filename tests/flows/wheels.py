"""The two distributions as users have them: wheels of a clean checkout in fresh environments.

Nothing is downloaded. What the wheels need comes from the environment of the tests: all of it by a
`.pth` file (those inside it are not read, so the source folder stays out), or only the
distributions that a wheel names, as links.
"""

import ast
import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from sysconfig import get_path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
# Parts of a library that its own documents tell users to import, and the name it is installed by.
PARTS = {"markupsafe": "jinja2", "pydantic-core": "pydantic", "starlette": "fastapi"}


def checkout(folder: Path) -> Path:
    """What is under version control, or would be, alone."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@dataclass(frozen=True, slots=True)
class Wheel:
    """A built wheel."""

    path: Path

    @property
    def names(self) -> set[str]:
        """The files in it, apart from its own metadata."""
        with zipfile.ZipFile(self.path) as file:
            return {name for name in file.namelist() if ".dist-info/" not in name}

    @property
    def metadata(self) -> Message:
        with zipfile.ZipFile(self.path) as file:
            (name,) = (one for one in file.namelist() if one.endswith(".dist-info/METADATA"))
            return email.message_from_bytes(file.read(name))

    def requires(self, *, extras: bool) -> set[str]:
        """The names of the distributions that it needs; with those of its extras, if asked."""
        found = [Requirement(text) for text in self.metadata.get_all("Requires-Dist", [])]
        return {
            canonicalize_name(one.name)
            for one in found
            if extras or "extra" not in str(one.marker or "")
        }

    def imported(self) -> dict[tuple[str, ...], str]:
        """What its code imports, as the names that may provide it, with one file that does.

        A namespace such as `opentelemetry` is provided by several distributions.
        """
        own = {name.partition("/")[0] for name in self.names}
        providers = packages_distributions()
        found: dict[tuple[str, ...], str] = {}
        with zipfile.ZipFile(self.path) as file:
            for name in sorted(one for one in self.names if one.endswith(".py")):
                for module in _imported(ast.parse(file.read(name))):
                    if module not in own and module not in sys.stdlib_module_names:
                        several = sorted(
                            set(map(canonicalize_name, providers.get(module, [module])))
                        )
                        found.setdefault(tuple(several), name)
        return found


def build(folder: Path, into: Path) -> Wheel:
    """The wheel of a project folder, as a build front end would make it."""
    into.mkdir()
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into), cwd=folder)
    (path,) = into.glob("*.whl")
    return Wheel(path)


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment far from the source folder."""

    folder: Path

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs outside the source folder; the answer holds code and texts."""
        return subprocess.run(
            [self.program(name), *arguments],
            cwd=self.folder.parent, env=clean(), capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip


def environment(folder: Path, *wheels: Wheel) -> Environment:
    """A fresh environment with these wheels and nothing else."""
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=folder.parent)
    made = Environment(folder)
    _run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet",
        "--python", made.program("python"), "install", "--no-index", "--no-deps",
        *(str(wheel.path) for wheel in wheels),
        cwd=folder.parent,
    )  # fmt: skip
    return made


def see_everything(made: Environment) -> None:
    """Let an environment see all third-party packages of the tests' own."""
    (made.packages / "third_party.pth").write_text(f"{get_path('purelib')}\n")


def see_only(made: Environment, names: Iterable[str]) -> set[str]:
    """Let it see these distributions and what they need; the answer is all of their names."""
    found: set[str] = set()
    left = [canonicalize_name(name) for name in names]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        left += [
            canonicalize_name(one.name)
            for one in map(Requirement, distribution(name).requires or [])
            if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    for name in found:
        for top in _tops(name):
            link = made.packages / top.name
            if not link.exists():
                link.symlink_to(top)
    return found


def clean() -> dict[str, str]:
    """The variables of this process without what leads to the source folder or sets the system."""
    led = ("SAXAUL_", "DATABASE_URL", "REDIS_URL", "PYTHON", "METHODOLOGY_PATH", "VIRTUAL_ENV")
    return {name: one for name, one in os.environ.items() if not name.startswith(led)} | {
        "COLUMNS": "200"
    }


def tracked(checked_out: Path, *folders: str) -> set[str]:
    """The files below folders of a checkout, as a wheel names them."""
    return {
        str(path.relative_to(checked_out))
        for folder in folders
        for path in (checked_out / folder).rglob("*")
        if path.is_file() and path.name != "pyproject.toml"
    }


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _tops(name: str) -> set[Path]:
    """The files and folders that a distribution has directly in its site-packages."""
    one = distribution(name)
    packages = Path(str(one.locate_file("")))
    tops = {file.parts[0] for file in one.files or () if not re.match(r"\.\.|__pycache__|bin$",
                                                                      file.parts[0])}  # fmt: skip
    return {packages / top for top in tops}


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=clean(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
