"""Use case: find the caller behind a request's credential."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from service.clock import Clock, seconds
from service.errors import CredentialsMissing, KeyInvalid, TokenInvalid
from service.partners import store
from service.partners.caller import (
    ACT,
    EPOCH_MARK,
    KEY_STATES,
    PERSON_STATES,
    PROGRAMME,
    Caller,
)
from service.partners.failed_logins import FailedLogins, write_failed
from service.partners.keys import (
    KEY_START,
    STAFF_SCOPES,
    TEST_START,
    KnownKey,
    is_mistyped,
    split_key,
)
from service.partners.person import PersonHasher
from service.partners.tokens import Tokens
from service.settings import Settings
from service.tasks import end

CACHED_KEYS_MAX = 10_000
NOTE_EVERY_S = 60.0
FAILED_EVERY_S = 10.0
AWAY = (DBAPIError, PoolTimeout, OSError)


class Authenticator:
    """Keeps keys for `key_cache_seconds`, so that a request costs one hash and no query."""

    def __init__(
        self,
        settings: Settings,
        sessions: async_sessionmaker[AsyncSession],
        hasher: PersonHasher,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._hasher = hasher
        self._sessions = sessions
        self._clock = clock
        self._tokens = Tokens(settings)
        self._failed = FailedLogins()
        self._used: dict[str, datetime] = {}
        self._cache: dict[str, tuple[float, KnownKey | None, Caller | None]] = {}

    async def __call__(self, authorization: str | None) -> Caller:
        """Return the caller behind an `Authorization` header.

        Raises CredentialsMissing, KeyInvalid or TokenInvalid.
        """
        kind, _, credential = (authorization or "").partition(" ")
        credential = credential.strip()
        if kind.lower() != "bearer" or not credential:
            raise CredentialsMissing(
                "Send `Authorization: Bearer` with an API key (sx_...) or a person's token."
            )
        try:
            if credential.startswith(KEY_START):
                return await self._partner(credential)
            subject = await self._tokens.subject_of(credential)
        except (KeyInvalid, TokenInvalid) as error:
            self._failed.note(credential, error)
            raise
        return _person(subject, self._hasher.person(subject).id, self._settings)

    async def _partner(self, text: str) -> Caller:
        parts = split_key(text)
        if parts is not None and is_mistyped(text):
            raise KeyInvalid("The API key is mistyped or cut: its checksum does not hold.")
        if parts is not None:
            now = self._clock()
            known, caller = await self._known(parts[0])
            if (
                known is not None
                and caller is not None
                and known.usable(parts[1], now)
                and known.is_test == text.startswith(TEST_START)
            ):
                self._used[parts[0]] = now
                return caller
        raise KeyInvalid(
            "The API key is unknown, expired or revoked. `saxaul keys list` shows those there "
            "are; `saxaul keys add` makes one."
        )

    async def _known(self, prefix: str) -> tuple[KnownKey | None, Caller | None]:
        """Return the key with this prefix, and who holds it.

        Unknown prefixes are remembered, too.
        """
        cached = self._cache.get(prefix)
        if cached is not None and cached[0] > seconds():
            return cached[1:]
        async with self._sessions() as session:
            known = await store.find_key(session, prefix)
        if known is not None and known.partner == self._settings.app_source:
            known = None  # it would pass for the people who report themselves
        caller = None if known is None else _holder(prefix, known, self._settings)
        if len(self._cache) >= CACHED_KEYS_MAX:
            self._cache.clear()
        self._cache[prefix] = (seconds() + self._settings.key_cache_seconds, known, caller)
        return known, caller

    def forget(self) -> None:
        """Forget all keys, so that a change of partners shows at the next request."""
        self._cache.clear()

    async def note_uses(self) -> None:
        """Write down when each key was last used: one statement for all since the last time."""
        used, self._used = self._used, {}
        if used:
            async with self._sessions() as session, session.begin():
                await store.note_uses(session, used)

    async def write_failed(self) -> None:
        """Write down the log-ins that failed since the last time."""
        counts = self._failed.take()
        if counts:
            async with self._sessions() as session, session.begin():
                await write_failed(session, counts, now=self._clock())

    @asynccontextmanager
    async def noting(self) -> AsyncIterator[None]:
        """Note uses and failures now and then while the block runs, and at its end."""
        jobs = ((self.note_uses, NOTE_EVERY_S), (self.write_failed, FAILED_EVERY_S))
        tasks = [asyncio.create_task(_every(*job), name=job[0].__name__) for job in jobs]
        try:
            yield
        finally:
            for task, (write, _) in zip(tasks, jobs, strict=True):
                await end(task)
                with suppress(*AWAY):
                    await write()


async def _every(write: Callable[[], Awaitable[None]], pause_s: float) -> None:
    while True:
        await asyncio.sleep(pause_s)
        with suppress(*AWAY):
            await write()


def quota_of(own: int | None, settings: Settings) -> int:
    """Return a partner's quota of a minute: its own, or the settings'."""
    return settings.partner_quota_per_minute if own is None else own


def own_sources(sources: frozenset[str], people: str, settings: Settings) -> frozenset[str]:
    """Return what a partner reports under: the source of people's own reports is the operator's."""
    return sources if people == PROGRAMME else sources - {settings.app_source}


def _holder(prefix: str, known: KnownKey, settings: Settings) -> Caller:
    quota = quota_of(known.quota_per_minute, settings)
    sources = own_sources(known.sources, known.people, settings)
    if known.is_test:
        return test_caller(
            known.partner,
            known.test_epoch,
            known.scopes,
            sources,
            quota_per_minute=quota,
            key=prefix,
            people=known.people,
        )
    return Caller(
        name=f"partner:{known.partner}",
        partner=known.partner,
        scopes=known.scopes,
        sources=sources,
        default_level=KEY_STATES,
        max_level=KEY_STATES,
        quota_per_minute=quota,
        key=prefix,
        people=known.people,
        people_since=known.people_since,
    )


def test_caller(
    partner: str,
    epoch: int,
    scopes: frozenset[str],
    sources: frozenset[str],
    *,
    quota_per_minute: int,
    key: str,
    people: str,
) -> Caller:
    """Return the partner in the sandbox: under a name of its own, which ends with its data."""
    name = f"{partner}{EPOCH_MARK}{epoch}"
    return Caller(
        name=f"test:{name}",
        partner=name,
        scopes=scopes - STAFF_SCOPES,
        sources=sources,
        default_level=KEY_STATES,
        max_level=KEY_STATES,
        quota_per_minute=quota_per_minute,
        key=key,
        environment=f"{name}\0",
        people=people,
    )


def _person(subject: str, person: UUID, settings: Settings) -> Caller:
    return Caller(
        name=f"person:{person}",
        partner=settings.app_source,
        scopes=frozenset(("events:write", "actions:read", ACT)),
        sources=frozenset((settings.app_source,)),
        default_level=PERSON_STATES,
        max_level=PERSON_STATES,
        subject=subject,
        quota_per_minute=settings.person_quota_per_minute,
        people=PROGRAMME,
    )
