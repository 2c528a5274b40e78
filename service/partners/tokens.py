"""People's tokens: OIDC access tokens checked against the issuer's published keys."""

from typing import Any

import httpx
import jwt
import orjson
from anyio import Path

from service.clock import seconds
from service.errors import TokenInvalid
from service.settings import Settings

ALGORITHMS = ("RS256", "ES256", "EdDSA")
REFRESH_AT_MOST_EVERY_S = 10.0  # an unknown key id asks the issuer again, but not on every request
FETCH_TIMEOUT_S = 5.0
JWKS_MAX_BYTES = 256 * 1024
CLOCK_LEEWAY_S = 30


class Tokens:
    """Checks tokens; keeps the issuer's keys and asks for them again when one is unknown."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.oidc_issuer
        self._audience = settings.oidc_audience
        self._url = settings.oidc_jwks_url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")

    async def subject_of(self, token: str) -> str:
        """Return the `sub` of a valid token. Raises TokenInvalid and says which check failed."""
        if self._issuer is None or self._url is None:
            raise TokenInvalid("This server takes no people's tokens: no issuer is set.")
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_LEEWAY_S,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise TokenInvalid(f"The token was not accepted: {error}.") from error
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 128 or "\0" in subject:
            raise TokenInvalid("The token's `sub` must be a text of 1 to 128 characters.")
        return subject

    async def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys and seconds() - self._fetched_at > REFRESH_AT_MOST_EVERY_S:
            self._keys = _usable(await self._fetch())
            self._fetched_at = seconds()
        if kid not in self._keys:
            raise TokenInvalid("The token is signed with a key that its issuer does not publish.")
        return self._keys[kid]

    async def _fetch(self) -> bytes:
        assert self._url is not None
        if self._url.startswith("file://"):
            try:
                return await Path(self._url.removeprefix("file://")).read_bytes()
            except OSError as error:
                raise TokenInvalid("The issuer's keys cannot be read here.") from error
        try:
            async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_S) as client:
                answer = await client.get(self._url)
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise TokenInvalid("The issuer's keys cannot be fetched at the moment.") from error
        return answer.content[:JWKS_MAX_BYTES]


def _usable(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys of a JWKS by id; those of a kind we do not take are left out."""
    try:
        listed = orjson.loads(document)["keys"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise TokenInvalid("The issuer's key set is not a JWKS document.") from error
    keys: dict[str, jwt.PyJWK] = {}
    for one in listed:
        try:
            key = jwt.PyJWK(one)
        except jwt.PyJWTError:
            continue
        if key.key_id is not None and key.algorithm_name in ALGORITHMS:
            keys[key.key_id] = key
    return keys
