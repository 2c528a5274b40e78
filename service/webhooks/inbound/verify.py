"""Whether a message is the merchant's: Standard Webhooks, or a signature over the body. Pure."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from service.errors import SignatureHeaderMalformed, SignatureInvalid
from service.webhooks import signing
from service.webhooks.inbound.config import BodySignature, StandardSignature

ID_CHARACTERS_MAX = 128
SIGNATURE_CHARACTERS_MAX = 256


def message_key(
    how: StandardSignature | BodySignature,
    secrets: Sequence[str],
    *,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> str:
    """Return what names the message.

    Raises SignatureHeaderMalformed, SignatureInvalid, DeliveryTooOld.
    """
    if isinstance(how, StandardSignature):
        return signing.verify(secrets, headers=headers, body=body, now=now).id
    sent = _signature(how, headers)
    made = (hmac.digest(secret.encode(), body, "sha256") for secret in secrets)
    if not any(hmac.compare_digest(sent, one) for one in made):
        raise SignatureInvalid(
            f"The header {how.header} is not the HMAC-SHA256 of the body under a secret of this "
            "connector. Sign the bytes that are sent, before anything prints them again."
        )
    if how.id_header is None:
        return sha256(body).hexdigest()
    name = headers.get(how.id_header.lower(), "")
    if not 1 <= len(name) <= ID_CHARACTERS_MAX or not all("!" <= one <= "~" for one in name):
        raise SignatureHeaderMalformed(
            f"The header {how.id_header} must name the message: 1 to {ID_CHARACTERS_MAX} visible "
            "ASCII characters."
        )
    return name


def _signature(how: BodySignature, headers: Mapping[str, str]) -> bytes:
    text = headers.get(how.header.lower())
    looks = f"`{how.prefix}<HMAC-SHA256 of the body, {how.encoding}>`"
    if text is None:
        raise SignatureHeaderMalformed(f"The header {how.header} is missing; it holds {looks}.")
    value = text.removeprefix(how.prefix)
    try:
        if not text.startswith(how.prefix) or len(value) > SIGNATURE_CHARACTERS_MAX:
            raise ValueError("not such a signature")
        return bytes.fromhex(value) if how.encoding == "hex" else _from_base64(value)
    except ValueError as error:
        raise SignatureHeaderMalformed(f"The header {how.header} must hold {looks}.") from error


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
