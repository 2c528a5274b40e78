"""What the audit of a load test says when something is missing, told twice, or sold too often."""

import base64
import hmac
import json
import time
from dataclasses import replace
from hashlib import sha256

import pytest
from standardwebhooks.webhooks import Webhook

from loadtest.audit import Deliveries, check_delivered, check_stock
from loadtest.receiver import Messages
from loadtest.tally import Tally

ONE, OTHER = "019aa000-0000-7000-8000-000000000001", "019aa000-0000-7000-8000-000000000002"
PERSON = "7d9f1c52-0a35-8d0e-9c11-6f4b7a1e2c90"
SECRET = b"a secret of thirty-two bytes ...."
ALL_DELIVERED = Deliveries(messages=2, repeats=1, badly_signed=0, facts={ONE: 1, OTHER: 1}, gaps=0)


def message(*facts: str, name: str = "msg_1", secret: bytes = SECRET, first: int = 1):
    """Headers and body of a batch of notices, signed now."""
    notices = [
        {"type": "action.credited", "data": {"action_id": f, "person": PERSON, "sequence": at}}
        for at, f in enumerate(facts, first)
    ]
    body = json.dumps({"type": "action.batch", "data": {"actions": notices}}).encode()
    moment = str(int(time.time()))
    mac = hmac.digest(secret, f"{name}.{moment}.".encode() + body, sha256)
    signature = f"v1,{base64.b64encode(mac).decode()}"
    headers = {
        "webhook-id": name, "webhook-timestamp": moment, "webhook-signature": signature,
    }  # fmt: skip
    return headers, body


def test_all_delivered_once_holds() -> None:
    assert check_delivered({ONE, OTHER}, ALL_DELIVERED, exact=True).holds


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"facts": {ONE: 1}}, "never delivered"),
        ({"facts": {ONE: 1, OTHER: 2}}, "delivered under two ids"),
        ({"facts": {ONE: 1, OTHER: 1, "strange": 1}}, "delivered and never answered"),
        ({"badly_signed": 1}, "badly signed"),
        ({"gaps": 1}, "not numbered without a gap"),
    ],
)
def test_what_was_delivered_wrongly_is_named(wrong: dict, said: str) -> None:
    check = check_delivered({ONE, OTHER}, replace(ALL_DELIVERED, **wrong), exact=True)

    assert not check.holds
    assert said in check.shown


def test_others_may_have_got_deliveries_where_we_are_not_alone() -> None:
    came = replace(ALL_DELIVERED, facts={ONE: 1, OTHER: 1, "of somebody else": 1})

    assert check_delivered({ONE, OTHER}, came, exact=False).holds


@pytest.mark.parametrize(
    ("placed", "lost", "left", "holds"),
    [(3, 0, 7, True), (3, 0, 6, False), (3, 1, 6, True), (3, 1, 8, False), (11, 0, -1, False)],
)
def test_stock_is_what_was_sold(placed: int, lost: int, left: int, holds: bool) -> None:
    tally = Tally()
    tally.orders.update(placed=placed, lost=lost)

    assert check_stock(tally, 10, left).holds is holds


def test_a_tally_keeps_the_facts_that_answers_name_through_json() -> None:
    tally = Tally(facts=set())
    tally.add_single(
        201, f'{{"action_id":"{ONE}","outcome":"credited","duplicate":false}}'.encode()
    )
    tally.add_order(201, f'{{"order_id":"{OTHER}"}}'.encode())
    tally.add_order(409, b'{"type":"/problems/sold-out"}')

    again = Tally.from_dict(json.loads(json.dumps(tally.as_dict())))

    assert again == tally
    assert again.facts == {ONE, OTHER}
    assert again.orders == {"placed": 1, "sold-out": 1}


def test_a_message_that_comes_again_changes_nothing() -> None:
    messages = Messages(Webhook(SECRET))

    statuses = [messages.receive(*message(ONE, OTHER)) for _ in range(2)]

    assert statuses == [200, 200]
    assert messages.summary() == Deliveries(
        messages=1, repeats=1, badly_signed=0, facts={ONE: 1, OTHER: 1}, gaps=0
    )


def test_a_forged_message_and_a_gap_are_noticed() -> None:
    messages = Messages(Webhook(SECRET))

    forged = messages.receive(*message(ONE, secret=b"another"))
    messages.receive(*message(ONE, first=2))

    assert forged == 401
    assert (messages.summary().badly_signed, messages.summary().gaps) == (1, 1)


def test_every_twentieth_message_has_to_come_again() -> None:
    messages = Messages(Webhook(SECRET))

    statuses = [messages.receive(*message(ONE, name=f"msg_{number}")) for number in range(40)]

    assert [at for at, status in enumerate(statuses, 1) if status == 500] == [20, 40]
