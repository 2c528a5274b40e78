"""The leaves of facts: what the journal holds of each, and a receipt lets anyone make again. Pure.

A leaf is a hash over named fields under a salt, so that no value can imitate a separator, and what
a leaf says cannot be guessed once its salt is destroyed. Facts from before there were salts have
none, and keep the leaf of the first form: texts parted by bars.
"""

from collections.abc import Mapping
from hashlib import sha256

from methodologies.content import canonical_json

SALT_BYTES = 16


def leaf_of(content: Mapping[str, object], salt: bytes) -> bytes:
    """Return the RFC 6962 leaf hash over the commitment to a fact's content.

    The commitment is SHA-256 over the salt and the content as canonical JSON. Integers are to be
    stated as strings.
    """
    commitment = sha256(salt + canonical_json(content)).digest()
    return sha256(b"\0" + commitment).digest()


def leaf_of_action(
    *,
    salt: bytes | None,
    action: str,
    content: str,
    methodology: object,
    outcome: object,
    gross_mg: object,
    avoided_mg: object,
    points: object,
) -> bytes:
    """Return the leaf of an action; without a salt, that of the first form.

    `action` and `content` are its id and the digest of its event in hex, carbon in mg CO2e as
    decimal texts, and so are points. The verifier states whatever its receipt says: a wrong value
    gives another hash.
    """
    if salt is None:
        return _first_form(action, content, methodology, outcome, gross_mg, avoided_mg, points)
    return leaf_of(
        {
            "action": action,
            "avoided_mg": avoided_mg,
            "content": content,
            "gross_mg": gross_mg,
            "kind": "action",
            "methodology": methodology,
            "outcome": outcome,
            "points": points,
        },
        salt,
    )


def leaf_of_reversal(
    *, salt: bytes | None, action: str, reason: str, avoided_mg: int, points: int
) -> bytes:
    """Return the leaf of a reversal: what was taken back of an action, and why."""
    if salt is None:
        return _first_form(action, "reversal", reason, avoided_mg, points)
    return leaf_of(
        {
            "kind": "reversal",
            "action": action,
            "reason": reason,
            "avoided_mg": str(avoided_mg),
            "points": str(points),
        },
        salt,
    )


def leaf_of_corroboration(*, salt: bytes, action: str, other: str) -> bytes:
    """Return the leaf of a corroboration: which action of another partner bears an action out."""
    return leaf_of({"kind": "corroboration", "action": action, "other": other}, salt)


def leaf_of_restatement(
    *,
    salt: bytes | None,
    action: str,
    sequence: int,
    methodology: str,
    outcome: str,
    gross_mg: int,
    avoided_mg: int,
) -> bytes:
    """Return the leaf of a restatement: what an action gives under another version."""
    if salt is None:
        return _first_form(
            action, "restatement", sequence, methodology, outcome, gross_mg, avoided_mg
        )
    return leaf_of(
        {
            "kind": "restatement",
            "action": action,
            "sequence": str(sequence),
            "methodology": methodology,
            "outcome": outcome,
            "gross_mg": str(gross_mg),
            "avoided_mg": str(avoided_mg),
        },
        salt,
    )


def leaf_of_transfer(*, salt: bytes | None, action: str, scheme: str, reference: str) -> bytes:
    """Return the leaf of a transfer: the scheme that counts an action, and its reference there."""
    if salt is None:
        return _first_form(action, "transfer", scheme, reference)
    content = {"kind": "transfer", "action": action, "scheme": scheme, "reference": reference}
    return leaf_of(content, salt)


def _first_form(*values: object) -> bytes:
    """SHA-256 over a zero byte (RFC 6962) and the values, parted by bars."""
    return sha256(f"\0{'|'.join(map(str, values))}".encode()).digest()
