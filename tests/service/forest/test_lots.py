"""Lots go their way from pledge to survey, by what partners report; refunds end at planting."""

import asyncio
import csv
import io
from typing import Any

import httpx
import pytest
from builders import unique
from fastapi import FastAPI
from grove import PRICE, a_project, all_at_once, broken_rules, insist, ordered, with_points

from service.forest.spreadsheet import FORMULA_STARTS, cell

TODAY, CSV = "2026-06-15", {"Content-Type": "text/csv"}


async def funded(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient, *, trees: int = 4
) -> tuple[str, list[Any]]:
    """A funded lot with so many trees of one person, and the orders."""
    project = await a_project(app, stock=20)
    alice = await with_points(app, trees * PRICE)
    orders = [await ordered(partner, project, alice) for _ in range(trees)]
    lot = f"{project}-001"
    answer = await admin.post(f"/v1/admin/lots/{lot}/fund")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["trees"]) == ("funded", trees)
    return lot, orders


async def report(admin: httpx.AsyncClient, lot: str, state: str, **more: Any) -> httpx.Response:
    body = {"state": state, "on": TODAY, "by": "Green hands", **more}
    return await admin.post(f"/v1/admin/lots/{lot}/reports", json=body)


async def test_a_lot_goes_its_way(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    lot, orders = await funded(app, partner, admin)

    steps = [
        await report(admin, lot, "planted", planted=4),
        await report(admin, lot, "accepted"),
        await report(admin, lot, "surveyed", surviving=3, photos=["https://a.example/1.jpg"]),
        await report(admin, lot, "replaced", surviving=4),
        await report(admin, lot, "surveyed", surviving=2),
    ]

    assert [one.status_code for one in steps] == [200] * 5, [one.text for one in steps]
    certificate = (await public.get(orders[0]["certificate_url"])).json()
    assert certificate["lot"]["state"] == "surveyed"
    figures = {name: certificate["lot"][name] for name in ("trees", "planted", "surviving")}
    assert figures == {"trees": 4, "planted": 4, "surviving": 2}
    assert certificate["lot"]["reports"][2]["photos"] == ["https://a.example/1.jpg"]
    found = (await public.get(f"/v1/projects/{certificate['project_id']}")).json()
    assert found["trees"] == {"contracted": 4, "planted": 4, "surviving": 2}
    assert await broken_rules(app) == []


async def test_a_person_has_their_share_of_a_lot(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    project = await a_project(app)
    alice, bob = await with_points(app, 3 * PRICE), await with_points(app, PRICE)
    for subject in (alice, alice, alice, bob):
        await ordered(partner, project, subject)
    lot = f"{project}-001"
    await admin.post(f"/v1/admin/lots/{lot}/fund")
    await report(admin, lot, "planted", planted=4)
    await report(admin, lot, "accepted")
    await report(admin, lot, "surveyed", surviving=2)

    trees = (await partner.get(f"/v1/people/{alice}")).json()["trees"]

    assert trees == {"contracted": 3, "planted": 3, "surviving": 1}


@pytest.mark.parametrize(
    ("state", "more", "pointer"),
    [
        ("accepted", {}, "/lines/1/state"),
        ("planted", {}, "/lines/1/planted"),
        ("planted", {"planted": 5}, "/lines/1/planted"),
        ("planted", {"planted": -1}, "/lines/1/planted"),
        ("planted", {"planted": 4, "surviving": 4}, "/lines/1/surviving"),
        ("planted", {"planted": 4, "on": "2026-06-16"}, "/lines/1/on"),
    ],
)
async def test_a_wrong_report_is_refused(
    app: FastAPI,
    partner: httpx.AsyncClient,
    admin: httpx.AsyncClient,
    state: str,
    more: dict[str, Any],
    pointer: str,
) -> None:
    lot, _ = await funded(app, partner, admin)

    answer = await report(admin, lot, state, **more)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await admin.get(f"/v1/admin/lots/{lot}")).json()["state"] == "funded"


async def test_the_next_order_joins_the_next_lot(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    lot, orders = await funded(app, partner, admin)
    alice = await with_points(app, PRICE)

    placed = await ordered(partner, orders[0]["project_id"], alice)

    assert placed["lot"] == lot.replace("-001", "-002")
    empty = await admin.post(f"/v1/admin/lots/{orders[0]['project_id']}-003/fund")
    assert empty.json()["type"] == "/problems/lot-not-found"


async def test_no_order_slips_into_a_lot_that_is_being_funded(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    project = await a_project(app, stock=100)
    people = [await with_points(app, PRICE) for _ in range(30)]
    await ordered(partner, project, await with_points(app, PRICE))
    lot = f"{project}-001"

    *orders, told = await all_at_once(
        [ordered(partner, project, one) for one in people]
        + [admin.post(f"/v1/admin/lots/{lot}/fund")]
    )

    in_lot = 1 + sum(one["lot"] == lot for one in orders)
    assert told.json()["trees"] == in_lot
    assert (await admin.get(f"/v1/admin/lots/{lot}")).json()["trees"] == in_lot
    assert {one["lot"] for one in orders} <= {lot, f"{project}-002"}


async def test_a_refund_and_planting_exclude_each_other(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    for _ in range(4):
        lot, orders = await funded(app, partner, admin, trees=3)
        path = f"/v1/orders/{orders[0]['order_id']}/refund"

        refund, planted = await asyncio.gather(
            insist(partner, path, {}), report(admin, lot, "planted", planted=3)
        )

        assert (refund.status_code, planted.status_code) in ((200, 422), (409, 200))
        if refund.status_code == 409:
            assert refund.json()["type"] == "/problems/order-planted"
    assert await broken_rules(app) == []


async def test_a_partner_fills_in_the_export(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    lot, _ = await funded(app, partner, admin)
    path = "/v1/admin/lots/export?format=csv&planting_partner=Green%20hands"
    exported = (await admin.get(path)).content
    rows = list(csv.DictReader(io.StringIO(exported.decode("utf-8-sig"))))
    (own,) = [row for row in rows if row["lot"] == lot]
    assert (own["local_name"], own["trees"], own["lot_state"]) == ("梭梭", "4", "funded")

    own |= {"state": "planted", "on": TODAY, "by": "梅 & co", "planted": "4", "note": "windy"}
    filled = io.StringIO()
    table = csv.DictWriter(filled, own.keys())
    table.writeheader()
    table.writerows(rows)
    send = {"content": filled.getvalue().encode("utf-8-sig"), "headers": CSV}
    first = await admin.post("/v1/admin/lots/import", **send)
    again = await admin.post("/v1/admin/lots/import", **send)

    assert first.json() == {"recorded": 1, "known": 0}
    assert again.json() == {"recorded": 0, "known": 1}
    found = (await admin.get(f"/v1/admin/lots/{lot}")).json()
    assert (found["state"], found["planted"], found["surviving"]) == ("planted", 4, None)


async def test_wrong_lines_are_named_and_nothing_is_recorded(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    lot, _ = await funded(app, partner, admin)
    text = (
        "lot,state,on,by,planted,surviving\r\n"
        f"{lot},planted,{TODAY},me,4,\r\n"
        f"nowhere-001,planted,{TODAY},me,4,\r\n"
        f"{lot},accepted,{TODAY},me,,\r\n"
        f"{lot},surveyed,{TODAY},me,,5\r\n"
        f"{lot},surveyed,{TODAY},me,,-1\r\n"
    )

    answer = await admin.post("/v1/admin/lots/import", content=text.encode(), headers=CSV)

    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [
        "/lines/3/lot",
        "/lines/5/surviving",
        "/lines/6/surviving",
    ]
    assert (await admin.get(f"/v1/admin/lots/{lot}")).json()["state"] == "funded"


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b"lot,state\r\nx,planted\r\n", "/lines/1/heading"),
        (b"lot,state,on,by,colour\r\n", "/lines/1/heading"),
        (b"lot,state,on,by\r\nx,planted,2026-06-15\r\n", "/lines/2/by"),
        (b"lot,state,on,by\r\nx,grown,2026-06-15,me\r\n", "/lines/2/state"),
        (b"lot,state,on,by\r\nx,planted,15.6.2026,me\r\n", "/lines/2/on"),
        (b"lot,state,on,by,planted\r\nx,planted,2026-06-15,me,many\r\n", "/lines/2/planted"),
        (b"lot,state,on,by\r\n\r\n\xff", "/lines/3/"),
        (b'lot,state,on,by\r\n"x', "/lines/2/"),
    ],
)
async def test_an_unreadable_file_is_refused(
    admin: httpx.AsyncClient, content: bytes, pointer: str
) -> None:
    answer = await admin.post("/v1/admin/lots/import", content=content, headers=CSV)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_only_an_administrator_gets_there(
    partner: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    for path in ("lots", "species", "liability", "lots/export", "lots/x"):
        assert (await partner.get(f"/v1/admin/{path}")).status_code == 403
        assert (await public.get(f"/v1/admin/{path}")).status_code == 401


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "  ="])
async def test_a_name_is_no_formula_in_a_spreadsheet(
    app: FastAPI, partner: httpx.AsyncClient, admin: httpx.AsyncClient, start: str
) -> None:
    hands = unique("hands")
    project = await a_project(app, place=f"{start}HYPERLINK(1)", planting_partner=hands)
    await ordered(partner, project, await with_points(app, PRICE))
    (await admin.post(f"/v1/admin/lots/{project}-001/fund")).raise_for_status()

    path = f"/v1/admin/lots/export?format=csv&planting_partner={hands}"
    exported = (await admin.get(path)).raise_for_status().content.decode("utf-8-sig")

    (row,) = csv.DictReader(io.StringIO(exported, newline=""))
    assert row["place"] == f"'{start}HYPERLINK(1)"
    assert not [one for one in row.values() if one.lstrip(" ").startswith(FORMULA_STARTS)]


def test_a_cell_is_changed_only_where_it_could_be_reckoned() -> None:
    texts = ("=1+1", "-2", "@x", " =1", "Alxa", "'=1", "", "a=b", 7, -7, None)

    assert [cell(text) for text in texts] == [
        "'=1+1", "'-2", "'@x", "' =1", "Alxa", "'=1", "", "a=b", 7, -7, None,
    ]  # fmt: skip
