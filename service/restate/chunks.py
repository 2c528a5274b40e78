"""A run in chunks: one transaction for each chunk of people, one process at a time.

A run is a row that says which person is done last. Each chunk moves it on in its own transaction,
so a run that was killed goes on where it was, and nothing is done twice.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.errors import RunUnderWay
from service.resources import Resources
from service.restate import store
from service.restate.store import Person, Scope

ACTIONS_MAX = 5_000  # in one transaction, but for one person with more
NOBODY = Person(-1, UUID(int=0), 0)

Advanced = Callable[[int], None]
Step = Callable[[AsyncSession, RowMapping, Sequence[Person]], Awaitable[dict[str, object]]]


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """The most people and actions of one transaction."""

    people: int = store.PEOPLE_MAX
    actions: int = ACTIONS_MAX


@asynccontextmanager
async def alone(resources: Resources, what: str) -> AsyncIterator[None]:
    """Raise RunUnderWay when another process holds `what`; a killed one holds nothing."""
    async with resources.engine.connect() as connection:
        guard = await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not await store.try_lock(guard, what):
            raise RunUnderWay(
                f"Another process is at it ({what}). Wait for its end, or end it, and try again: "
                "it goes on where it was."
            )
        try:
            yield
        finally:
            await store.unlock(guard, what)


async def begin(resources: Resources, values: dict[str, object]) -> None:
    """Record a new run."""
    now = resources.clock()
    async with resources.sessions() as session, session.begin():
        await store.begin_run(session, values)
        target = f"run:{values['run_id']}"
        after = {name: value for name, value in values.items() if name not in ("result", "now")}
        await audit(session, "run.begun", target, after=after, now=now)


async def run_chunks(
    resources: Resources,
    run_id: UUID,
    scope: Scope,
    *,
    step: Step,
    size: ChunkLimits,
    advanced: Advanced,
) -> RowMapping:
    """Do the rest of a run and return its row. `step` gives the result to keep with its chunk."""
    while True:
        async with resources.sessions() as session, session.begin():
            run = await store.lock_run(session, run_id)
            people = _within(
                await store.people_after(
                    session, scope, bucket=run["next_bucket"], person=run["next_person"]
                ),
                size,
            )
            if not people:
                await store.end_run(session, run_id, resources.clock())
                break
            result = await step(session, run, people)
            done = sum(one.actions for one in people)
            await store.advance_run(
                session,
                run_id,
                last=people[-1],
                people=run["people"] + len(people),
                actions=run["actions"] + done,
                result=result,
            )
        advanced(done)
    async with resources.sessions() as session:
        found = await store.find_run(session, run_id)
    assert found is not None
    return found


async def read_chunks(
    resources: Resources, scope: Scope, *, size: ChunkLimits, advanced: Advanced
) -> AsyncIterator[tuple[AsyncSession, Sequence[Person]]]:
    """Yield the same people in the same order, for somebody who writes nothing."""
    last = NOBODY
    while True:
        async with resources.sessions() as session:
            people = _within(
                await store.people_after(session, scope, bucket=last.bucket, person=last.person_id),
                size,
            )
            if not people:
                return
            yield session, people
        last = people[-1]
        advanced(sum(one.actions for one in people))


def _within(people: Sequence[Person], size: ChunkLimits) -> list[Person]:
    """Return the first of them that fit in one transaction; one person at least."""
    kept: list[Person] = []
    actions = 0
    for one in people[: size.people]:
        actions += one.actions
        if kept and actions > size.actions:
            break
        kept.append(one)
    return kept
