"""The command line: what it says, and the exit codes that scripts rely on."""

import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from builders import ISSUER, PERSON_KEY, NewSettings, unique
from typer.testing import CliRunner, Result

from service.cli import COMMANDS, app
from service.partners.keys import SCOPES
from service.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
async def database(new_settings: NewSettings) -> Settings:
    return await new_settings()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command where nothing was ever started."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAXAUL_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *args: CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_command_explains_itself(nowhere: Run, command: str) -> None:
    result = nowhere(command, "--help")

    assert result.exit_code == 0
    assert "Usage" in result.output
    assert len(result.output.split()) > 10


def test_every_command_is_listed(nowhere: Run) -> None:
    output = nowhere("--help").output

    listed = re.findall(r"^│ ([a-z][a-z-]*) ", output, re.MULTILINE)
    assert listed == [name for name, location in COMMANDS.items() if not location.hidden]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("migrate",), "DATABASE_URL is not set"),
        (("reconcile", "--wait", "0"), "DATABASE_URL is not set"),
        (("rebuild",), "DATABASE_URL is not set"),
        (("keys", "list"), "DATABASE_URL is not set"),
        (("token", "alice"), "no issuer is known here"),
        (("replay", "x.jsonl", "--format", "cloudevents"), "no API is running here"),
        (("keys", "add", "p", "--scope", "everything"), "there is no scope 'everything'"),
    ],
)
def test_what_is_missing_is_a_sentence(nowhere: Run, command: tuple, sentence: str) -> None:
    result = nowhere(*command)

    assert result.exit_code == 1, result.output
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_file_that_is_missing_is_a_sentence(nowhere: Run, tmp_path: Path) -> None:
    result = nowhere(
        "replay", tmp_path / "none.csv", "--format", "citibike", "--url", "http://x", "--key", "k"
    )

    assert result.exit_code == 1
    assert "there is no file" in result.output


def test_settings_are_listed_with_their_meaning(nowhere: Run) -> None:
    output = nowhere("settings").output

    for name in Settings.model_fields:
        variable = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL"}.get(
            name, f"SAXAUL_{name.upper()}"
        )
        assert variable in output


def test_settings_show_no_secret(nowhere: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAXAUL_PERSON_KEY", PERSON_KEY)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@db/x")

    output = nowhere("settings").output

    assert PERSON_KEY not in output
    assert "hunter2" not in output


def test_a_token_is_printed_alone(nowhere: Run, home: Path, monkeypatch) -> None:
    monkeypatch.setenv("SAXAUL_HOME", str(home))
    monkeypatch.setenv("SAXAUL_OIDC_ISSUER", ISSUER)

    result = nowhere("token", "alice", "--hours", "1")

    assert result.exit_code == 0, result.output
    assert result.stdout.strip().count(".") == 2


def test_the_openapi_document_is_json(nowhere: Run) -> None:
    assert orjson.loads(nowhere("openapi").stdout)["info"]["title"] == "Saxaul"


class TestWithADatabase:
    """Commands run a loop of their own, so these tests are no coroutines."""

    @pytest.fixture
    def run(self, nowhere: Run, database: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
        monkeypatch.setenv("DATABASE_URL", str(database.database_url))
        monkeypatch.setenv("REDIS_URL", str(database.redis_url))
        monkeypatch.setenv("SAXAUL_PERSON_KEY", PERSON_KEY)
        return nowhere

    def test_a_key_is_made_listed_and_revoked(self, run: Run) -> None:
        source = unique("shop")
        added = run("keys", "add", "shop", "--source", source, *(f"--scope={s}" for s in SCOPES))
        key = added.stdout.strip()
        prefix = key.split("_")[1]

        listed = run("keys", "list")
        revoked, again = run("keys", "revoke", prefix), run("keys", "revoke", prefix)

        assert added.exit_code == 0, added.output
        assert re.fullmatch(r"sx_[0-9a-f]{12}_[0-9a-f]{72}", key)
        assert prefix in listed.output
        assert key.split("_")[2] not in listed.output
        assert (revoked.exit_code, again.exit_code) == (0, 1)

    def test_a_source_has_one_owner(self, run: Run) -> None:
        source = unique("shop")
        run("keys", "add", "one", "--source", source)

        result = run("keys", "add", "two", "--source", source)

        assert result.exit_code == 1
        assert "is registered for another partner" in result.output

    def test_reconcile_says_whether_everything_holds(self, run: Run) -> None:
        before = run("reconcile", "--wait", "0")
        run("rebuild")
        after = run("reconcile", "--wait", "0", "--json")

        assert before.exit_code == 1
        assert "BROKEN" in before.output
        assert after.exit_code == 0, after.output
        assert all(check["holds"] for check in orjson.loads(after.stdout))

    def test_a_server_that_is_away_is_a_sentence(self, run: Run, monkeypatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

        result = run("reconcile", "--wait", "0")

        assert result.exit_code == 1
        assert "a server does not answer" in result.output
