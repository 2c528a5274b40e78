"""Use case: prove that everything adds up, to the milligram and to the point. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.journal.cell import Amounts
from service.journal.take import pending
from service.reconciliation import store
from service.reconciliation.claims import ClaimReader, count_unowned
from service.totals.apply import DAYS, LIVE
from service.totals.counters import Counters, CountersLost
from service.totals.store import known_sums

# Each query counts what breaks a rule; 0 is the proof. The words are shown to the operator.
RULES: Mapping[str, str] = {
    "an event is recorded once": """
        SELECT count(*) FROM (
            SELECT 1 FROM action GROUP BY bucket, person_id, source, event_id,
                date_trunc('month', local_day) HAVING count(*) > 1) AS twice""",
    "a claim is owned by an action that was credited": """
        SELECT count(*) FROM claim LEFT JOIN action USING (action_id)
        WHERE action.action_id IS NULL OR action.outcome IN ('refused', 'already_claimed')""",
    "two corroborating actions point to each other": """
        SELECT count(*) FROM corroboration AS one LEFT JOIN corroboration AS other
            ON other.action_id = one.other_id
        WHERE one.is_first AND (other.other_id IS DISTINCT FROM one.action_id OR other.is_first)
           OR NOT one.is_first AND NOT coalesce(other.is_first, false)""",
    "balance = sum of entries": """
        SELECT count(*) FROM account FULL JOIN (
            SELECT bucket, person_id, sum(points) AS points FROM entry GROUP BY 1, 2) AS sums
        USING (bucket, person_id)
        WHERE coalesce(account.balance, 0) <> coalesce(sums.points, 0)""",
    "balance_after of the last entry = balance": """
        SELECT count(*) FROM (
            SELECT DISTINCT ON (bucket, person_id) bucket, person_id, balance_after FROM entry
            ORDER BY bucket, person_id, entry_id DESC) AS last
        JOIN account USING (bucket, person_id) WHERE account.balance <> last.balance_after""",
    "earnings = points of actions": """
        SELECT count(*) FROM (
            SELECT bucket, person_id, local_day, activity, sum(points) AS points FROM (
                SELECT bucket, person_id, local_day, activity, points FROM action
                WHERE points <> 0
                UNION ALL SELECT bucket, person_id, local_day, activity, points FROM moved_earning
                UNION ALL SELECT account.bucket, account.person_id, local_day, activity, -points
                FROM moved_earning AS moved JOIN account ON account.person_id = moved.waiting_id
            ) AS given GROUP BY 1, 2, 3, 4 HAVING sum(points) <> 0) AS credited
        FULL JOIN (
            SELECT bucket, person_id, local_day, activity, sum(points) AS points FROM earning
            WHERE points <> 0 GROUP BY 1, 2, 3, 4) AS earning
        USING (bucket, person_id, local_day, activity)
        WHERE coalesce(credited.points, 0) <> coalesce(earning.points, 0)""",
    "collected = entries of collecting": """
        SELECT count(*) FROM (
            SELECT bucket, person_id, sum(collected) AS points FROM earning GROUP BY 1, 2
        ) AS taken FULL JOIN (
            SELECT bucket, person_id, sum(points) AS points FROM entry WHERE kind = 'collect'
            GROUP BY 1, 2) AS entered USING (bucket, person_id)
        WHERE coalesce(taken.points, 0) <> coalesce(entered.points, 0)""",
    "taken by friends = entries of taking": """
        SELECT abs((SELECT coalesce(sum(to_friends), 0) FROM earning)
                 - (SELECT coalesce(sum(points), 0) FROM entry WHERE kind = 'take'))
             + count(*) FROM (
            SELECT bucket, person_id, local_day, activity, round, sum(points) AS points
            FROM friend_take GROUP BY 1, 2, 3, 4, 5) AS taken
        FULL JOIN (SELECT * FROM earning WHERE to_friends <> 0) AS earning
        USING (bucket, person_id, local_day, activity, round)
        WHERE coalesce(taken.points, 0) <> coalesce(earning.to_friends, 0)""",
    "gifts add up to nothing": """
        SELECT abs(coalesce(sum(points), 0)) + abs(
            coalesce(sum(points) FILTER (WHERE points > 0), 0)
            - (SELECT coalesce(sum(points), 0) FROM watering))
        FROM entry WHERE kind = 'gift'""",
    "reversed = points taken back": """
        SELECT count(*) FROM (
            SELECT coalesce(moved_to, person_id) AS person_id, sum(reversed + taken_back) AS points
            FROM earning JOIN account USING (bucket, person_id) GROUP BY 1
        ) AS taken FULL JOIN (
            SELECT coalesce(moved_to, person_id) AS person_id, sum(points) AS points
            FROM reversal JOIN account USING (bucket, person_id) GROUP BY 1
        ) AS undone USING (person_id)
        WHERE coalesce(taken.points, 0) <> coalesce(undone.points, 0)""",
    "a waiting account that was linked is closed and empty": """
        SELECT count(*) FROM link LEFT JOIN account ON account.person_id = link.waiting_id
        WHERE account.closed_at IS NULL OR account.moved_to <> link.person_id
           OR EXISTS (SELECT FROM earning WHERE earning.bucket = account.bucket
                      AND earning.person_id = account.person_id AND earning.is_open
                      AND earning.lapses_at > link.linked_at)""",
    "a customer's events go where its link says": """
        SELECT count(*) FROM customer_route AS route FULL JOIN (
            SELECT link.* FROM link LEFT JOIN link_end USING (bucket, person_id, link_id)
            WHERE ended_at IS NULL) AS standing USING (customer_id)
        WHERE route.link_id IS DISTINCT FROM standing.link_id
           OR (standing.link_id IS NOT NULL AND account_id <> standing.person_id)""",
    "a restatement starts from the value before it": """
        SELECT count(*) FROM (
            SELECT done.old_methodology, done.old_avoided_mg, done.old_gross_mg,
                lag(done.methodology, 1, action.methodology) OVER past AS methodology,
                lag(done.avoided_mg, 1, action.avoided_mg) OVER past AS avoided_mg,
                lag(done.gross_mg, 1, action.gross_mg) OVER past AS gross_mg,
                done.sequence, row_number() OVER past AS ordinal
            FROM restatement AS done LEFT JOIN action ON action.bucket = done.bucket
                AND action.person_id = done.person_id AND action.action_id = done.action_id
                AND action.local_day = done.local_day
            WINDOW past AS (PARTITION BY done.bucket, done.person_id, done.action_id
                            ORDER BY done.sequence)) AS chain
        WHERE (old_methodology, old_avoided_mg, old_gross_mg, sequence)
              IS DISTINCT FROM (methodology, avoided_mg, gross_mg, ordinal)""",
    "no project sells more than its stock": """
        SELECT count(*) FROM project FULL JOIN (
            SELECT project, sum(capacity) AS capacity, sum(sold) AS sold FROM stock_cell GROUP BY 1
        ) AS cells USING (project)
        WHERE project.stock IS DISTINCT FROM capacity OR sold > project.stock""",
    "contracted = certificates of orders and complete pools": """
        SELECT count(*) FROM (SELECT bucket, project, sold FROM stock_cell WHERE sold <> 0) AS cells
        FULL JOIN (
            SELECT cell AS bucket, project, count(*) AS sold FROM certificate
            WHERE voided_at IS NULL GROUP BY 1, 2) AS issued USING (bucket, project)
        WHERE cells.sold IS DISTINCT FROM issued.sold""",
    "one certificate for each order and complete pool": """
        SELECT (SELECT count(*) FROM tree_order FULL JOIN (
                    SELECT * FROM certificate WHERE order_id IS NOT NULL) AS issued
                USING (bucket, serial, order_id)
                WHERE tree_order.project IS DISTINCT FROM issued.project
                   OR (refunded_at IS NULL) <> (voided_at IS NULL))
             + (SELECT count(*) FROM (SELECT * FROM pool WHERE state = 'complete') AS pool
                FULL JOIN (SELECT * FROM certificate WHERE pool_id IS NOT NULL) AS issued
                USING (bucket, serial, pool_id)
                WHERE pool.project IS DISTINCT FROM issued.project OR voided_at IS NOT NULL)""",
    "spent - refunded = orders and pools": """
        SELECT count(*) FROM (
            SELECT person_id, -sum(points) AS points FROM entry
            WHERE kind IN ('spend', 'refund') AND ref ?| ARRAY['order_id', 'pool_id'] GROUP BY 1
        ) AS entered FULL JOIN (
            SELECT person_id, sum(points) AS points FROM (
                SELECT person_id, points FROM tree_order WHERE refunded_at IS NULL
                UNION ALL SELECT person_id, points FROM pool_contribution) AS bought GROUP BY 1
        ) AS bought USING (person_id)
        WHERE coalesce(entered.points, 0) <> coalesce(bought.points, 0)""",
    "a pool holds what its members poured": """
        SELECT count(*) FROM pool LEFT JOIN (
            SELECT bucket, pool_id, sum(points) AS points FROM pool_member GROUP BY 1, 2
        ) AS member USING (bucket, pool_id) LEFT JOIN (
            SELECT bucket, pool_id, sum(points) AS points FROM pool_contribution GROUP BY 1, 2
        ) AS poured USING (bucket, pool_id)
        WHERE collected <> coalesce(member.points, 0) OR collected <> coalesce(poured.points, 0)
           OR (state = 'complete' AND collected <> pool.points)
           OR (state = 'dissolved' AND collected <> 0)""",
    "surviving <= planted <= contracted, in every lot": """
        SELECT count(*) FROM lot LEFT JOIN (
            SELECT lot, count(*) AS trees FROM certificate WHERE voided_at IS NULL GROUP BY 1
        ) AS issued USING (lot)
        WHERE planted > coalesce(trees, 0) OR coalesce(surviving, 0) > planted""",
    "people counted = people in the journal": """
        SELECT abs((SELECT count(*) FROM account WHERE counted)
                 - (SELECT coalesce(sum(people), 0) FROM journal))""",
    "closed days = their journal rows": store.CLOSED_DAYS,
    "journal = actions, restatements and reversals": """
        SELECT abs((SELECT count(*) FROM action) + (SELECT count(*) FROM reversal)
                 + (SELECT count(*) FROM restatement)
                 - (SELECT coalesce(sum(actions), 0) FROM journal))""",
}

# issued = held + spent + lapsed + reversed, over everybody. Granted points are issued, too; what
# passes between friends is held by one or the other; spent is what left by other entries.
_POINTS = text("""
    SELECT ((SELECT coalesce(sum(points), 0) FROM earning)
            + (SELECT coalesce(sum(points), 0) FROM entry WHERE kind = 'grant'))::int8 AS issued,
           (SELECT coalesce(sum(balance), 0) FROM account)::int8 AS balance,
           (SELECT coalesce(sum(points - collected - lapsed - reversed - to_friends), 0)
                FROM earning)::int8
               AS uncollected,
           (SELECT coalesce(-sum(points), 0) FROM entry
            WHERE kind NOT IN ('collect', 'take', 'gift', 'grant', 'reversal', 'debt'))::int8
               AS spent,
           (SELECT coalesce(sum(lapsed), 0) FROM earning)::int8 AS lapsed,
           (SELECT coalesce(sum(points), 0) FROM reversal)::int8 AS reversed
