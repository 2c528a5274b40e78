"""A process with the libraries in its memory, which forks for each run of pytest.

Half of a short run is importing libraries, and those are the same for every mutant. Nothing of the
tree is imported here: each fork finds the code in the copy that it is told.
"""

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import orjson
import pytest

# What takes longest to import, as far as it is there.
LIBRARIES = (
    "aiohttp", "alembic", "arq", "asyncpg", "fastapi", "fpdf", "httpx", "hypothesis", "jinja2",
    "jmespath", "jwt", "limits.aio", "pint", "prometheus_client", "pydantic_settings",
    "redis.asyncio", "schemathesis", "segno", "sqlalchemy.ext.asyncio", "sqlmodel", "typer",
    "uvicorn", "yaml",
)  # fmt: skip


def main() -> None:
    """For each line of standard input run pytest as it says; answer with the exit code."""
    for name in LIBRARIES:
        with suppress(ImportError):
            import_module(name)
    assert not {"service", "methodologies", "workers"} & sys.modules.keys()
    for line in sys.stdin.buffer:
        asked = orjson.loads(line)
        child = os.fork()
        if child == 0:
            _run(Path(asked["tree"]), asked["arguments"], asked["output"], asked["environment"])
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(tree: Path, arguments: list[str], output: str, environment: dict[str, str]) -> None:
    """Become the run: its folder, its environment, its output; and end."""
    os.chdir(tree)
    os.environ.update(environment)
    sys.path[:0] = [str(tree), str(tree / "tests")]
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(old, new)
    code = pytest.main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
