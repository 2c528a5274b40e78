"""Use case: assess past actions again under another version, as new facts. Points stay."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from methodologies.catalogue import Catalogue
from methodologies.contract import Assessment, DataInvalid, Refusal
from methodologies.leaf import leaf_of_restatement
from service.clock import uuid7
from service.errors import RunUnfinished
from service.intake.ids import new_salts
from service.intake.outcome import is_limited
from service.journal.append import JournalRow, append
from service.journal.cell import Amounts, Cell
from service.resources import Resources
from service.restate import store
from service.restate.chunks import Advanced, ChunkLimits, alone, begin, read_chunks, run_chunks
from service.restate.decide import Moved, Past, RoomChange, Value, restate_days, room_change
from service.restate.effect import Before, Effect, read_effect
from service.restate.rules import Change, Span
from service.restate.store import Person, Scope
from service.totals.store import known_sums, years_mg

KIND = "restatement"
ALL_PPM = 1_000_000
Started = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Restater:
    """What assessing past actions again needs."""

    resources: Resources
    catalogue: Catalogue
    change: Change
    scope: Scope
    size: ChunkLimits

    async def moved(self, session: AsyncSession, people: Sequence[Person]) -> tuple[Moved, ...]:
        """Return what becomes of these people's actions. Reads only."""
        rows = await store.past_actions(session, self.scope, people)
        actions = [store.past_of(row, self._rule_region(row)) for row in rows]
        return restate_days(
            actions, from_=self.change.from_, to=self.change.to, assess=self._assess
        )

    async def step(
        self, session: AsyncSession, run: RowMapping, people: Sequence[Person]
    ) -> dict[str, object]:
        """Write one chunk: lock the accounts, then write the facts and one journal row."""
        await store.lock_accounts(session, people)
        moved = await self.moved(session, people)
        effect = read_effect(run["result"])
        if moved:
            effect.add(moved)
            now = self.resources.clock()
            batch_id, salts = uuid7(now), new_salts(len(moved))
            await store.copy_restatements(
                session, moved, salts, run_id=run["run_id"], batch_id=batch_id, now=now
            )
            changes = _changes(moved)
            if changes:
                await store.change_room(session, self.scope.activity, changes, now)
            await append(session, journal_row(moved, salts, batch_id))
        return effect.as_json()

    def _assess(self, past: Past) -> Assessment | Refusal:
        """Under the new version; data that it cannot read is refused by it."""
        return assess_past(self.catalogue, self.change.to, past)

    def _rule_region(self, row: RowMapping) -> str:
        """Return the region of the cell in which an action is counted; the sum behind it is done
        again.

        Empty for what is not restated, whose version may be none of this catalogue.
        """
        if row["rule_region"] is not None:
            return str(row["rule_region"])
        if row["methodology"] != self.change.from_:
            return ""
        result = self.catalogue.assess_under(
            row["methodology"],
            region=row["region"],
            day=row["local_day"],
            level=row["evidence_level"],
            data=row["data"],
        )
        assert isinstance(result, Assessment), f"{row['action_id']} does not recompute: {result}"
        assert result.gross_mg == row["gross_mg"], (
            f"{row['action_id']}: recorded gross {row['gross_mg']} mg, recomputed {result.gross_mg}"
        )
        return result.region


def assess_past(catalogue: Catalogue, reference: str, past: Past) -> Assessment | Refusal:
    """Return an action under a version by name; data that the version cannot read is a refusal."""
    try:
        return catalogue.assess_under(
            reference,
            region=past.region,
            day=past.local_day,
            level=past.evidence_level,
            data=past.data,
        )
    except DataInvalid as invalid:
        return Refusal("implausible", f"{reference} cannot read the data: {invalid}")


async def restate(
    resources: Resources,
    catalogue: Catalogue,
    change: Change,
    *,
    between: Span | None,
    closed: Span,
    size: ChunkLimits,
    started: Started,
    advanced: Advanced,
) -> dict[str, Any]:
    """Restate what is recorded under `change.from_`, or go on with what was begun, and report.

    Idempotent: a second run finds nothing under the old version. `closed` are the days of a new
    run; `between` None takes those of an unfinished one. Raises RunUnderWay and RunUnfinished.
    """
    async with alone(resources, KIND):
        run = await _find_or_begin(resources, change, between=between, closed=closed)
        scope = Scope(change.activity, run["first_day"], run["last_day"])
        restater = Restater(resources, catalogue, change, scope, size)
        async with resources.sessions() as session:
            started(await store.count_actions(session, scope), run["actions"])
        done = await run_chunks(
            resources, run["run_id"], scope, step=restater.step, size=size, advanced=advanced
        )
    return report_of(done)


