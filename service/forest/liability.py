"""The liability of outstanding points, against the trees and the money there are for it.

Two full sums over accounts and open earnings: for operators, and at most once a minute for
`/metrics`.
"""

import logging
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.clock import Clock, seconds
from service.forest.schemas import LiabilityView, ProjectLiability
from service.forest.season import Season, read_windows

LOOK_EVERY_S = 60
_log = logging.getLogger(__name__)

_OUTSTANDING = text("""
    SELECT (SELECT coalesce(sum(balance) FILTER (WHERE balance > 0), 0) FROM account)::int8
               AS balance,
           (SELECT coalesce(sum(points - collected - lapsed - reversed - to_friends), 0)
            FROM earning WHERE lapses_at > :now)::int8 AS uncollected
""")
_PROJECTS = text("""
    SELECT project, price_points, opens_on, closes_on, seasons, is_open, currency, cost_cents,
           budget_cents, stock,
           (SELECT coalesce(sum(sold), 0) FROM stock_cell
            WHERE stock_cell.project = project.project)::int8 AS contracted,
           (SELECT count(*) FROM certificate JOIN lot USING (lot)
            WHERE certificate.project = project.project AND voided_at IS NULL
              AND lot.state <> 'pledged')::int8 AS funded_trees
    FROM project ORDER BY project
""")
_POOLED = text("SELECT coalesce(sum(collected), 0)::int8 FROM pool WHERE state = 'open'")


async def liability_of(session: AsyncSession, *, now: datetime, alarm_pct: int) -> LiabilityView:
    """Outstanding points in trees and money by project, and whether the alarm is on.

    Points that are collected in open pools count as held. `covered` are the points that open
    projects with a season to come can take in with their stock, as far as their budget pays for it.
    """
    found = (await session.execute(_OUTSTANDING, {"now": now})).one()
    pooled = int((await session.execute(_POOLED)).scalar_one())
    balance = found.balance + pooled
    outstanding = balance + found.uncollected
    projects, covered = [], 0
    for row in await session.execute(_PROJECTS):
        one = _project(row, outstanding)
        projects.append(one)
        season = Season(row.opens_on, row.closes_on, read_windows(row.seasons))
        day = now.date()
        if row.is_open and (season.holds(day) or season.next_start(day) is not None):
            covered += one.trees_payable * row.price_points
    return LiabilityView(
        as_of=now,
        balance_points=balance,
        uncollected_points=found.uncollected,
        outstanding_points=outstanding,
        covered_points=covered,
        covered_pct=outstanding * 100 // covered if covered else None,
        alarm_pct=alarm_pct,
        alarm=outstanding * 100 > covered * alarm_pct,
        projects=projects,
    )


def _project(row: object, outstanding: int) -> ProjectLiability:
    cells = dict(row._mapping)  # type: ignore[attr-defined]  # SQLAlchemy's way to a row's names
    cost, budget = cells["cost_cents"], cells["budget_cents"]
    contracted, left = cells["contracted"], cells["stock"] - cells["contracted"]
    trees = outstanding // cells["price_points"]
    has_money = cost is not None
    budget_left = budget - contracted * cost if has_money else None
    payable = left if budget_left is None else max(0, min(left, budget_left // cost))
    return ProjectLiability(
        project_id=cells["project"],
        price_points=cells["price_points"],
        trees_outstanding=trees,
        stock_left=left,
        contracted=contracted,
        funded_trees=cells["funded_trees"],
        currency=cells["currency"],
        cost_cents=cost,
        budget_cents=budget,
        contracted_cents=contracted * cost if has_money else None,
        spent_cents=cells["funded_trees"] * cost if has_money else None,
        budget_left_cents=budget_left,
        outstanding_cents=trees * cost if has_money else None,
        trees_payable=payable,
    )


class LiabilityGauges:
    """The liability in `/metrics`, looked at again when the last look is a minute old."""

    def __init__(
        self,
        registry: CollectorRegistry,
        sessions: async_sessionmaker[AsyncSession],
        clock: Clock,
        alarm_pct: int,
    ) -> None:
        self._sessions, self._clock, self._alarm_pct = sessions, clock, alarm_pct
        self._outstanding = Gauge(
            "saxaul_points_outstanding", "Points people may still spend.", registry=registry
        )
        self._covered = Gauge(
            "saxaul_points_covered", "Points that trees on offer can take in.", registry=registry
        )
        self._alarm = Gauge(
            "saxaul_liability_alarm",
            "1 when outstanding points pass SAXAUL_LIABILITY_ALARM_PCT of the covered ones.",
            registry=registry,
        )
        self._look_again_s = 0

    async def look(self) -> None:
        """Read the liability again and set the gauges, at most once a minute."""
        if seconds() < self._look_again_s:
            return
        self._look_again_s = int(seconds()) + LOOK_EVERY_S
        try:
            async with self._sessions() as session:
                view = await liability_of(session, now=self._clock(), alarm_pct=self._alarm_pct)
        except (DBAPIError, PoolTimeout, OSError) as error:
            _log.warning("the liability keeps its last figures: %r", error)
            return
        self._outstanding.set(view.outstanding_points)
        self._covered.set(view.covered_points)
        self._alarm.set(view.alarm)
