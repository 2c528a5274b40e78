"""Use cases of pooled trees: a group shares one tree, each as they can.

Locks: the account of whoever moves points, then the pool. What is poured leaves the balance at
once; it comes back when the member leaves or the pool ends without a tree.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import uuid7
from service.errors import DailyLimitReached, PoolEnded, PoolNotFound
from service.forest import pool_store as store
from service.forest.pool_store import Member, Pool
from service.forest.redeem import announce, check_season, find_offer, open_offer, take_tree
from service.forest.serial import bucket_in, make_code, make_id, make_serial, read_code
from service.forest.store import Offer, add_certificate
from service.journal.append import Notice
from service.partners.person import PersonId
from service.points.policy_file import NewAccounts
from service.points.spend import give_back, spend_points
from service.points.store import balance_of, lock_account

OPEN, COMPLETE, DISSOLVED = "open", "complete", "dissolved"
MEMBERS_MAX = 500
DAYS_MAX = 365


@dataclass(frozen=True, slots=True)
class Poured:
    """What a contribution did: `points` were taken, which may be fewer than were offered."""

    pool: Pool
    points: int
    balance: int


async def create_pool(
    session: AsyncSession,
    person: PersonId,
    *,
    project: str,
    name: str,
    daily_points: int | None,
    days: int,
    display_name: str | None,
    partner: str,
    now: datetime,
) -> Pool:
    """Found a pool for one tree at today's price; the founder is its first member.

    No tree is set aside: the stock goes to whoever has paid. Raises ProjectNotFound, OutOfSeason.
    """
    offer = await open_offer(session, project, now)
    pool = Pool(
        bucket=person.bucket,
        pool_id=make_id(now, person.bucket),
        project=project,
        name=name,
        code=make_code(person.bucket),
        points=offer.price_points,
        daily_points=daily_points or offer.price_points,
        collected=0,
        state=OPEN,
        serial=None,
        partner=partner,
        created_at=now,
        expires_at=now + timedelta(days=days),
        ended_at=None,
    )
    await store.add_pool(session, pool)
    await store.add_member(session, pool, person, display_name, now)
    return pool


async def join_pool(
    session: AsyncSession, person: PersonId, *, code: str, display_name: str | None, now: datetime
) -> Pool:
    """Join by invitation. Idempotent. Raises PoolNotFound, PoolEnded."""
    read = read_code(code)
    found = None if read is None else await store.find_by_code(session, *read)
    if found is None:
        raise PoolNotFound(f"No pool has the code {code!r}. Compare it with the invitation.")
    pool = await store.lock_pool(session, found)
    _check_open(pool, now)
    members = await store.members_of(session, pool)
    inside = [one for one in members if one.left_at is None]
    if len(inside) >= MEMBERS_MAX and person not in [one.person for one in inside]:
        raise PoolEnded(f"The pool is full: it has {MEMBERS_MAX} members.")
    await store.add_member(session, pool, person, display_name, now)
    return pool


async def find_pool(session: AsyncSession, person: PersonId, pool_id: UUID) -> Pool:
    """Return a pool of which the person is a member.

    Raises PoolNotFound, also for other people's.
    """
    pool = await store.find_pool(session, bucket_in(pool_id), pool_id)
    if pool is not None and await _membership(session, pool, person) is not None:
        return pool
    raise PoolNotFound(f"There is no pool {pool_id} of which this person is a member.")


async def pour(
    session: AsyncSession,
    person: PersonId,
    *,
    pool_id: UUID,
    points: int,
    now: datetime,
    new_accounts: NewAccounts | None,
) -> Poured:
    """Pour points into a pool; the last ones are cut to what is missing and buy the tree.

    The pool's lock puts contributions in order, so one of them completes it and the next finds it
    complete. Raises PoolNotFound, PoolEnded, DailyLimitReached, NotEnoughPoints,
    PointsPending, and for the one that would complete it SoldOut or OutOfSeason: then nothing is
    taken.
    """
    await lock_account(session, person, now)
    pool = await store.lock_pool(session, await find_pool(session, person, pool_id))
    _check_open(pool, now)
    member = await _membership(session, pool, person)
    if member is None:
        raise PoolNotFound(f"The person left the pool {pool_id} in this moment.")
    offer = await find_offer(session, pool.project)
    day = offer.day_at(now)
    points = min(points, pool.missing)
    today = await store.poured_on(session, pool, person, day)
    if today + points > pool.daily_points:
        raise DailyLimitReached(
            f"One person pours at most {pool.daily_points} points a day into this pool: "
            f"{max(0, pool.daily_points - today)} more today."
        )
    ref = {"pool_id": str(pool_id), "project_id": pool.project}
    balance = await spend_points(
        session, person, points=points, ref=ref, now=now, new_accounts=new_accounts
    )
    await store.contribute(
        session, pool, person, contribution_id=uuid7(now), points=points, day=day, now=now
    )
    if points == pool.missing:
        check_season(offer, day)
        await _complete(session, pool, offer, now)
    else:
        await store.set_pool(
            session, pool, collected=pool.collected + points, state=OPEN, serial=None, ended=None
        )
    return Poured(await store.lock_pool(session, pool), points, balance)


async def leave_pool(
    session: AsyncSession, person: PersonId, *, pool_id: UUID, now: datetime
) -> Poured:
    """Leave an open pool with all that one poured in; the last one to leave dissolves it.

    Raises PoolNotFound, PoolEnded.
    """
    await lock_account(session, person, now)
    pool = await store.lock_pool(session, await find_pool(session, person, pool_id))
    _check_open(pool, now)
    member = await _membership(session, pool, person)
    if member is None:
        raise PoolNotFound(f"The person left the pool {pool_id} in this moment.")
    await _return(session, pool, member, now)
    await store.end_membership(session, pool, person, now)
    empty = all(one.left_at is not None for one in await store.members_of(session, pool))
    await store.set_pool(
        session,
        pool,
        collected=pool.collected - member.points,
        state=DISSOLVED if empty else OPEN,
        serial=None,
        ended=now if empty else None,
    )
    changed = await store.lock_pool(session, pool)
    return Poured(changed, member.points, await balance_of(session, person))


async def expire_pool(session: AsyncSession, pool: Pool, *, now: datetime) -> bool:
    """Dissolve a pool whose time is over, give all points back and return whether it did.

    All accounts are locked before the pool, in their order. If somebody joined in between, nothing
    is done: the next look does it. Idempotent.
    """
    before = await store.members_of(session, pool)
    for person in sorted(one.person for one in before):
        await lock_account(session, person, now)
    locked = await store.lock_pool(session, pool)
    members = await store.members_of(session, pool)
    if locked.state != OPEN or len(members) != len(before):
        return False
    for member in members:
        await _return(session, locked, member, now)
    await store.set_pool(session, locked, collected=0, state=DISSOLVED, serial=None, ended=now)
    return True


def _check_open(pool: Pool, now: datetime) -> None:
    if pool.state != OPEN or pool.expires_at <= now:
        state = "over" if pool.state == OPEN else pool.state
        raise PoolEnded(f"The pool {pool.name!r} is {state}. Nothing was taken.")


async def _membership(session: AsyncSession, pool: Pool, person: PersonId) -> Member | None:
    for member in await store.members_of(session, pool):
        if member.person == person and member.left_at is None:
            return member
    return None


async def _return(session: AsyncSession, pool: Pool, member: Member, now: datetime) -> None:
    if not member.points:
        return
    offer = await find_offer(session, pool.project)
    ref = {"pool_id": str(pool.pool_id), "project_id": pool.project}
    await give_back(session, member.person, points=member.points, ref=ref, now=now)
    await store.contribute(
        session,
        pool,
        member.person,
        contribution_id=uuid7(now),
        points=-member.points,
        day=offer.day_at(now),
        now=now,
    )


async def _complete(session: AsyncSession, pool: Pool, offer: Offer, now: datetime) -> None:
    tree = await take_tree(session, offer, near=pool.bucket)
    serial = make_serial(pool.bucket)
    await add_certificate(
        session,
        bucket=pool.bucket,
        serial=serial,
        project=pool.project,
        tree=tree,
        pool=pool.pool_id,
        display_name=pool.name,
        now=now,
    )
    await store.set_pool(
        session, pool, collected=pool.points, state=COMPLETE, serial=serial, ended=now
    )
    about = {
        "pool_id": str(pool.pool_id),
        "project_id": pool.project,
        "serial": serial,
        "lot": tree.lot,
    }
    notices = [Notice("certificate.issued", pool.partner, None, about)]
    await announce(session, offer, tree, notices, bucket=pool.bucket, kind="order", now=now)
