"""The embedded default's own issuer of people's tokens: a key in the data folder, no service.

For development and demos. A real programme points `SAXAUL_OIDC_...` at its identity provider.
"""

import os
from datetime import timedelta
from pathlib import Path

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from service.clock import Clock

KEY_ID = "embedded-1"


class IssuerMissing(ValueError):
    """There is no issuer's key in the data folder; the message says how to get one."""


def make_issuer(home: Path) -> Path:
    """Make the issuer's key once, publish its public half and return the JWKS file's path."""
    folder = home / "issuer"
    folder.mkdir(parents=True, exist_ok=True)
    private, published = folder / "private.pem", folder / "jwks.json"
    if not private.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    key = serialization.load_pem_private_key(private.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    document = {"keys": [{**public, "kid": KEY_ID, "alg": "EdDSA", "use": "sig"}]}
    published.write_bytes(orjson.dumps(document))
    return published


def mint_token(
    home: Path, *, subject: str, issuer: str, audience: str, lifetime: timedelta, clock: Clock
) -> str:
    """Return a signed token for `subject`. Raises IssuerMissing where `saxaul up` never ran."""
    private = home / "issuer" / "private.pem"
    if not private.exists():
        raise IssuerMissing(
            f"There is no issuer in {home}: run `saxaul up` first, or set SAXAUL_HOME."
        )
    now = clock()
    claims = {"iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, private.read_bytes(), algorithm="EdDSA", headers={"kid": KEY_ID})