""")


Key = TypeVar("Key", bound=tuple[object, ...])


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: whether it holds, and figures that show it."""

    rule: str
    holds: bool
    shown: str


@dataclass(frozen=True, slots=True)
class PointSums:
    """Points over everybody: `balance` and `uncollected` are held."""

    issued: int
    balance: int
    uncollected: int
    spent: int
    lapsed: int
    reversed: int

    @property
    def held(self) -> int:
        """The points that people have, collected or not."""
        return self.balance + self.uncollected

    @property
    def add_up(self) -> bool:
        """Whether every point that was issued is somewhere, and none is anywhere else."""
        return self.issued == self.held + self.spent + self.lapsed + self.reversed


async def reconcile(
    sessions: async_sessionmaker[AsyncSession],
    counters: Counters,
    claims: ClaimReader | None = None,
) -> list[Check]:
    """Check every rule in one snapshot, and return the checks; what cannot be read is broken.

    With `claims`, what each credited action claims is read again from its data. The live counters
    are compared only once the journal is applied: wait for quiet first.
    """
    async with sessions() as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        checks = [await _count(session, rule, query) for rule, query in RULES.items()]
        checks.append(await _points(session))
        if claims is not None:
            unowned = await count_unowned(session, claims)
            shown = f"{unowned} credited actions do not" if unowned else "holds"
            checks.append(Check("a credited action owns its claims", not unowned, shown))
        facts = await store.sums_of_facts(session)
        days = await store.sums_of_days(session)
        waiting = await pending(session, DAYS), await pending(session, LIVE)
        checks.append(Check("journal is applied", not any(waiting), f"{sum(waiting)} rows wait"))
        checks.append(_equal("total_day = actions + restatements - reversals", facts, days))
        checks.append(await _live(session, counters))
    return checks


