"""What must hold in docker-compose.yml and the Dockerfile, whatever else changes in them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from methodologies import VERSION

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|_URL$")
FROM_OUTSIDE = re.compile(r"\$\{[A-Z_]+:[?-][^}]*\}")
ONE_SHOT = {"setup"}

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_system_is_complete() -> None:
    assert set(SERVICES) == {
        "postgres", "valkey", "setup", "api", "worker", "locust", "locust-worker",
        "prometheus",
    }  # fmt: skip


def test_our_image_has_the_version_of_the_distributions() -> None:
    ours = {service["image"] for service in SERVICES.values() if "saxaul:" in service["image"]}

    assert ours == {f"saxaul:{VERSION}"}


@each_service
def test_it_says_when_it_is_healthy_or_ends_by_itself(name: str) -> None:
    service = SERVICES[name]

    if name in ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@each_service
def test_it_waits_until_what_it_needs_is_ready(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        ready = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
        assert how == {"condition": ready}


@each_service
def test_no_secret_is_in_the_file(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if value is None:  # passed on from outside
            continue
        if SECRET.search(variable):
            assert FROM_OUTSIDE.search(value), f"{variable} must come from outside, by ${{...:?}}"
        if "://" in value:
            login = value.partition("://")[2].rpartition("@")[0]
            assert not FROM_OUTSIDE.sub("", login).partition(":")[2], f"{variable} holds a password"


@each_service
def test_its_image_is_pinned_to_a_version(name: str) -> None:
    repository, _, tag = SERVICES[name]["image"].partition(":")

    assert repository
    assert re.match(r"v?\d+\.\d+", tag), f"{name} must name a version"


@each_service
def test_its_data_is_in_a_named_volume(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, _, target = volume.partition(":")
        read_only = source.startswith("./") and target.endswith(":ro")
        assert read_only or source in COMPOSE["volumes"]


@each_service
def test_its_ports_are_open_to_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_the_api_can_be_scaled() -> None:
    published = SERVICES["api"]["ports"][0].split(":")[1]

    assert "-" in published, "one fixed port can be taken by one container only"
    assert "container_name" not in SERVICES["api"]


def test_load_generators_can_be_scaled() -> None:
    worker = SERVICES["locust-worker"]

    assert "--master" in SERVICES["locust"]["command"]
    assert {"--worker", "--master-host=locust"} <= set(worker["command"])
    assert "ports" not in worker
    assert "container_name" not in worker


def test_the_image_runs_as_an_ordinary_user_and_says_when_it_is_healthy() -> None:
    stage = DOCKERFILE.rpartition("\nFROM ")[2]

    assert re.search(r"^USER (?!0\b|root\b)\S+$", stage, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", stage, re.MULTILINE)


def test_the_image_is_built_from_the_lock_and_pinned_images() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert all(re.search(r":\d+\.\d+", image) for image in images)
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert not re.search(r"^(ENV|ARG) .*(PASSWORD|SECRET|TOKEN)", DOCKERFILE, re.MULTILINE)


def test_nothing_but_what_is_copied_reaches_the_builder() -> None:
    ignored, *let_in = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE))

    assert ignored == "*"
    names = {name for line in copied for name in line.split()}
    assert {line[1:] for line in let_in if line.startswith("!")} == names


def variables_of(name: str) -> dict[str, str]:
    """What a service's environment names, one word of text for each variable."""
    return {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}


@pytest.mark.parametrize("name", ["api", "worker"])
def test_what_runs_is_neither_superuser_nor_owner_of_the_tables(name: str) -> None:
    found = variables_of(name)

    assert found["DATABASE_URL"].startswith("postgresql://saxaul_app:${APP_PASSWORD:?")
    for secret in ("POSTGRES_PASSWORD", "OWNER_PASSWORD"):
        assert secret not in str(SERVICES[name]), f"{name} must not know {secret}"


def test_the_set_up_alone_knows_the_superuser_and_the_owner() -> None:
    found = variables_of("setup")

    assert SERVICES["setup"]["command"] == ["saxaul", "setup"]
    assert "${POSTGRES_PASSWORD:?" in found["SAXAUL_SUPERUSER_DATABASE_URL"]
    assert found["SAXAUL_OWNER_DATABASE_URL"].startswith("postgresql://saxaul:${OWNER_PASSWORD:?")
    knowing = {name for name in SERVICES if "POSTGRES_PASSWORD" in str(SERVICES[name])}
    assert knowing == {"setup", "postgres"}
    for name in ("api", "worker"):
        how = SERVICES[name]["depends_on"]["setup"]
        assert how == {"condition": "service_completed_successfully"}


def test_every_variable_that_must_be_set_is_made_by_the_command_at_the_head() -> None:
    whole = (ROOT / "docker-compose.yml").read_text()
    head = whole.partition("x-saxaul:")[0]

    needed = set(re.findall(r"\$\{([A-Z_]+):\?", whole))

    assert needed == set(re.findall(r"\b([A-Z_]+) \"\$\(openssl", head))


def test_prometheus_reads_the_metrics_with_the_token_of_the_api() -> None:
    scraped = yaml.safe_load((ROOT / "docs" / "monitoring" / "prometheus.yml").read_text())
    (api,) = (one for one in scraped["scrape_configs"] if one["job_name"] == "saxaul-api")

    assert api["authorization"] == {"credentials_file": "/run/secrets/metrics_token"}
    assert SERVICES["prometheus"]["secrets"] == ["metrics_token"]
    assert COMPOSE["secrets"]["metrics_token"] == {"environment": "SAXAUL_METRICS_TOKEN"}
    assert "SAXAUL_METRICS_TOKEN" in variables_of("api")
