"""HTTP for the audit trail: parse, read, answer. No SQL, no rules.

It stands here since the trail lies below the callers, whom a route has to know.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from service.audit import store
from service.audit.schemas import AuditEventView, view_of
from service.audit.store import Wanted
from service.http.pages import Page, Paging, newest_first
from service.http.problems import documented
from service.partners.caller import Caller
from service.partners.dependencies import Registry, ThisCaller

router = APIRouter(
    prefix="/v1/audit-events", tags=["Operations"], responses=documented(401, 403, 422, 503)
)
NAME_MAX = 200


async def _reader(caller: ThisCaller) -> Caller:
    """Return a caller who may read the trail. Raises ScopeMissing."""
    caller.need("operator", "auditor")
    return caller


class _Only:
    """Which audit events are asked for."""

    def __init__(
        self,
        act: Annotated[
            str | None, Query(max_length=NAME_MAX, description="`key.revoked`, or all of `key`.")
        ] = None,
        target: Annotated[
            str | None, Query(max_length=NAME_MAX, description="As `partner:golden-wok`.")
        ] = None,
        actor: Annotated[
            str | None, Query(max_length=NAME_MAX, description="A key's prefix, or a login.")
        ] = None,
    ) -> None:
        self.wanted = Wanted(act=act, target=target, actor=actor)


@router.get("")
async def audit_events(
    _: Annotated[Caller, Depends(_reader)],
    registry: Registry,
    page: Paging,
    only: Annotated[_Only, Depends()],
) -> Page[AuditEventView]:
    """What those who act changed, newest first: when, who, from where, what, on what."""
    return await page.of(
        newest_first("event_id"),
        lambda before, limit: store.events_before(
            registry, only.wanted, before=before, limit=limit
        ),
        view_of,
    )
