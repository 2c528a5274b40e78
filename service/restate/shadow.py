"""Use case: run another version or method over past actions, and only compare. Never counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.catalogue import Catalogue
from methodologies.contract import Edition
from service.clock import uuid7
from service.resources import Resources
from service.restate import store
from service.restate.chunks import Advanced, ChunkLimits, alone, begin, run_chunks
from service.restate.compare import is_sampled, read_comparisons
from service.restate.restate import Started, assess_past
from service.restate.rules import Span
from service.restate.store import DECIDED, Person, Scope

KIND = "shadow"


@dataclass(frozen=True, slots=True)
class Shadow:
    """What comparing needs."""

    catalogue: Catalogue
    alternative: Edition
    methodology: str
    scope: Scope
    sample_ppm: int

    async def step(
        self, session: AsyncSession, run: RowMapping, people: Sequence[Person]
    ) -> dict[str, object]:
        """Compare one chunk. Reads only; what was reversed gives nothing and is left alone."""
        found = read_comparisons(run["result"])
        for row in await store.past_actions(session, self.scope, people):
            if row["is_reversed"] or not is_sampled(row["action_id"], self.sample_ppm):
                continue
            past = store.past_of(row, row["rule_region"] or "")
            id_ = (past.value.methodology or self.methodology).partition("@")[0]
            if id_ == self.methodology:
                found.put(past, assess_past(self.catalogue, self.alternative.reference, past))
        return found.as_json()


async def compare(
    resources: Resources,
    catalogue: Catalogue,
    *,
    methodology: str,
    alternative: Edition,
    sample_ppm: int,
    between: Span,
    size: ChunkLimits,
    started: Started,
    advanced: Advanced,
) -> dict[str, Any]:
    """Compare a methodology's actions with an alternative, or finish what was begun, and report.

    Each finished run stays as it is: the same question again is a new run. Raises RunUnderWay.
    """
    scope = Scope(alternative.activity, between.first, between.last, (*DECIDED, "refused"))
    shadow = Shadow(catalogue, alternative, methodology, scope, sample_ppm)
    asked = f"{KIND} {methodology} {alternative.reference} {sample_ppm} {between}"
    async with alone(resources, asked):
        run = await _find_or_begin(
            resources, methodology, alternative.reference, sample_ppm, between
        )
        async with resources.sessions() as session:
            started(await store.count_actions(session, scope), run["actions"])
        done = await run_chunks(
            resources, run["run_id"], scope, step=shadow.step, size=size, advanced=advanced
        )
    return comparison_of(done)


def comparison_of(run: RowMapping) -> dict[str, Any]:
    """Return what a shadow run found, ready for JSON."""
    return {
        "run_id": str(run["run_id"]),
        "methodology": run["methodology"],
        "alternative": run["target"],
        "first_day": run["first_day"].isoformat(),
        "last_day": run["last_day"].isoformat(),
        "sample_ppm": run["sample_ppm"],
        "status": run["status"],
        **read_comparisons(run["result"]).report(),
    }


async def _find_or_begin(
    resources: Resources, methodology: str, target: str, sample_ppm: int, between: Span
) -> RowMapping:
    asked = (target, sample_ppm, between)
    async with resources.sessions() as session:
        for run in await store.unfinished(session, kind=KIND, methodology=methodology):
            if (run["target"], run["sample_ppm"], Span(run["first_day"], run["last_day"])) == asked:
                return run
    now = resources.clock()
    run_id = uuid7(now)
    await begin(
        resources,
        {
            "run_id": run_id,
            "kind": KIND,
            "methodology": methodology,
            "from_version": None,
            "target": target,
            "first_day": between.first,
            "last_day": between.last,
            "sample_ppm": sample_ppm,
            "result": {"cells": []},
            "now": now,
        },
    )
    async with resources.sessions() as session:
        begun = await store.find_run(session, run_id)
    assert begun is not None
    return begun