async def try_out(
    resources: Resources,
    catalogue: Catalogue,
    change: Change,
    *,
    closed: Span,
    size: ChunkLimits,
    started: Started,
    advanced: Advanced,
) -> dict[str, Any]:
    """Return the report that `restate` would give now. Writes nothing and locks nothing."""
    scope = Scope(change.activity, closed.first, closed.last)
    restater = Restater(resources, catalogue, change, scope, size)
    async with resources.sessions() as session:
        effect = Effect(await _before(session, change))
        started(await store.count_actions(session, scope), 0)
    async for session, people in read_chunks(resources, scope, size=size, advanced=advanced):
        effect.add(await restater.moved(session, people))
    return {
        "run_id": None,
        "from": change.from_,
        "to": change.to,
        "first_day": closed.first.isoformat(),
        "last_day": closed.last.isoformat(),
        "status": "dry-run",
        **effect.report(),
    }


def report_of(run: RowMapping) -> dict[str, Any]:
    """Return what a restatement did, ready for JSON."""
    return {
        "run_id": str(run["run_id"]),
        "from": f"{run['methodology']}@{run['from_version']}",
        "to": run["target"],
        "first_day": run["first_day"].isoformat(),
        "last_day": run["last_day"].isoformat(),
        "status": run["status"],
        **read_effect(run["result"]).report(),
    }


async def _find_or_begin(
    resources: Resources, change: Change, *, between: Span | None, closed: Span
) -> RowMapping:
    async with resources.sessions() as session:
        for run in await store.unfinished(session, kind=KIND, methodology=change.methodology):
            same_days = between in (None, Span(run["first_day"], run["last_day"]))
            version = change.from_.partition("@")[2]
            if (run["from_version"], run["target"]) == (version, change.to) and same_days:
                return run
            raise RunUnfinished(
                f"A restatement of {run['methodology']} was begun and not finished. First give: "
                f"saxaul restate {run['methodology']} --from {run['from_version']} "
                f"--to {run['target'].partition('@')[2]} "
                f"--between {run['first_day']} {run['last_day']}"
            )
        before = await _before(session, change)
    now = resources.clock()
    run_id = uuid7(now)
    await begin(
        resources,
        {
            "run_id": run_id,
            "kind": KIND,
            "methodology": change.methodology,
            "from_version": change.from_.partition("@")[2],
            "target": change.to,
            "first_day": closed.first,
            "last_day": closed.last,
            "sample_ppm": ALL_PPM,
            "result": Effect(before).as_json(),
            "now": now,
        },
    )
    async with resources.sessions() as session:
        begun = await store.find_run(session, run_id)
    assert begun is not None
    return begun


async def _before(session: AsyncSession, change: Change) -> Before:
    """Return what is counted now: the measure of rule R13."""
    total = (await known_sums(session)).carbon()
    years = await years_mg(session, methodology=change.methodology)
    return Before(total.avoided_mg, years)


def _changes(moved: Sequence[Moved]) -> dict[tuple[int, UUID, date], RoomChange]:
    changes: dict[tuple[int, UUID, date], RoomChange] = {}
    for one in moved:
        key = one.past.bucket, one.past.person_id, one.past.local_day
        had, more = changes.get(key, RoomChange(0, 0, 0)), room_change(one)
        changes[key] = RoomChange(*(a + b for a, b in zip(had, more, strict=True)))
    return {key: change for key, change in changes.items() if any(change)}


def journal_row(moved: Sequence[Moved], salts: Sequence[bytes], batch_id: UUID) -> JournalRow:
    """Return the journal row that subtracts the old values from their cells and adds the new."""
    cells: dict[Cell, Amounts] = defaultdict(Amounts)
    for one in moved:
        cells[_cell(one.past, one.past.value)] -= _amounts(one.past.value, one.past.points)
        cells[_cell(one.past, one.now)] += _amounts(one.now, one.past.points)
    return JournalRow(
        bucket=min(one.past.bucket for one in moved),
        batch_id=batch_id,
        kind=KIND,
        actions=len(moved),
        people=0,
        deltas=dict(sorted(cells.items(), key=itemgetter(0))),
        leaves=b"".join(
            leaf_of_restatement(
                salt=salt,
                action=one.past.action_id.hex,
                sequence=one.past.sequence + 1,
                methodology=one.now.methodology,
                outcome=one.now.outcome,
                gross_mg=one.now.gross_mg,
                avoided_mg=one.now.avoided_mg,
            )
            for one, salt in zip(moved, salts, strict=True)
        ),
    )


def _cell(past: Past, value: Value) -> Cell:
    return Cell.under(
        value.methodology,
        local_day=past.local_day,
        activity=past.activity,
        partner=past.partner,
        region=value.region,
        evidence_level=past.counted_level,
        scope=past.scope,
    )


def _amounts(value: Value, points: int) -> Amounts:
    """Return what a value adds to its cell; the points of its action go with it."""
    return Amounts(
        actions=1,
        limited=int(is_limited(value.outcome, value.reason)),
        gross_mg=value.gross_mg,
        avoided_mg=value.avoided_mg,
        uncertainty_mg=value.uncertainty_mg,
        points=points,
    )
