"""Use case: what the public sees. From Valkey's counters; from PostgreSQL while they are away."""

import asyncio
import logging
from datetime import date, datetime, timedelta
from typing import TypedDict

from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.clock import Clock, seconds
from service.forest.trees import count_trees
from service.settings import GOAL_MG, PROGRAMME_FROM, PROGRAMME_TO
from service.totals import store
from service.totals.counters import Counters, CountersLost
from service.totals.goal import TRAILING, goal_on
from service.totals.schemas import (
    Apart,
    ByActivity,
    ByLevel,
    ByMethodology,
    ByRegion,
    GoalView,
    TotalsView,
    Trees,
    Uncertainty,
    Verified,
)
from service.totals.sums import Sums
from service.totals.uncertainty import relative_pct

TEXT = "Estimated avoided emissions (Scope 3+), by published methodologies."
CATCH_UP = timedelta(minutes=1)  # longer than counters need after a rebuild, clocks apart included
METHOD = "95 percent; linear inside a methodology version, root-sum-square between them"
_log = logging.getLogger(__name__)


class LiveTotals:
    """The totals as JSON, kept for `cache_seconds`; one reader refreshes, the others wait."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        counters: Counters,
        clock: Clock,
        cache_seconds: float,
    ) -> None:
        self._sessions = sessions
        self._counters = counters
        self._clock = clock
        self._cache_seconds = cache_seconds
        self._body = b""
        self._read_at = float("-inf")
        self._fell_back_at: datetime | None = None
        self._refreshing = asyncio.Lock()

    async def body(self) -> bytes:
        """Return the totals now, as JSON; at most `cache_seconds` old."""
        if seconds() - self._read_at > self._cache_seconds:
            async with self._refreshing:
                if seconds() - self._read_at > self._cache_seconds:
                    view = await self._view()
                    if view is not None:
                        self._body = view.model_dump_json(by_alias=True).encode()
                    self._read_at = seconds()
        return self._body

    async def body_as_of(self, as_of: datetime) -> bytes:
        """Return the totals as they were known at a moment, from the journal, as JSON."""
        async with self._sessions() as session:
            sums = (await store.sums_as_of(session, as_of)).without_empty()
            day = as_of.date()
            trailing_mg = await store.trailing_mg_as_of(
                session, as_of, after=day - TRAILING, until=day
            )
            view = await view_of(session, sums, as_of, trailing_mg)
        return view.model_dump_json(by_alias=True).encode()

    async def _view(self) -> TotalsView | None:
        """Return the totals; None as long as counters that came back know less than was shown."""
        async with self._sessions() as session:
            try:
                sums, as_of = await self._counters.read()
                if self._is_behind(as_of):
                    return None
                self._fell_back_at = None
            except (CountersLost, RedisError) as error:
                _log.warning("totals are answered from the database: %s", error)
                as_of = self._clock()
                sums = await store.known_sums(session)
                self._fell_back_at = self._clock()
            day = as_of.date()
            trailing_mg = await store.trailing_mg(session, after=day - TRAILING, until=day)
            return await view_of(session, sums.without_empty(), as_of, trailing_mg)

    def _is_behind(self, as_of: datetime) -> bool:
        """Return whether counters of that moment may lack what the database has told readers
        already.

        A rebuild begins with a snapshot that is older than the last answer from the database.
        """
        shown = self._fell_back_at
        return shown is not None and as_of < shown <= as_of + CATCH_UP


class TestTotals:
    """What one partner sees of its own test data: the same view, straight from the database."""

    __test__ = False  # to pytest this is no test, whatever its name

    def __init__(
        self, sessions: async_sessionmaker[AsyncSession], clock: Clock, partner: str
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self.partner = partner

    async def body(self) -> bytes:
        """Return the totals now, as JSON."""
        as_of = self._clock()
        async with self._sessions() as session:
            sums = (await store.known_sums(session, self.partner)).without_empty()
            day = as_of.date()
            trailing_mg = await store.trailing_mg(
                session, after=day - TRAILING, until=day, partner=self.partner
            )
            view = await view_of(session, sums, as_of, trailing_mg)
        return view.model_dump_json(by_alias=True).encode()

    async def body_as_of(self, as_of: datetime) -> bytes:
        """Return the totals as they were known at a moment, as JSON."""
        async with self._sessions() as session:
            sums = (await store.sums_as_of(session, as_of, self.partner)).without_empty()
            day = as_of.date()
            trailing_mg = await store.trailing_mg_as_of(
                session, as_of, after=day - TRAILING, until=day, partner=self.partner
            )
            view = await view_of(session, sums, as_of, trailing_mg)
        return view.model_dump_json(by_alias=True).encode()


async def view_of(
    session: AsyncSession,
    sums: Sums,
    as_of: datetime,
    trailing_mg: int,
) -> TotalsView:
    """Return the view of some sums; `trailing_mg` is that of the 365 days before."""
    day: date = as_of.date()
    carbon = sums.carbon()
    goal = goal_on(day, avoided_mg=carbon.avoided_mg, trailing_mg=trailing_mg)
    required = goal.required_rate_mg_per_year
    error_pct = relative_pct(sums)
    return TotalsView(
        text=TEXT,
        as_of=as_of,
        avoided_mg=str(carbon.avoided_mg),
        actions=carbon.actions,
        people=sums.people,
        points=sums.everything().points,
        trees=Trees(**await count_trees(session)),
        by_activity=[
            ByActivity(activity=name, **_figures(part))
            for name, part in sums.carbon_split("activity").items()
        ],
        by_methodology=[
            ByMethodology(methodology=name, **_figures(part))
            for name, part in sums.carbon_split("methodology").items()
        ],
        by_evidence_level=[
            ByLevel(evidence_level=name, **_figures(part))
            for name, part in sums.carbon_split("evidence_level").items()
        ],
        by_region=[
            ByRegion(region=name, **_figures(part))
            for name, part in sums.carbon_split("region").items()
        ],
        verified=Verified(**_figures(sums.verified())),
        kept_apart=[
            Apart(why=why, avoided_mg=str(one.avoided_mg), actions=one.actions)
            for why, one in sums.apart().items()
        ],
        goal=GoalView(
            target_mg=str(GOAL_MG),
            from_=PROGRAMME_FROM,
            to=PROGRAMME_TO,
            avoided_mg=str(goal.avoided_mg),
            share=format(goal.share, "f"),
            run_rate_mg_per_year=str(goal.run_rate_mg_per_year),
            required_rate_mg_per_year=None if required is None else str(required),
            projected_year=goal.projected_year,
        ),
        uncertainty=Uncertainty(
            relative_pct=None if error_pct is None else str(error_pct), method=METHOD
        ),
    )


class _Figures(TypedDict):
    avoided_mg: str
    actions: int
    uncertainty_pct: str | None


def _figures(part: Sums) -> _Figures:
    """Return what is shown of a part of the total, its uncertainty beside it (rule R16)."""
    carbon, error_pct = part.carbon(), relative_pct(part)
    return _Figures(
        avoided_mg=str(carbon.avoided_mg),
        actions=carbon.actions,
        uncertainty_pct=None if error_pct is None else str(error_pct),
    )
