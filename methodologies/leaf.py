"""The leaf hash of an action: what the journal holds of it, and its receipt shows. Pure."""

from hashlib import sha256


def leaf_of_action(
    *,
    action: str,
    content: str,
    methodology: object,
    outcome: object,
    gross_mg: object,
    avoided_mg: object,
    points: object,
) -> bytes:
    """SHA-256 over a zero byte (RFC 6962) and what was recorded, parted by bars.

    `action` and `content` are its id and the digest of its event in hex, carbon in mg CO2e. The
    other values may be anything that a receipt says: a wrong one gives another hash.
    """
    text = f"\0{action}|{content}|{methodology}|{outcome}|{gross_mg}|{avoided_mg}|{points}"
    return sha256(text.encode()).digest()
