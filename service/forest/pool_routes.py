"""HTTP for pooled trees: a group shares one tree."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from service.forest import pool_store as store
from service.forest.dependencies import may_order_for, person_in_body
from service.forest.pool import create_pool, find_pool, join_pool, leave_pool, pour
from service.forest.pool_store import Pool
from service.forest.schemas import (
    NewPool,
    PoolJoin,
    PoolLeave,
    PoolMemberView,
    PoolPour,
    PoolPoured,
    PoolView,
)
from service.http.dependencies import Now, Transaction
from service.http.problems import documented
from service.partners.dependencies import ThisCaller, ThisHasher
from service.partners.idempotent import idempotent
from service.partners.person import PersonId
from service.points.dependencies import ThisNewAccounts

router = APIRouter(
    prefix="/v1/pools", tags=["Trees"], responses=documented(401, 403, 404, 409, 410, 422, 503)
)


@router.post("", status_code=201)
@idempotent("pool found", "{person.id}", "{body}", person=person_in_body)
async def create(
    body: NewPool,
    person: PersonId,
    caller: ThisCaller,
    session: Transaction,
    now: Now,
) -> PoolView:
    """Found a pool for one tree; its code invites others."""
    pool = await create_pool(
        session,
        person,
        project=body.project_id,
        name=body.name,
        daily_points=body.daily_points,
        days=body.days,
        display_name=body.display_name,
        partner=caller.partner,
        now=now,
    )
    return await _view(session, pool, person)


@router.post("/join")
@idempotent("pool join", "{person.id}", "{body}", person=person_in_body)
async def join(
    body: PoolJoin,
    person: PersonId,
    session: Transaction,
    now: Now,
) -> PoolView:
    """Join by an invitation's code."""
    pool = await join_pool(session, person, code=body.code, display_name=body.display_name, now=now)
    return await _view(session, pool, person)


@router.get("/{pool_id}")
async def one(
    pool_id: UUID,
    caller: ThisCaller,
    hasher: ThisHasher,
    session: Transaction,
    subject: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
) -> PoolView:
    """A pool as one of its members sees it; a partner names the member."""
    person = may_order_for(subject, caller, hasher)
    return await _view(session, await find_pool(session, person, pool_id), person)


@router.post("/{pool_id}/contributions", status_code=201)
@idempotent("pool pour", "{person.id}", "{body}", "{pool_id}", person=person_in_body)
async def contribute(
    pool_id: UUID,
    body: PoolPour,
    person: PersonId,
    session: Transaction,
    now: Now,
    new_accounts: ThisNewAccounts,
) -> PoolPoured:
    """Pour points in. The contribution that completes the pool is cut to what is missing."""
    done = await pour(
        session,
        person,
        pool_id=pool_id,
        points=body.points,
        now=now,
        new_accounts=new_accounts,
    )
    view = await _view(session, done.pool, person)
    return PoolPoured(**view.model_dump(), taken=done.points, returned=0, balance=done.balance)


@router.post("/{pool_id}/leave")
@idempotent("pool leave", "{person.id}", "{body}", "{pool_id}", person=person_in_body)
async def leave(
    pool_id: UUID,
    body: PoolLeave,
    person: PersonId,
    session: Transaction,
    now: Now,
) -> PoolPoured:
    """Leave an open pool; what was poured in comes back."""
    done = await leave_pool(session, person, pool_id=pool_id, now=now)
    view = await _view(session, done.pool, person)
    return PoolPoured(**view.model_dump(), taken=0, returned=done.points, balance=done.balance)


async def _view(session: AsyncSession, pool: Pool, person: PersonId) -> PoolView:
    return PoolView(
        **shown(pool),
        members=[
            PoolMemberView(
                number=member.number,
                display_name=member.display_name,
                points=member.points,
                is_you=member.person == person,
                has_left=member.left_at is not None,
            )
            for member in await store.members_of(session, pool)
        ],
    )


def shown(pool: Pool) -> dict[str, Any]:
    """Return the fields of PoolShown."""
    return {
        "pool_id": pool.pool_id,
        "project_id": pool.project,
        "name": pool.name,
        "code": pool.code,
        "state": pool.state,
        "points": pool.points,
        "collected": pool.collected,
        "missing": pool.missing,
        "daily_points": pool.daily_points,
        "serial": pool.serial,
        "certificate_url": pool.serial and f"/v1/certificates/{pool.serial}",
        "created_at": pool.created_at,
        "expires_at": pool.expires_at,
        "ended_at": pool.ended_at,
    }
