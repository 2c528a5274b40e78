"""Use case: the first administrator's key of a programme, without which nobody can make others."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.partners import store
from service.partners.change_keys import put_key
from service.partners.keys import make_key
from service.partners.register import add_partner, check_id

ADMIN = "admin"


async def make_first_key(
    session: AsyncSession, partner: str, *, app_source: str, now: datetime
) -> str | None:
    """Return the text of a key with the scope `admin`; None if there ever was such a key.

    So a set-up that runs again makes none, also after the first one was revoked.
    """
    if any(ADMIN in key.scopes for key in await store.list_keys(session)):
        return None
    if await store.find_partner(session, partner) is None:
        check_id(partner, app_source)
    await add_partner(session, partner, name=partner, now=now)
    key = make_key()
    await put_key(session, key, partner=partner, scopes=(ADMIN,), now=now, expires_at=None)
    return key.text