async def is_quiet(sessions: async_sessionmaker[AsyncSession]) -> bool:
    """Return whether every projector has applied every committed batch."""
    async with sessions() as session:
        return not (await pending(session, DAYS) or await pending(session, LIVE))


async def _count(session: AsyncSession, rule: str, query: str) -> Check:
    broken = int((await session.execute(text(query))).scalar_one())
    return Check(rule, broken == 0, "holds" if broken == 0 else f"{broken} exceptions")


async def sum_points(session: AsyncSession) -> PointSums:
    """Everybody's points, by what became of them."""
    return PointSums(**(await session.execute(_POINTS)).mappings().one())


async def _points(session: AsyncSession) -> Check:
    found = await sum_points(session)
    shown = (
        f"{found.issued} = {found.held} held + {found.spent} spent + {found.lapsed} lapsed"
        f" + {found.reversed} reversed"
    )
    return Check("issued = held + spent + lapsed + reversed", found.add_up, shown)


def _equal(rule: str, left: Mapping[Key, Amounts], right: Mapping[Key, Amounts]) -> Check:
    empty = Amounts()
    keys = left.keys() | right.keys()
    different = [key for key in keys if left.get(key, empty) != right.get(key, empty)]
    if different:
        return Check(rule, False, f"{len(different)} of {len(keys)} cells differ: {different[0]}")
    total = sum(one.avoided_mg for one in left.values())
    return Check(rule, True, f"{total} mg in {len(keys)} cells")


async def _live(session: AsyncSession, counters: Counters) -> Check:
    rule = "Valkey = total_day"
    try:
        live, _ = await counters.read()
    except (CountersLost, RedisError) as error:
        return Check(rule, False, f"cannot be read: {error}")
    known = (await known_sums(session)).without_empty()
    live = live.without_empty()
    if live.people != known.people:
        return Check(rule, False, f"{live.people} people live, {known.people} in PostgreSQL")
    return _equal(rule, known.cells, live.cells)
