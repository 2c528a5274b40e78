"""What is shipped works by itself: both wheels of a clean checkout, far from the source folder."""

import json
import subprocess
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest
from builders import SINGLE, a_ride
from flow_clients import of_the_demo
from flow_system import HANG_S
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from wheels import (
    PARTS,
    Environment,
    Wheel,
    build,
    checkout,
    clean,
    environment,
    see_everything,
    see_only,
    tracked,
)

from service.embedded.process import wait_until

pytestmark = pytest.mark.xdist_group("wheels")
HEAVY = {"asyncpg", "fastapi", "httpx", "pint", "redis", "sqlalchemy", "sqlmodel"}


@dataclass(frozen=True)
class Shipped:
    """The checkout and its two wheels."""

    source: Path
    system: Wheel
    methodologies: Wheel


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    folder = tmp_path_factory.mktemp("shipped")
    source = checkout(folder / "source")
    return Shipped(
        source,
        build(source, folder / "system"),
        build(source / "methodologies", folder / "methodologies"),
    )


@pytest.fixture(scope="module")
def whole(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with both wheels, and all that is installed for the tests."""
    folder = tmp_path_factory.mktemp("whole") / "venv"
    made = environment(folder, shipped.system, shipped.methodologies)
    see_everything(made)
    return made


@pytest.fixture(scope="module")
def receipt(whole: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The receipt of a ride that the installed system recorded, started and stopped for it."""
    home = tmp_path_factory.mktemp("home")
    output = home / "output"
    with (
        output.open("wb") as writer,
        subprocess.Popen(
            [whole.program("saxaul"), "up"],
            stdout=writer, stderr=subprocess.STDOUT, cwd=home,
            env={**clean(), "SAXAUL_HOME": str(home / "data"), "SAXAUL_PORT": "0"},
        ) as process,
    ):  # fmt: skip
        try:
            wait_until(
                lambda: "Saxaul is running" in output.read_text() or process.poll() is not None,
                seconds=2 * HANG_S,
            )
            assert "Saxaul is running" in output.read_text(), output.read_text()
            demo = json.loads((home / "data/demo.json").read_text())
            assert httpx.get(f"{demo['url']}/readyz", timeout=HANG_S, trust_env=False).is_success
            file = home / "receipt.json"
            file.write_bytes(_receipt_of_a_ride(demo))
        finally:
            process.terminate()
            code = process.wait(timeout=HANG_S)
    assert code == 0, output.read_text()
    return file


def _receipt_of_a_ride(demo: dict[str, str]) -> bytes:
    headers = {"Authorization": f"Bearer {demo['backfill_key']}"}
    with httpx.Client(
        base_url=demo["url"], headers=headers, timeout=HANG_S, trust_env=False
    ) as client:
        page = client.get("/methodologies/index.html")
        assert (page.status_code, "transit.metro" in page.text) == (200, True)
        recorded = client.post("/v1/events", json=of_the_demo(a_ride()), headers=SINGLE)
        assert recorded.is_success, recorded.text
        action = recorded.json()["action_id"]
        return client.get(f"/v1/actions/{action}/receipt").raise_for_status().content


@pytest.fixture(scope="module")
def auditor(
    shipped: Shipped, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Environment, set[str]]:
    """The methodologies' wheel and only what it needs, and the names of that."""
    made = environment(tmp_path_factory.mktemp("auditor") / "venv", shipped.methodologies)
    return made, see_only(made, shipped.methodologies.requires(extras=False))


def test_both_have_one_version_and_the_system_needs_the_same_one(shipped: Shipped) -> None:
    version = shipped.system.metadata["Version"]

    assert shipped.methodologies.metadata["Version"] == version
    needed = [Requirement(text) for text in shipped.system.metadata.get_all("Requires-Dist", [])]
    (pinned,) = (one for one in needed if one.name == "saxaul-methodologies")
    assert str(pinned.specifier) == f"=={version}"


def test_every_file_is_in_exactly_one_of_them(shipped: Shipped) -> None:
    source = shipped.source

    assert shipped.system.names == tracked(source, "service", "workers")
    assert shipped.methodologies.names == tracked(source, "methodologies")
    for kind in (".lua", ".html", ".yaml", ".css"):
        assert any(name.endswith(kind) for name in shipped.system.names)


@pytest.mark.parametrize("name", ["system", "methodologies"])
def test_each_names_every_distribution_that_it_imports(shipped: Shipped, name: str) -> None:
    wheel: Wheel = getattr(shipped, name)
    named = {*wheel.requires(extras=True), "saxaul-methodologies"}
    imported = wheel.imported()

    assert len(imported) >= 5
    missing = {
        names: file
        for names, file in imported.items()
        if names != ("methodologies",) and not named & {PARTS.get(one, one) for one in names}
    }
    assert not missing


@pytest.mark.parametrize(("part", "whole_name"), PARTS.items())
def test_a_part_of_a_library_comes_with_it(part: str, whole_name: str) -> None:
    needed = {canonicalize_name(Requirement(text).name)
              for text in distribution(whole_name).requires or []}  # fmt: skip

    assert part in needed


def test_the_code_that_runs_is_the_installed_one(whole: Environment) -> None:
    done = whole.run(
        "python", "-c",
        "import service, methodologies, workers; "
        "print(*(one.__file__ for one in (service, methodologies, workers)), sep='\\n')",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    for file in done.stdout.split():
        assert Path(file).is_relative_to(whole.folder)


def test_the_installed_system_runs_and_its_receipt_is_equal(
    whole: Environment, receipt: Path
) -> None:
    verified = whole.run("saxaul", "receipt", "verify", str(receipt))

    assert verified.returncode == 0, verified.stderr
    assert "equal" in verified.stdout


def test_an_auditor_installs_five_small_distributions(
    shipped: Shipped, auditor: tuple[Environment, set[str]]
) -> None:
    made, seen = auditor

    # The newest typer brings pydantic; nothing of this package asks for it, or imports it.
    needed = shipped.methodologies.requires(extras=False)
    assert needed == {"jinja2", "orjson", "pyyaml", "rich", "typer"}
    assert not seen & HEAVY
    for name in HEAVY:
        assert "ModuleNotFoundError" in made.run("python", "-c", f"import {name}").stderr


def test_an_auditor_verifies_a_receipt_offline_and_finds_an_altered_one(
    auditor: tuple[Environment, set[str]], receipt: Path, tmp_path: Path
) -> None:
    made, _ = auditor
    forged = json.loads(receipt.read_bytes())
    forged["recorded"]["avoided_mg"] = "999999999"
    altered = tmp_path / "altered.json"
    altered.write_text(json.dumps(forged))

    equal = made.run("saxaul-methodologies", "verify", str(receipt))
    found = made.run("saxaul-methodologies", "verify", str(altered))

    assert equal.returncode == 0, equal.stderr
    assert "equal" in equal.stdout
    assert "794,592 mg" in equal.stdout
    assert found.returncode == 1
    assert "differs /recorded/avoided_mg" in found.stderr
    assert "does not hold" in found.stderr


def test_an_auditor_builds_the_site_and_tries_a_sum(
    auditor: tuple[Environment, set[str]], tmp_path: Path
) -> None:
    made, _ = auditor

    built = made.run("saxaul-methodologies", "site", str(tmp_path / "site"))
    tried = made.run("saxaul-methodologies", "try", "transit.metro", '{"distance_km": "12.4"}',
                     "--on", "2025-06-01")  # fmt: skip

    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site/transit.metro-1.0.0.html").is_file()
    assert tried.returncode == 0, tried.stderr
    assert "794592" in tried.stdout


def test_who_checks_without_the_parser_of_units_is_told_what_to_install(
    auditor: tuple[Environment, set[str]], tmp_path: Path
) -> None:
    made, _ = auditor

    drafted = made.run("saxaul-methodologies", "new", "water.refill", "--folder", str(tmp_path))
    checked = made.run("saxaul-methodologies", "check", str(tmp_path))

    assert drafted.returncode == 0, drafted.stderr
    assert "Next: saxaul-methodologies check" in drafted.stdout
    assert checked.returncode == 1
    assert "saxaul-methodologies[authoring]" in checked.stderr


@pytest.fixture(scope="module")
def author(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = environment(tmp_path_factory.mktemp("author") / "venv", shipped.methodologies)
    see_only(made, shipped.methodologies.requires(extras=True))
    return made


def test_an_author_goes_from_nothing_to_a_check_that_holds(
    author: Environment, tmp_path: Path
) -> None:
    author.run("saxaul-methodologies", "new", "water.refill", "--folder", str(tmp_path))

    checked = author.run("saxaul-methodologies", "check", str(tmp_path))
    published = author.run("saxaul-methodologies", "publish", str(tmp_path / "water_refill/v1"))

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "(draft): 4 cases" in checked.stdout
    assert published.returncode == 1
    assert "still the value of the skeleton" in published.stderr
