"""People's tokens: OIDC access tokens checked against the issuer's published keys."""

from typing import Any

import jwt

from service.errors import TokenInvalid
from service.partners.key_set import ALGORITHMS, KeySet
from service.settings import Settings

CLOCK_LEEWAY_S = 30


class Tokens:
    """Checks tokens against the issuer's keys."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.oidc_issuer
        self._audience = settings.oidc_audience
        url = settings.oidc_jwks_url
        self._keys = None if url is None else KeySet(url)

    async def subject_of(self, token: str) -> str:
        """Return the `sub` of a valid token.

        Raises TokenInvalid, which says which check failed, and IssuerAway.
        """
        if self._issuer is None or self._keys is None:
            raise TokenInvalid("This server takes no people's tokens: no issuer is set.")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:  # before the issuer is asked for anything
                raise TokenInvalid(f"The token must be signed with one of {', '.join(ALGORITHMS)}.")
            key = await self._keys.find(str(header.get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                # The key's own algorithm, and not what the token says of itself.
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_LEEWAY_S,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
        except RecursionError as error:
            raise TokenInvalid("The token's head is nested too deeply.") from error
        except jwt.PyJWTError as error:
            raise TokenInvalid(f"The token was not accepted: {error}.") from error
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 128 or "\0" in subject:
            raise TokenInvalid("The token's `sub` must be a text of 1 to 128 characters.")
        return subject
