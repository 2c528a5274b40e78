"""Whatever is sent, the answer is one that the OpenAPI document knows, and never a 5xx."""

from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from builders import SINGLE, a_ride
from flow_clients import of_the_demo
from flow_system import System
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from soak import examples

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
# How many requests of each mode an operation is sent, by who sends them: an operator gets furthest.
# The others send the operator's first ones.
EXAMPLES = {"admin_key": 4, "person_token": 2, "backfill_key": 1, None: 1}
LIMIT_S = 600  # some hundred operations; each alone is quick
PATH = ParameterLocation.PATH
ENDLESS = "/v1/totals/stream"  # answers as long as somebody listens


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("mode", GenerationMode)
def test_no_answer_is_undocumented(system: System, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{system.url}/openapi.json")
    operations = [one.ok() for one in schema.get_all_operations()]
    assert ENDLESS in {operation.path for operation in operations}
    tried = [one for one in operations if one.path != ENDLESS and _can_be(mode, one)]
    with requests.Session() as session:
        found = [_tried(operation, mode, system, session) for operation in tried]

    assert len(tried) >= 80
    assert all(sent for sent, _ in found)
    problems = [problem for _, problems in found for problem in problems]
    assert not problems, "\n\n".join(problems)


def _can_be(mode: GenerationMode, operation: schemathesis.APIOperation) -> bool:
    """Whether an operation takes anything that could be wrong: a text in a path never is."""
    outside_path = [one for one in operation.iter_parameters() if one.location is not PATH]
    return mode is GenerationMode.POSITIVE or bool(outside_path)


def _tried(
    operation: schemathesis.APIOperation,
    mode: GenerationMode,
    system: System,
    session: requests.Session,
) -> tuple[int, list[str]]:
    """How many requests an operation was sent, and each different failure of it, once."""
    found: dict[str, str] = {}
    sent: Counter[str | None] = Counter()
    wanted = {key: examples(count) for key, count in EXAMPLES.items()}

    @settings(
        max_examples=max(wanted.values()),
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_it(case: schemathesis.Case) -> None:
        for key, count in wanted.items():
            if sent[key] < count:
                sent[key] += 1
                send_it(case, key)

    def send_it(case: schemathesis.Case, key: str | None) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {system.demo[key]}"}
        answer = case.call(headers=headers, session=session, timeout=60)
        try:
            case.validate_response(answer, checks=list(CHECKS))
        except schemathesis.errors.FailureGroup as group:
            for failure in group.exceptions:
                label = f"{operation.label} as {key}: {answer.status_code} {failure.title}"
                found.setdefault(label, f"{label}\n{failure}\n{answer.text[:300]}")

    try_it()
    return sent.total(), list(found.values())


async def test_answers_about_what_is_there_are_documented(system: System) -> None:
    schema = schemathesis.openapi.from_url(f"{system.url}/openapi.json")
    headers = {"Authorization": f"Bearer {system.demo['backfill_key']}"}
    async with system.client() as client:
        answer = await client.post("/v1/events", json=of_the_demo(a_ride()), headers=SINGLE)
    action = {"action_id": answer.raise_for_status().json()["action_id"]}
    refund: dict[str, Any] = {"body": {"reason": "refund"}, "media_type": "application/json"}
    asked: list[tuple[str, str, dict[str, str], dict[str, Any], int]] = [
        ("/v1/actions/{action_id}", "GET", action, {}, 200),
        ("/v1/actions/{action_id}/receipt", "GET", action, {}, 200),
        ("/v1/actions/{action_id}/reversal", "POST", action, refund, 201),
        ("/v1/actions/{action_id}/reversal", "POST", action, refund, 200),
        ("/v1/actions/{action_id}", "GET", action, {}, 200),
        ("/v1/projects/{project_id}", "GET", {"project_id": "alxa-saxaul"}, {}, 200),
        ("/problems/{code}", "GET", {"code": "event-conflict"}, {}, 200),
        (
            "/v1/methodologies/{methodology_id}/{version}", "GET",
            {"methodology_id": "transit.metro", "version": "1.0.0"}, {}, 200,
        ),
    ]  # fmt: skip

    for path, method, parameters, body, status in asked:
        case = schema[path][method].Case(path_parameters=parameters, **body)
        answer = case.call(headers=headers, timeout=60)
        assert answer.status_code == status, f"{path}: {answer.text}"
        case.validate_response(answer, checks=list(CHECKS))
