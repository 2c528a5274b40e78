"""Secrets at rest open under their own key, in their own place, and nowhere else."""

import pytest
from builders import SECRET_KEY
from hypothesis import given
from hypothesis import strategies as some

from service.resources import SettingMissing
from service.settings import Settings
from service.webhooks.vault import SealBroken, Vault, vault_of

OLD, NEW = Vault([b"o" * 32]), Vault([b"n" * 32, b"o" * 32])


@given(some.text(some.characters(codec="utf-8")), some.text(some.characters(codec="utf-8")))
def test_what_is_sealed_opens_in_its_place(secret: str, about: str) -> None:
    assert OLD.open(OLD.seal(secret, about), about) == secret


def test_a_secret_does_not_open_elsewhere() -> None:
    sealed = OLD.seal("whsec_x", "connector:a")

    with pytest.raises(SealBroken, match="connector:b"):
        OLD.open(sealed, "connector:b")


@pytest.mark.parametrize("at", [0, 1, 5, 13, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    sealed = bytearray(OLD.seal("whsec_x", "a"))
    sealed[at] ^= 1

    with pytest.raises(SealBroken):
        OLD.open(bytes(sealed), "a")


def test_a_key_is_changed_without_a_stop() -> None:
    before, after = OLD.seal("one", "a"), NEW.seal("two", "a")

    assert (NEW.open(before, "a"), NEW.open(after, "a")) == ("one", "two")
    with pytest.raises(SealBroken, match="SAXAUL_SECRET_KEY"):
        OLD.open(after, "a")


@pytest.mark.parametrize("key", [None, "", "ab", "zz" * 32, SECRET_KEY + ",ab"])
def test_a_program_does_not_start_without_a_key(key: str | None) -> None:
    with pytest.raises(SettingMissing, match="SAXAUL_SECRET_KEY"):
        vault_of(Settings(secret_key=key))


def test_the_key_of_the_settings_opens() -> None:
    vault = vault_of(Settings(secret_key=f"{'ab' * 32},{SECRET_KEY}"))

    assert vault.open(vault_of(Settings(secret_key=SECRET_KEY)).seal("x", "a"), "a") == "x"
