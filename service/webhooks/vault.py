"""Secrets at rest: AES-256-GCM under the programme's own key. Pure; no database.

What a secret is about (`connector:<id>`) is authenticated with it, so a row copied elsewhere
does not open there.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.resources import SettingMissing
from service.settings import Settings

KEY_BYTES = 32
_FORM = b"\x01"  # AES-256-GCM, 12 bytes of nonce, then ciphertext and tag
_NONCE_BYTES = 12


class SealBroken(RuntimeError):
    """A stored secret does not open: SAXAUL_SECRET_KEY is not the one it was sealed with."""


class Vault:
    """Seals with the first key and opens with any, so that a key can be changed without a stop."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a vault needs keys of {KEY_BYTES} bytes")
        self._keys = tuple(AESGCM(key) for key in keys)

    def seal(self, secret: str, about: str) -> bytes:
        """Return the secret, encrypted; `about` must be given again to open it."""
        return self.seal_bytes(secret.encode(), about)

    def seal_bytes(self, secret: bytes, about: str) -> bytes:
        """As `seal`, for bytes: payloads that name people."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + nonce + self._keys[0].encrypt(nonce, secret, about.encode())

    def open(self, sealed: bytes, about: str) -> str:
        """Return the secret. Raises SealBroken when none of the keys, or another `about`, sealed
        it.
        """
        return self.open_bytes(sealed, about).decode()

    def open_bytes(self, sealed: bytes, about: str) -> bytes:
        """As `open`, for bytes."""
        found = _opened(self._keys, sealed, about)
        if found is None:
            raise SealBroken(
                f"The secret of {about} does not open: SAXAUL_SECRET_KEY is not the key that it "
                "was sealed with. Put the old key behind the new one, with a comma between them."
            )
        return found

    def reseal(self, sealed: bytes, about: str) -> bytes | None:
        """Return what is sealed, sealed by the first key; None if that key sealed it already.

        Raises SealBroken when no key opens it.
        """
        if _opened(self._keys[:1], sealed, about) is not None:
            return None
        return self.seal_bytes(self.open_bytes(sealed, about), about)


def _opened(keys: Sequence[AESGCM], sealed: bytes, about: str) -> bytes | None:
    nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if sealed[:1] == _FORM:
        for key in keys:
            try:
                return key.decrypt(nonce, text, about.encode())
            except (InvalidTag, ValueError):
                continue
    return None


def vault_of(settings: Settings) -> Vault:
    """Return the vault under SAXAUL_SECRET_KEY.

    Raises SettingMissing when it is not set or is no key.
    """
    if settings.secret_key is None:
        raise SettingMissing(
            "SAXAUL_SECRET_KEY is not set. Make one with `openssl rand -hex 32` and keep it: "
            "without it the secrets of webhooks do not open."
        )
    texts = settings.secret_key.get_secret_value().split(",")
    try:
        return Vault([bytes.fromhex(text) for text in texts])
    except ValueError as error:
        raise SettingMissing(
            f"SAXAUL_SECRET_KEY must be {KEY_BYTES} bytes in hex; several stand between commas, "
            "the newest first."
        ) from error
