"""Both servers for as long as a block runs: for tests and scripts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.embedded.home import lock_home
from service.embedded.postgres import start_postgres
from service.embedded.valkey import start_valkey


@dataclass(frozen=True, slots=True)
class Servers:
    database_url: str  # the owner's: tests make databases, and break things
    app_database_url: str
    redis_url: str


@contextmanager
def embedded_servers(home: Path) -> Iterator[Servers]:
    """Yield a PostgreSQL and a Valkey of their own below `home`, on free ports, as durable as
    ever.
    """
    with (
        lock_home(home) as locked,
        start_postgres(locked.path, 0) as postgres,
        start_valkey(locked.path, 0) as valkey,
    ):
        locked.note("its servers only")
        yield Servers(
            database_url=postgres.url,
            app_database_url=postgres.app_url,
            redis_url=valkey.url,
        )
