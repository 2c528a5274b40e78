"""Past actions under a later version: totals move by exactly the difference, points stay."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from builders import a_bus_ride, a_ride, catch_up, unique
from fastapi import FastAPI
from restate_versions import (
    CLOSED_DAY,
    NEW_MG,
    OLD_MG,
    a_closed_ride,
    restated,
    send,
)
from sqlalchemy import text

from methodologies.leaf import leaf_of_restatement
from service.errors import MethodologyNotFound, RestatementRefused, RunUnderWay, RunUnfinished
from service.reconciliation.reconcile import reconcile
from service.restate.chunks import alone
from service.restate.restate import KIND
from service.restate.rules import Span
from service.totals.checkpoint import close_days
from service.totals.counters import Counters

Rides = list[dict[str, Any]]


def rides(count: int, **more: Any) -> Rides:
    return [a_closed_ride(a_ride, **more) for _ in range(count)]


async def totals(client: httpx.AsyncClient, **params: str) -> dict[str, Any]:
    answer = await client.get("/v1/totals", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def assert_reconciled(app: FastAPI) -> None:
    await catch_up(app)
    resources = app.state.runtime.resources
    checks = await reconcile(resources.sessions, Counters(resources.valkey, resources.sessions))
    assert [one for one in checks if not one.holds] == []


async def database_moment(app: FastAPI) -> str:
    """A moment of the database's own clock, which the journal's rows carry."""
    async with app.state.runtime.resources.engine.connect() as connection:
        found = await connection.exec_driver_sql("SELECT clock_timestamp()")
        moment: datetime = found.scalar_one()
    return moment.isoformat()


async def test_totals_move_by_exactly_the_difference_and_points_stay(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, [*rides(3), a_closed_ride(a_bus_ride)])
    await catch_up(programme)
    before, moment = await totals(reporter), await database_moment(programme)

    report = await restated(programme)

    await assert_reconciled(programme)
    after = await totals(reporter)
    assert report["total"]["difference_mg"] == str(3 * (NEW_MG - OLD_MG))
    assert int(after["avoided_mg"]) - int(before["avoided_mg"]) == 3 * (NEW_MG - OLD_MG)
    assert [after[name] for name in ("actions", "people", "points")] == [
        before[name] for name in ("actions", "people", "points")
    ]
    (moved,) = [
        row for row in after["by_methodology"] if row["methodology"] == "transit.metro@2.0.0"
    ]
    assert (moved["avoided_mg"], moved["actions"]) == (str(3 * NEW_MG), 3)
    assert (await totals(reporter, as_of=moment))["avoided_mg"] == before["avoided_mg"]
    now = await database_moment(programme)
    assert (await totals(reporter, as_of=now))["avoided_mg"] == after["avoided_mg"]


async def test_the_leaf_of_each_restatement_can_be_made_again(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, rides(3))
    await restated(programme)

    query = text(
        "SELECT restatement.*, leaves FROM restatement JOIN journal USING (batch_id) "
        "ORDER BY action_id"
    )
    async with programme.state.runtime.resources.sessions() as session:
        found = (await session.execute(query)).mappings().all()

    again = {
        leaf_of_restatement(
            salt=row["salt"],
            action=row["action_id"].hex,
            **{
                name: row[name]
                for name in ("sequence", "methodology", "outcome", "gross_mg", "avoided_mg")
            },
        )
        for row in found
    }
    held = found[0]["leaves"]
    assert len({row["salt"] for row in found}) == 3
    assert again == {bytes(held[at : at + 32]) for at in range(0, len(held), 32)}


async def test_the_series_as_of_a_moment_knows_the_old_value_then_and_the_new_one_now(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, rides(2))
    moment = await database_moment(programme)
    await restated(programme)
    await catch_up(programme)

    async def month(**params: str) -> str:
        answer = await reporter.get("/v1/totals/series", params={"by": "month", **params})
        return answer.json()["data"][0]["avoided_mg"]

    assert await month(as_of=moment) == str(2 * OLD_MG)
    assert await month(as_of=await database_moment(programme)) == str(2 * NEW_MG)
    assert await month() == str(2 * NEW_MG)


async def test_closed_days_of_the_journal_change_no_answer(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, rides(2))
    await restated(programme)
    await catch_up(programme)
    resources = programme.state.runtime.resources
    async with resources.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE journal DISABLE TRIGGER USER")
        await connection.exec_driver_sql(
            "UPDATE journal SET recorded_at = recorded_at - interval '3 days' WHERE kind = 'intake'"
        )
    moments = [(datetime.now(UTC) - timedelta(days=days)).isoformat() for days in (4, 3, 2, 1, 0)]
    open_ = [await totals(reporter, as_of=moment) for moment in moments]

    closed = await close_days(resources.sessions, datetime.now(UTC) + timedelta(days=2))

    assert closed == 2
    assert await close_days(resources.sessions, datetime.now(UTC) + timedelta(days=2)) == 0
    assert [await totals(reporter, as_of=moment) for moment in moments] == open_
    assert open_[0]["avoided_mg"] == "0"
    assert open_[2]["avoided_mg"] == str(2 * OLD_MG)
    await assert_reconciled(programme)


async def test_a_restatement_is_in_the_audit_trail(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, rides(1))

    report = await restated(programme)
    query = {"target": f"run:{report['run_id']}"}
    (event,) = (await reporter.get("/v1/audit-events", params=query)).json()["data"]

    assert (event["act"], event["actor"]["kind"]) == ("run.begun", "operator")
    assert event["changes"]["target"] == [None, report["to"]]


async def test_an_action_and_its_receipt_show_the_restatement(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    (ride,) = rides(1)
    (recorded,) = await send(reporter, [ride])
    report = await restated(programme)
    address = f"/v1/actions/{recorded['action_id']}"

    action = (await reporter.get(address)).json()
    receipt = (await reporter.get(f"{address}/receipt")).json()
    person = (await reporter.get(f"/v1/people/{ride['subject']}")).json()
    listed = (await reporter.get(f"/v1/people/{ride['subject']}/actions")).json()["data"]

    assert (action["methodology"], action["avoided_mg"]) == ("transit.metro@1.0.0", str(OLD_MG))
    assert action["now"] == {
        "methodology": "transit.metro@2.0.0",
        "outcome": "credited",
        "gross_mg": "917600",
        "avoided_mg": str(NEW_MG),
    }
    assert [one["run_id"] for one in action["restatements"]] == [report["run_id"]]
    assert receipt["now"] == action["now"]
    shown = receipt["restatements"][0]["assessment"]
    assert shown["methodology"]["reference"] == "transit.metro@2.0.0"
    assert person["carbon"]["avoided_mg"] == str(NEW_MG)
    assert person["points"]["issued"] == recorded["points"]
    assert listed[0]["now"] == action["now"]


async def test_a_reversal_takes_back_the_newest_value(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    (recorded,) = await send(reporter, rides(1))
    await restated(programme)

    answer = await reporter.post(
        f"/v1/actions/{recorded['action_id']}/reversal", json={"reason": "refund"}
    )

    assert answer.json()["avoided_mg"] == str(NEW_MG)
    await assert_reconciled(programme)
    assert (await totals(reporter))["avoided_mg"] == "0"


async def test_a_reversal_after_two_restatements_takes_back_the_last_value(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    (recorded,) = await send(reporter, rides(1))
    await restated(programme, "1.0.0", "3.0.0")
    await restated(programme, "3.0.0", "1.0.0")

    answer = await reporter.post(
        f"/v1/actions/{recorded['action_id']}/reversal", json={"reason": "refund"}
    )

    assert answer.json()["avoided_mg"] == str(OLD_MG)
    await assert_reconciled(programme)
    assert (await totals(reporter))["avoided_mg"] == "0"


async def test_a_reversed_action_is_not_restated(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    (recorded,) = await send(reporter, rides(1))
    await reporter.post(f"/v1/actions/{recorded['action_id']}/reversal", json={"reason": "refund"})

    report = await restated(programme)

    assert report["total"]["actions"] == 0
    await assert_reconciled(programme)


async def test_self_declared_and_inventory_actions_stay_in_their_cells(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, [*rides(1, evidencelevel="L0"), *rides(1, scope="3")])

    report = await restated(programme)

    await assert_reconciled(programme)
    assert (await totals(reporter))["avoided_mg"] == "0"
    assert (report["total"]["actions"], report["apart"]["actions"]) == (0, 2)


async def test_a_daily_limit_of_the_new_version_holds(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    person = unique("person")
    await send(reporter, rides(4, subject=person))

    report = await restated(programme, to="3.0.0")

    await assert_reconciled(programme)
    assert report["total"]["limited_now"] == 2
    assert (await totals(reporter))["avoided_mg"] == str(2 * NEW_MG)
    (late,) = await send(reporter, rides(1, subject=person))
    assert late["methodology"] == "transit.metro@1.0.0"  # 3.0.0 begins in 2027


async def test_a_second_restatement_starts_from_the_newest_value(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    (recorded,) = await send(reporter, rides(1))
    await restated(programme)
    again = await restated(programme)
    await restated(programme, "2.0.0", "3.0.0")

    action = (await reporter.get(f"/v1/actions/{recorded['action_id']}")).json()

    assert again["total"]["actions"] == 0
    assert [(one["from"], one["methodology"]) for one in action["restatements"]] == [
        ("transit.metro@1.0.0", "transit.metro@2.0.0"),
        ("transit.metro@2.0.0", "transit.metro@3.0.0"),
    ]
    await assert_reconciled(programme)


async def test_there_and_back_is_the_identity_on_totals(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    many = unique("person")
    await send(reporter, [*rides(14, subject=many), *rides(2), a_closed_ride(a_bus_ride)])
    await catch_up(programme)
    before = await totals(reporter)

    await restated(programme, "1.0.0", "3.0.0")
    moved = await restated(programme, "3.0.0", "1.0.0")

    await assert_reconciled(programme)
    after = await totals(reporter)
    for view in (before, after):
        view.pop("as_of")
    assert after == before
    assert moved["total"]["actions"] == 16


async def test_a_dry_run_says_the_same_and_writes_nothing(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, rides(3))

    tried = await restated(programme, dry_run=True)

    async with programme.state.runtime.resources.engine.connect() as connection:
        for table in ("restatement", "methodology_run"):
            count = await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")
            assert count.scalar_one() == 0
    done = await restated(programme)
    for report in (tried, done):
        for name in ("run_id", "status"):
            report.pop(name)
    assert tried == done
    assert done["publication"] == {
        "rule": "R13",
        "asked": False,
        "findings": [
            {
                "of": "the cumulative total",
                "threshold_pct": "5",
                "effect_mg": str(3 * (NEW_MG - OLD_MG)),
                "before_mg": str(3 * OLD_MG),
                "asked": False,
            },
            {
                "of": "the methodology's year 2026",
                "threshold_pct": "10",
                "effect_mg": str(3 * (NEW_MG - OLD_MG)),
                "before_mg": str(3 * OLD_MG),
                "asked": False,
            },
        ],
    }


async def test_only_the_days_between_are_restated(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, [*rides(1), *rides(1, time="2026-02-01T08:00:00+08:00")])

    report = await restated(programme, between=Span(date(2026, 3, 1), date(2026, 3, 31)))

    assert [row["month"] for row in report["by_month"]] == ["2026-03"]
    assert report["total"]["actions"] == 1


async def test_people_beyond_one_chunk_are_restated_too(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, rides(9))

    report = await restated(programme, people=2)

    assert report["total"]["actions"] == 9
    await assert_reconciled(programme)


async def refused(work: Callable[[], Any], kind: type[Exception], *words: str) -> None:
    with pytest.raises(kind) as error:
        await work()
    assert all(word in str(error.value) for word in words), str(error.value)


async def test_what_may_not_be_restated_is_refused_with_the_rule(programme: FastAPI) -> None:
    open_days = Span(date(2026, 3, 1), date(2026, 6, 1))
    backwards = Span(date(2026, 3, 2), date(2026, 3, 1))
    early = Span(date(2020, 12, 31), date(2021, 3, 1))

    await refused(lambda: restated(programme, to="9.0.0"), MethodologyNotFound, "R12", "9.0.0")
    await refused(lambda: restated(programme, to="1.0.0"), RestatementRefused, "R13")
    await refused(
        lambda: restated(programme, between=open_days), RestatementRefused, "R13", "are open"
    )
    await refused(lambda: restated(programme, between=backwards), RestatementRefused, "R7")
    await refused(lambda: restated(programme, between=early), RestatementRefused, "R7")


async def test_two_at_once_are_refused_clearly(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, rides(1))
    async with alone(programme.state.runtime.resources, KIND):
        await refused(lambda: restated(programme), RunUnderWay, "Another process")

    assert (await restated(programme))["total"]["actions"] == 1


async def test_an_unfinished_run_is_finished_before_another_one_begins(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    await send(reporter, rides(2))
    await restated(programme)
    async with programme.state.runtime.resources.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE methodology_run SET status = 'running'")

    await refused(
        lambda: restated(programme, "2.0.0", "3.0.0"),
        RunUnfinished,
        "saxaul restate transit.metro --from 1.0.0 --to 2.0.0 --between 2021-01-01",
    )

    assert (await restated(programme))["status"] == "done"
    assert (await restated(programme, "2.0.0", "3.0.0"))["total"]["actions"] == 2


async def test_events_and_reversals_while_restating_lose_and_double_nothing(
    programme: FastAPI, reporter: httpx.AsyncClient
) -> None:
    people = [unique("person") for _ in range(12)]
    recorded = await send(reporter, [ride for one in people for ride in rides(3, subject=one)])

    async def more() -> None:
        for _ in range(4):
            await send(reporter, [ride for one in people for ride in rides(1, subject=one)])

    async def reverse(index: int) -> None:
        for one in recorded[index::6]:
            answer = await reporter.post(
                f"/v1/actions/{one['action_id']}/reversal", json={"reason": "refund"}
            )
            assert answer.status_code == 201, answer.text

    await asyncio.gather(more(), restated(programme, people=1), reverse(0), reverse(1))

    await assert_reconciled(programme)
    await restated(programme)  # what came behind the first run
    await assert_reconciled(programme)
    left = 12 * 7 - 12
    view = await totals(reporter)
    assert view["actions"] == left
    assert view["avoided_mg"] == str(left * NEW_MG)


def test_the_day_of_these_tests_is_closed() -> None:
    assert CLOSED_DAY < "2026-05-14"
