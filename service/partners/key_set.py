"""The issuer's signing keys: fetched one at a time, kept for a while, and forgotten after it."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import jwt
import orjson
from anyio import Path

from service.clock import seconds
from service.errors import IssuerAway, TokenInvalid

ALGORITHMS = ("RS256", "ES256", "EdDSA")
KID_CHARACTERS_MAX = 256
KEYS_MAX = 64
RSA_BITS_MIN = 2048
# What the issuer says in `Cache-Control: max-age` counts within these.
AGE_MIN_S, AGE_S, AGE_MAX_S = 60.0, 600.0, 86_400.0
FRESH_SHARE = 0.8  # after this share of its age a set is asked for again, while it is still used
ASK_AT_MOST_EVERY_S = 10.0  # whatever key ids come in
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0  # after failures, doubled each time
FETCH_S = 5.0
BYTES_MAX = 256 * 1024
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?([0-9]{1,9})", re.ASCII | re.IGNORECASE)
_log = logging.getLogger(__name__)


class FetchFailed(Exception):
    """The issuer did not answer with a key set; the text says what happened."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A key set as it was published, and for how many seconds it may be kept; None: not said."""

    document: bytes
    max_age_s: float | None


class KeySet:
    """The keys of one issuer. `clock` returns seconds; `fetch` raises FetchFailed.

    A set that is older than its age is fetched again before any of its keys is used. If that
    fails, nobody is let in by a key that may have been taken back. So that nobody usually waits,
    it is fetched beside the requests somewhat earlier.
    """

    def __init__(
        self,
        url: str,
        *,
        fetch: Callable[[str], Awaitable[Fetched]] | None = None,
        clock: Callable[[], float] = seconds,
    ) -> None:
        self._url = url
        self._fetch = fetch or fetched
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._until = self._fresh_until = float("-inf")
        self._ask_after = float("-inf")
        self._failures = 0
        self._asking = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> jwt.PyJWK:
        """Return the key with this id. Raises TokenInvalid and IssuerAway."""
        key = self._known(kid)
        if key is not None:
            if self._clock() >= self._fresh_until and not self._asking.locked():
                self._refreshing = asyncio.create_task(self._refresh(), name="issuer's keys")
            return key
        async with self._asking:  # who waited for another's fetch finds what that one brought
            if self._known(kid) is None and self._clock() >= self._ask_after:
                await self._ask()
        key = self._known(kid)
        if key is not None:
            return key
        if self._failures or self._clock() >= self._until:
            raise IssuerAway(
                "The issuer of people's tokens cannot be asked for its keys at the moment.",
                max(1, round(self._ask_after - self._clock())),
            )
        raise TokenInvalid("The token is signed with a key that its issuer does not publish.")

    def _known(self, kid: str) -> jwt.PyJWK | None:
        return self._keys.get(kid) if self._clock() < self._until else None

    async def _refresh(self) -> None:
        async with self._asking:
            if self._clock() >= max(self._fresh_until, self._ask_after):
                await self._ask()

    async def _ask(self) -> None:
        try:
            found = await self._fetch(self._url)
            keys = usable(found.document)
        except FetchFailed as error:
            delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self._failures, 16))
            self._failures += 1
            self._ask_after = self._clock() + delay_s
            _log.warning("the issuer's keys were not fetched: %s; again in %.0f s", error, delay_s)
            return
        age_s = AGE_S if found.max_age_s is None else found.max_age_s
        self._keys, self._failures = keys, 0
        age_s = min(max(age_s, AGE_MIN_S), AGE_MAX_S)
        self._until = self._clock() + age_s
        self._fresh_until = self._clock() + FRESH_SHARE * age_s
        self._ask_after = self._clock() + ASK_AT_MOST_EVERY_S


async def fetched(url: str) -> Fetched:
    """Return the document at an https or file URL. Raises FetchFailed."""
    if url.startswith("file://"):
        try:
            return Fetched(await Path(url.removeprefix("file://")).read_bytes(), None)
        except OSError as error:
            raise FetchFailed(f"the file cannot be read: {error.strerror}") from error
    try:
        # The whole answer has this time, and not each part of it.
        async with asyncio.timeout(FETCH_S), httpx.AsyncClient(timeout=FETCH_S) as client:
            return await _read(client, url)
    except TimeoutError as error:
        raise FetchFailed(f"no whole answer came within {FETCH_S:g} seconds") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchFailed(f"{type(error).__name__}: {error}") from error


async def _read(client: httpx.AsyncClient, url: str) -> Fetched:
    async with client.stream("GET", url) as answer:
        answer.raise_for_status()
        document = b""
        async for part in answer.aiter_bytes():
            document += part
            if len(document) > BYTES_MAX:
                raise FetchFailed(f"the answer is longer than {BYTES_MAX} bytes")
        said = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        return Fetched(document, None if said is None else float(said[1]))


def usable(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys of a JWKS by id; those that do not sign what we take are left out.

    Raises FetchFailed for what is no JWKS.
    """
    try:
        whole = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise FetchFailed("the answer is not JSON") from error
    listed = whole.get("keys") if isinstance(whole, dict) else None
    if not isinstance(listed, list):
        raise FetchFailed("the answer is not a JWKS: it has no list of keys")
    keys: dict[str, jwt.PyJWK] = {}
    for one in listed[:KEYS_MAX]:
        key = _signing_key(one)
        if key is not None and key.key_id is not None:
            keys[key.key_id] = key
    return keys


def _signing_key(one: object) -> jwt.PyJWK | None:
    """Return a key that verifies signatures by one of ALGORITHMS; None for any other thing."""
    if not isinstance(one, dict) or one.get("use", "sig") != "sig":
        return None
    operations, kid = one.get("key_ops"), one.get("kid")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    if (
        not isinstance(kid, str)
        or not 0 < len(kid) <= KID_CHARACTERS_MAX
        or one.get("kty") == "oct"
    ):
        return None
    try:
        key = jwt.PyJWK(one)
    # A key of any other form; the last is what the library says to the algorithm `none`.
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, NotImplementedError):
        return None
    size = getattr(key.key, "key_size", RSA_BITS_MIN)
    if key.algorithm_name not in ALGORITHMS or (one["kty"] == "RSA" and size < RSA_BITS_MIN):
        return None
    return key
