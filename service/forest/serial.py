"""Serials of certificates and codes of pools: short, readable aloud, with check characters. Pure.

Ten bits of bucket and some random bits in Crockford's base 32 (no I, L, O or U), then two check
characters: the number modulo the prime 1021, which notices every wrong character and every swap of
two neighbours. The bucket in front lets a row be found on one node by its serial alone.
"""

import secrets
from datetime import datetime
from uuid import UUID

from service.clock import uuid7

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_CHECK_PRIME = 1021
BUCKET_BITS = 10
SERIAL_CHARS, CODE_CHARS = 14, 10  # 50 and 30 random bits
SERIAL_START = "SX-"


def make_serial(bucket: int) -> str:
    """Return a certificate's serial, SX-XXXXX-XXXXX-XXXX; its 50 random bits cannot be guessed."""
    text = _make(bucket, SERIAL_CHARS)
    return f"{SERIAL_START}{text[:5]}-{text[5:10]}-{text[10:]}"


def read_serial(text: str) -> tuple[int, str] | None:
    """Return (bucket, serial as it was issued), however it was typed; None if it cannot be one."""
    plain = _plain(text)
    if plain.startswith("SX") and len(plain) == SERIAL_CHARS + 2:
        plain = plain[2:]
    bucket = _read(plain, SERIAL_CHARS)
    if bucket is None:
        return None
    plain = "".join(ALPHABET[_VALUES[letter]] for letter in plain)
    return bucket, f"{SERIAL_START}{plain[:5]}-{plain[5:10]}-{plain[10:]}"


def make_code(bucket: int) -> str:
    """Return a pool's invitation code, XXXXX-XXXXX."""
    text = _make(bucket, CODE_CHARS)
    return f"{text[:5]}-{text[5:]}"


def read_code(text: str) -> tuple[int, str] | None:
    """Return (bucket, code as it was made), however it was typed; None if it cannot be one."""
    plain = _plain(text)
    bucket = _read(plain, CODE_CHARS)
    if bucket is None:
        return None
    plain = "".join(ALPHABET[_VALUES[letter]] for letter in plain)
    return bucket, f"{plain[:5]}-{plain[5:]}"


def make_id(now: datetime, bucket: int) -> UUID:
    """Return a time-ordered id whose last ten bits are the bucket."""
    return UUID(int=uuid7(now).int & ~0x3FF | bucket)


def bucket_in(id_: UUID) -> int:
    """Return the bucket of an id that `make_id` made."""
    return id_.int & 0x3FF


def _make(bucket: int, chars: int) -> str:
    random_bits = (chars - 2) * 5 - BUCKET_BITS
    number = bucket << random_bits | secrets.randbits(random_bits)
    return _written(number, chars - 2) + _written(number % _CHECK_PRIME, 2)


def _read(plain: str, chars: int) -> int | None:
    if len(plain) != chars or any(letter not in _VALUES for letter in plain):
        return None
    number, check = _number(plain[:-2]), _number(plain[-2:])
    if number % _CHECK_PRIME != check:
        return None
    return number >> ((chars - 2) * 5 - BUCKET_BITS)


def _plain(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter not in "- ")


def _written(number: int, chars: int) -> str:
    return "".join(ALPHABET[number >> 5 * at & 31] for at in reversed(range(chars)))


def _number(text: str) -> int:
    number = 0
    for letter in text:
        number = number << 5 | _VALUES[letter]
    return number
