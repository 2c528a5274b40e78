"""`docs/openapi.json` is what people build on: a change of it is reviewed as a diff."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from service.app import create_app
from service.settings import Settings

SNAPSHOT = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_the_snapshot_is_what_the_code_says(document: dict[str, Any]) -> None:
    assert orjson.loads(SNAPSHOT.read_bytes()) == orjson.loads(orjson.dumps(document)), (
        "the API has changed: look at the diff that `make docs` writes, and commit it"
    )


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [one for part in value.values() for one in references(part)]
        if isinstance(value, list):
            return [one for part in value for one in references(part)]
        return []

    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in node, reference
            node = node[part]


def test_every_route_says_what_it_does(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path}: give it a docstring"
            assert operation.get("tags"), f"{method} {path}: give it a tag"
