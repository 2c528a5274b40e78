"""HTTP for test data: parse, call one use case, answer. No SQL, no rules."""

from fastapi import APIRouter

from service.errors import TestKeyNeeded
from service.http.dependencies import Now, Transaction
from service.http.problems import documented
from service.partners import store
from service.partners.dependencies import Registry
from service.partners.routes import ThisAuthenticator, ThisPartner
from service.sandbox.schemas import Wiped
from service.sandbox.wipe import note_wipe, wipe

router = APIRouter(
    prefix="/v1", tags=["Partners"], responses=documented(400, 401, 403, 404, 409, 413, 422, 503)
)


@router.delete("/test-data")
async def wipe_test_data(
    caller: ThisPartner,
    registry: Registry,
    session: Transaction,
    authenticator: ThisAuthenticator,
    now: Now,
) -> Wiped:
    """Delete what you recorded with test keys: people, points, actions, trees, totals. Connectors
    and webhook endpoints stay; an endpoint's deliveries go, and it counts from 1 again.

    Needs a test key with events:write. Live data cannot be deleted.
    """
    if not caller.is_test:
        raise TestKeyNeeded("Only test data can be wiped: send a test key, sx_test_....")
    caller.need("events:write")
    epoch = await store.next_epoch(registry, caller.owner)
    assert epoch is not None, "a key's partner is there by its foreign key"
    authenticator.forget()
    await note_wipe(registry, caller.owner, epoch, now=now)
    return Wiped(actions=await wipe(session, caller.owner, epoch))
