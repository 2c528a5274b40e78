"""The data folder: one holder, values that stay."""

from pathlib import Path

import pytest

from service.embedded.home import choose_port, lock_home, remember
from service.embedded.process import StartupError
from service.embedded.servers import embedded_servers


def test_a_second_holder_is_told_where_the_first_is(tmp_path: Path) -> None:
    with lock_home(tmp_path) as home:
        home.note("API at http://127.0.0.1:8000")

        with pytest.raises(StartupError, match="already running") as refusal, lock_home(tmp_path):
            pass

    assert "http://127.0.0.1:8000" in str(refusal.value)
    with lock_home(tmp_path):
        pass


def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StartupError, match="SAXAUL_HOME"), lock_home(tmp_path / "file" / "home"):
        pass


def test_what_is_remembered_does_not_change(tmp_path: Path) -> None:
    first = remember(tmp_path / "secrets.json", person_key="aa")

    second = remember(tmp_path / "secrets.json", person_key="bb", later="cc")

    assert first == {"person_key": "aa"}
    assert second == {"person_key": "aa", "later": "cc"}
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_chosen_port_is_chosen_again(tmp_path: Path) -> None:
    first = choose_port(0, remembered=tmp_path / "port")

    assert choose_port(0, remembered=tmp_path / "port") == first
    assert choose_port(8000, remembered=tmp_path / "port") == 8000


def test_servers_for_tests_hold_their_home(tmp_path: Path) -> None:
    with embedded_servers(tmp_path) as servers:
        assert servers.database_url.startswith("postgresql://saxaul:")
        assert servers.redis_url.startswith("redis://:")

        with pytest.raises(StartupError, match="already running"), embedded_servers(tmp_path):
            pass
