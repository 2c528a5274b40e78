"""The embedded Valkey with a real process."""

from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from service.embedded.valkey import prepare_valkey, spawn_valkey, start_valkey


def test_it_answers_with_its_password_only(tmp_path: Path) -> None:
    with start_valkey(tmp_path, 0) as server, Redis.from_url(server.url) as client:
        assert client.ping() is True

        instance = prepare_valkey(tmp_path / "other", 0)
        stranger = server.url.replace(server.url.split("@")[0], f"redis://:{instance.password}")
        with Redis.from_url(stranger) as other, pytest.raises(AuthenticationError):
            other.ping()


def test_it_keeps_nothing_and_refuses_rather_than_forgets(tmp_path: Path) -> None:
    with start_valkey(tmp_path, 0) as first, Redis.from_url(first.url) as client:
        client.set("gone", "after a restart")
        policy = client.config_get("maxmemory-policy")

    with start_valkey(tmp_path, 0) as second, Redis.from_url(second.url) as client:
        assert client.dbsize() == 0

    assert policy == {"maxmemory-policy": "noeviction"}
    assert second.url == first.url
    assert not list((tmp_path / "valkey").glob("*.rdb"))


def test_one_that_outlived_its_supervisor_is_replaced(tmp_path: Path) -> None:
    orphan = start_valkey(tmp_path, 0)

    with start_valkey(tmp_path, 0) as server:
        assert not orphan.alive()
        assert server.url == orphan.url


def test_its_password_is_in_no_command_line(tmp_path: Path) -> None:
    instance = prepare_valkey(tmp_path, 0)
    process = spawn_valkey(instance)
    process.kill()
    process.wait()

    assert instance.password not in " ".join(map(str, process.args))
    assert (instance.folder / "valkey.conf").stat().st_mode & 0o777 == 0o600
