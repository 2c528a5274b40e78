"""What the guide for receivers tells people to type does what it says."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import NewSettings, a_partner, client_of, running_app

from service.clock import system_clock
from service.webhooks.outbound.schedule import RETRY_CEILINGS_S, TRIP_FAILURES
from service.webhooks.signing import new_secret, signed_headers

GUIDE = (Path(__file__).parents[4] / "docs" / "webhooks.md").read_text()


def told(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return block


def test_the_shown_receiver_verifies_what_we_sign() -> None:
    names: dict[str, Any] = {}
    exec(told("python"), names)
    secret, other = new_secret(), new_secret()
    body = b'{"type": "endpoint.test"}'
    headers = signed_headers([other, secret], message_id="m1", timestamp=system_clock(), body=body)

    assert names["verified"](secret, headers, body)
    assert not names["verified"](new_secret(), headers, body)
    assert not names["verified"](secret, headers, body + b" ")
    assert not names["verified"](secret, {**headers, "webhook-timestamp": "1"}, body)


async def test_the_shown_request_makes_an_endpoint(new_settings: NewSettings) -> None:
    script = told("sh")
    path = re.search(r'"\$URL(/[^"]+)"', script)
    body = re.search(r"-d '(.*?)'", script, re.DOTALL)
    assert path
    assert body
    async with running_app(await new_settings(), system_clock) as app:
        merchant = await a_partner(
            app.state.runtime.resources.sessions, scopes=("webhooks:manage",)
        )
        async with client_of(app, merchant.key) as client:
            answer: httpx.Response = await client.post(path[1], json=json.loads(body[1]))

    assert answer.status_code == 201
    assert answer.json()["secret"].startswith("whsec_")


def test_the_shown_message_is_json() -> None:
    message = json.loads(told("json"))

    assert message["type"] == "action.batch"
    assert message["data"]["actions"][0]["type"] == "action.credited"


@pytest.mark.parametrize(
    "said",
    [
        f"{ {14: 'fourteen'}[len(RETRY_CEILINGS_S)] } times",
        f"After { {5: 'five'}[TRIP_FAILURES] } failures in a row",
    ],
)
def test_the_figures_are_those_of_the_code(said: str) -> None:
    assert said in GUIDE
