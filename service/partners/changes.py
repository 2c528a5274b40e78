"""The changes of partners that need two persons: whose people they report, administrators' keys."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners import register
from service.partners.change_keys import put_key
from service.partners.keys import NewKey
from service.partners.two_persons import Change


class RealmBody(BaseModel):
    """Whose people a partner's subjects are from now on."""

    partner: str
    people: str


class KeyBody(BaseModel):
    """A key that was made and is not stored yet: its secret is known to whoever asked for it."""

    partner: str
    prefix: str
    secret_sha256: str
    scopes: list[str]
    expires_at: datetime | None
    made_by: str | None


class KeyStored(BaseModel):
    """The prefix of a key that opens from now on."""

    prefix: str


async def _set_people(session: AsyncSession, body: RealmBody, _: str, now: datetime) -> RealmBody:
    await register.set_people(session, body.partner, body.people, now=now)
    return body


async def _put_key(session: AsyncSession, body: KeyBody, _: str, now: datetime) -> KeyStored:
    await register.known(session, body.partner)
    secret = bytes.fromhex(body.secret_sha256)
    await put_key(
        session,
        NewKey(prefix=body.prefix, text="", secret_sha256=secret),
        partner=body.partner,
        scopes=tuple(body.scopes),
        now=now,
        expires_at=body.expires_at,
        made_by=body.made_by,
    )
    return KeyStored(prefix=body.prefix)


def key_body(
    key: NewKey,
    *,
    partner: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    made_by: str | None,
) -> KeyBody:
    """Return a key just made as it is proposed: of its secret there is the hash."""
    return KeyBody(
        partner=partner,
        prefix=key.prefix,
        secret_sha256=key.secret_sha256.hex(),
        scopes=list(scopes),
        expires_at=expires_at,
        made_by=made_by,
    )


PEOPLE = Change("partner.people", "admin", RealmBody, _set_people)
ADMIN_KEY = Change("key.admin", "admin", KeyBody, _put_key)
