"""A plain model of trees: one project, its orders, pools and lots. Points stand in the ledger's."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

from flow_ledger import Ledger

CHINA = timezone(timedelta(hours=8))
NEXT = {"funded": "planted", "planted": "accepted", "accepted": "surveyed", "surveyed": "surveyed"}
REFUNDABLE = ("pledged", "funded")


@dataclass(slots=True)
class Lot:
    """Trees that are planted together."""

    state: str = "pledged"
    planted: int = 0
    surviving: int = 0


@dataclass(slots=True)
class Tree:
    """A tree that was sold: to one buyer, or to the members of a pool."""

    owners: tuple[str, ...]
    lot: int
    is_shared: bool
    refunded: bool = False


@dataclass(slots=True)
class Pool:
    """A group that shares a tree; `held` are the points of those who are in it."""

    expires_at: datetime
    held: dict[str, int]
    poured: dict[tuple[date, str], int] = field(default_factory=dict)
    state: str = "open"


@dataclass(slots=True)
class Forest:
    """What should be: plain numbers, no clever code. Answers are a problem's name, or None."""

    ledger: Ledger
    price: int
    stock: int
    daily: int
    pool_days: int
    seasons: tuple[tuple[date, date], ...]
    trees: list[Tree] = field(default_factory=list)
    orders: list[Tree] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=lambda: [Lot()])

    def sold(self) -> int:
        return sum(not one.refunded for one in self.trees)

    def order(self, buyer: str, now: datetime) -> str | None:
        """Buy one tree for one person; return the problem, if there is one."""
        problem = self._problem(now)
        if problem is None and self.ledger.person(buyer).balance < self.price:
            problem = "not-enough-points"
        if problem is None:
            self.ledger.spend(buyer, self.price)
            self.orders.append(self._plant((buyer,), is_shared=False))
        return problem

    def refund(self, order: Tree) -> str | None:
        """Give points and tree back, once."""
        if order.refunded:
            return None
        if self.lots[order.lot].state not in REFUNDABLE:
            return "order-planted"
        order.refunded = True
        self.ledger.spend(order.owners[0], -self.price)
        return None

    def found(self, founder: str, now: datetime) -> str | None:
        """Found a pool, which needs a season and no tree; return the problem, if there is one."""
        if not self._in_season(now):
            return "out-of-season"
        self.pools.append(Pool(now + timedelta(days=self.pool_days), {founder: 0}))
        return None

    def join(self, person: str, now: datetime) -> str | None:
        """Join the last pool; return the problem, if there is one."""
        if not self._is_running(now):
            return "pool-ended"
        self.pools[-1].held.setdefault(person, 0)
        return None

    def pour(self, person: str, points: int, now: datetime) -> int | str:
        """Pour points into the last pool, cut to what is missing; return them, or the problem."""
        pool, today = self.pools[-1], (_day(now), person)
        if person not in pool.held:
            return "pool-not-found"
        if not self._is_running(now):
            return "pool-ended"
        missing = self.price - sum(pool.held.values())
        points = min(points, missing)
        if pool.poured.get(today, 0) + points > self.daily:
            return "daily-limit-reached"
        if self.ledger.person(person).balance < points:
            return "not-enough-points"
        problem = self._problem(now) if points == missing else None
        if problem is not None:
            return problem
        pool.poured[today] = pool.poured.get(today, 0) + points
        pool.held[person] += points
        self.ledger.spend(person, points)
        if points == missing:
            pool.state = "complete"
            self._plant(tuple(one for one, held in pool.held.items() if held), is_shared=True)
        return points

    def leave(self, person: str, now: datetime) -> int | str:
        """Leave the last pool with all that one has in it; return the points, or the problem."""
        pool = self.pools[-1]
        if person not in pool.held:
            return "pool-not-found"
        if not self._is_running(now):
            return "pool-ended"
        points = pool.held.pop(person)
        self.ledger.spend(person, -points)
        if not pool.held:
            pool.state = "dissolved"
        return points

    def end_pools(self, now: datetime) -> None:
        """Give everything back from pools whose time is over."""
        for pool in self.pools:
            if pool.state == "open" and pool.expires_at <= now:
                pool.state = "dissolved"
                for person, points in pool.held.items():
                    self.ledger.spend(person, -points)

    def fund(self) -> str | None:
        """Give the open lot to the planting partner, and open another one."""
        if not self.in_lot(len(self.lots) - 1):
            return "lot-not-fundable"
        self.lots[-1].state = "funded"
        self.lots.append(Lot())
        return None

    def report(self, number: int, lives: int) -> dict[str, Any] | None:
        """Return what the partner says next of a lot; None where there is nothing to plant."""
        lot, trees = self.lots[number], self.in_lot(number)
        if not trees:
            return None
        lot.state = NEXT[lot.state]
        report: dict[str, Any] = {"state": lot.state}
        if lot.state == "planted":
            report["planted"] = lot.planted = trees
        if lot.state == "surveyed":
            report["surviving"] = lot.surviving = min(lives, lot.planted)
        return report

    def in_lot(self, number: int) -> int:
        return sum(one.lot == number and not one.refunded for one in self.trees)

    def figures(self) -> dict[str, int]:
        """Return the project's three figures."""
        return {
            "contracted": self.sold(),
            "planted": sum(lot.planted for lot in self.lots),
            "surviving": sum(lot.surviving for lot in self.lots),
        }

    def figures_of(self, person: str, *, is_shared: bool) -> dict[str, int]:
        """Return a person's share of each lot, rounded down."""
        found = {"contracted": 0, "planted": 0, "surviving": 0}
        for number, lot in enumerate(self.lots):
            own = sum(
                person in one.owners and one.is_shared is is_shared
                for one in self.trees
                if one.lot == number and not one.refunded
            )
            trees = max(1, self.in_lot(number))
            found["contracted"] += own
            found["planted"] += own * lot.planted // trees
            found["surviving"] += own * lot.surviving // trees
        return found

    def pooled(self) -> int:
        """Return points that open pools hold."""
        return sum(sum(one.held.values()) for one in self.pools if one.state == "open")

    def _problem(self, now: datetime) -> str | None:
        if not self._in_season(now):
            return "out-of-season"
        return "sold-out" if self.sold() >= self.stock else None

    def _in_season(self, now: datetime) -> bool:
        return any(first <= _day(now) <= last for first, last in self.seasons)

    def _is_running(self, now: datetime) -> bool:
        return self.pools[-1].state == "open" and now < self.pools[-1].expires_at

    def _plant(self, owners: tuple[str, ...], *, is_shared: bool) -> Tree:
        self.trees.append(Tree(owners, len(self.lots) - 1, is_shared))
        return self.trees[-1]


def _day(now: datetime) -> date:
    return now.astimezone(CHINA).date()
