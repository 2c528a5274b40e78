"""The hasher under the programme's one key for the hashes of people."""

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from service.partners.person import PersonHasher
from service.resources import SettingMissing
from service.settings import Settings

KEY_BYTES = 32


def hasher_of(settings: Settings) -> PersonHasher:
    """Return the hasher under SAXAUL_PERSON_KEY.

    Raises SettingMissing when it is not set or too short.
    """
    if settings.person_key is None:
        raise SettingMissing(
            "SAXAUL_PERSON_KEY is not set. Make one with `openssl rand -hex 32` and keep it: with "
            "another key every person would become somebody else."
        )
    key = bytes.fromhex(settings.person_key.get_secret_value())
    if len(key) < KEY_BYTES:
        raise SettingMissing(f"SAXAUL_PERSON_KEY must be {KEY_BYTES} bytes or more, in hex.")
    return hasher_under(key)


def hasher_under(key: bytes) -> PersonHasher:
    """Return a hasher under `key` whose ids are of the database driver's own UUID class.

    That class is a subclass of the standard one, which costs more to make than the hash.
    """
    return PersonHasher(key, DriverUUID)
