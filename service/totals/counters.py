"""The live counters in Valkey: apply, settle, replace, read. Atomic steps are a Function library.

They can be lost at any moment (flush, restart, failover): every read and write names the generation
that it belongs to, and the generation names the programme (another database has other counters)
and the server's run.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.exceptions import ResponseError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.journal.cell import Amounts, LiveCell, live_fields
from service.journal.take import TakenRow, programme_id
from service.totals import keys
from service.totals.sums import Sums, read_fields

LIBRARY = Path(__file__).with_name("functions.lua")
_KEYS = (keys.GENERATION, keys.SUMS, keys.APPLIED, keys.AS_OF)
_LOST = -1


class CountersLost(RuntimeError):
    """The counters are not there, or are another server run's: rebuild them."""


class Counters:
    """Reads and changes the live counters in Valkey."""

    def __init__(self, valkey: Redis, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._valkey = valkey
        self._sessions = sessions
        self._programme = ""

    async def load_library(self) -> None:
        """Load the functions; a server that was restarted without its data has forgotten them."""
        library = await asyncio.to_thread(LIBRARY.read_text)
        await self._call_server("FUNCTION", "LOAD", "REPLACE", library)

    async def run_id(self) -> str:
        """Return the id of the server's run; another run may hold an older copy of the counters."""
        info = await self._valkey.info("server")
        return str(info["run_id"])

    async def programme(self) -> str:
        """Return the id of the programme whose database this is."""
        if not self._programme:
            async with self._sessions() as session:
                self._programme = str(await programme_id(session))
        return self._programme

    async def generation(self) -> str:
        """Return the generation of the counters. Raises CountersLost."""
        found = await self._valkey.get(keys.GENERATION)
        if not str(found).startswith(f"{await self.programme()}:{await self.run_id()}:"):
            raise CountersLost("the counters are missing or from an earlier run of the server")
        return str(found)

    async def apply(self, generation: str, rows: Sequence[TakenRow]) -> None:
        """Add rows, each once. Raises CountersLost; rows that were added stay remembered."""
        if not rows:
            return
        async with self._valkey.pipeline(transaction=False) as pipe:
            for row in rows:
                pipe.execute_command(
                    "FCALL", "saxaul_totals_apply", len(_KEYS), *_KEYS, generation,
                    str(row.batch_id), *_flat(_increments(row)),
                )  # fmt: skip
            answers = await self._run(pipe.execute())
        if _LOST in answers:
            raise CountersLost("the counters were lost while rows were applied")

    async def settle(self, generation: str, moment: datetime, rows: Sequence[TakenRow]) -> None:
        """Say that all up to `moment` is counted, and forget rows whose marks are gone."""
        await self._call(
            "saxaul_totals_settle", generation, moment.isoformat(), *(str(r.batch_id) for r in rows)
        )

    async def replace(self, sums: Sums, moment: datetime, applied: Iterable[UUID]) -> None:
        """Put these sums in place of whatever is there, in one atomic step."""
        await self.load_library()
        ids = [str(one) for one in applied]
        fields = [pair for cell, total in sums.cells.items() for pair in live_fields(cell, total)]
        fields.append((keys.PEOPLE_FIELD, sums.people))
        generation = f"{await self.programme()}:{await self.run_id()}:{uuid4()}"
        await self._call(
            "saxaul_totals_replace", generation, moment.isoformat(), len(ids), *ids, *_flat(fields)
        )

    async def read(self) -> tuple[Sums, datetime]:
        """Return the sums, and up to when they are complete. Raises CountersLost."""
        async with self._valkey.pipeline(transaction=True) as pipe:
            pipe.get(keys.GENERATION)
            pipe.hgetall(keys.SUMS)
            pipe.get(keys.AS_OF)
            generation, fields, as_of = await pipe.execute()
        if as_of is None or not str(generation).startswith(await self.programme()):
            raise CountersLost("the counters are not there")
        return read_fields(fields), datetime.fromisoformat(as_of)

    async def _call(self, function: str, *args: object) -> object:
        return await self._call_server("FCALL", function, len(_KEYS), *_KEYS, *args)

    async def _call_server(self, *command: object) -> object:
        return await self._run(self._valkey.execute_command(*command))  # type: ignore[no-untyped-call]  # the client is not typed here

    @staticmethod
    async def _run(call: Awaitable[Any]) -> Any:
        try:
            return await call
        except ResponseError as error:
            if "Function not found" in str(error):
                raise CountersLost("the server has forgotten the functions") from error
            raise


def _increments(row: TakenRow) -> Iterable[tuple[str, int]]:
    sums: dict[LiveCell, Amounts] = defaultdict(Amounts)
    for cell, added in row.deltas:
        sums[cell.live] += added
    for live, total in sums.items():
        yield from live_fields(live, total)
    if row.people:
        yield keys.PEOPLE_FIELD, row.people


def _flat(pairs: Iterable[tuple[str, int]]) -> list[object]:
    return [part for pair in pairs for part in pair]
