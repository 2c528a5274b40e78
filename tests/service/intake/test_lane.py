"""The lanes under trouble: a poison event, a full queue, a shutdown, a connection that dies."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID

import asyncpg
import httpx
import pytest
from builders import (
    BATCH,
    NOW,
    SINGLE,
    SOURCES,
    NewSettings,
    SteppedClock,
    a_partner,
    an_event,
    client_of,
    execute,
    report,
    report_all,
    running_app,
    unique,
)
from fastapi import FastAPI

from methodologies.exclusive import load_exclusions
from service.errors import ShuttingDown
from service.intake.candidate import Candidate
from service.intake.commit import Committer
from service.intake.event import CloudEvent
from service.intake.lane import Lane
from service.intake.outcome import Answer
from service.partners.caller import PROGRAMME, Caller
from service.points.policy import load_policy
from service.settings import Settings

POISON = """
CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.event_id LIKE 'poison%' THEN RAISE EXCEPTION 'poison' USING ERRCODE = '23514'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_poison BEFORE INSERT ON action FOR EACH ROW EXECUTE FUNCTION refuse_poison();
"""


@asynccontextmanager
async def world(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    async with running_app(settings, SteppedClock()) as app:
        sender = await a_partner(app.state.runtime.resources.sessions, sources=SOURCES)
        async with client_of(app, sender.key) as client:
            yield app, client


@asynccontextmanager
async def locked_account(app: FastAPI, subject: str) -> AsyncIterator[None]:
    """Somebody else holds the person's account, so that a commit waits."""
    person = app.state.runtime.hasher.person(subject)
    async with app.state.runtime.resources.engine.connect() as connection:
        await connection.exec_driver_sql(
            "SELECT 1 FROM account WHERE bucket = $1 AND person_id = $2 FOR UPDATE",
            (person.bucket, person.id),
        )
        yield


async def until_taken(app: FastAPI, events: int) -> None:
    """Wait until so many events wait in the lanes."""
    # A lane tells nobody how much waits in it: no event could be waited for.
    while sum(lane.depth for lane in app.state.runtime.intake.lanes) < events:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_an_event_that_cannot_be_stored_stands_alone(new_settings: NewSettings) -> None:
    settings = await new_settings(lanes=1)
    await execute(settings.database_url, POISON)
    events = [an_event() for _ in range(9)]
    events[4]["id"] = unique("poison")

    async with world(settings) as (_, client):
        results = await report_all(client, events)
        again = await report_all(client, events)

    assert [one.get("outcome") for one in results] == ["credited"] * 4 + [None] + ["credited"] * 4
    assert results[4]["problem"]["status"] == 500
    assert "poison" not in results[4]["problem"]["detail"]
    assert [one.get("duplicate") for one in again] == [True] * 4 + [None] + [True] * 4


async def test_more_than_a_lane_holds_is_503(new_settings: NewSettings) -> None:
    settings = await new_settings(lanes=1, lane_queue_events=5)

    async with world(settings) as (_, client):
        answer = await client.post("/v1/events", json=[an_event() for _ in range(6)], headers=BATCH)
        fits = await client.post("/v1/events", json=[an_event() for _ in range(5)], headers=BATCH)

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/lane-full"
    assert int(answer.headers["retry-after"]) >= 1
    assert fits.json()["counts"] == {"credited": 5}


async def test_a_lane_has_room_for_what_it_commits_in_time() -> None:
    async def slowly(events: Sequence[Candidate], _: UUID) -> list[Answer]:
        await asyncio.sleep(len(events) * 0.001)
        return [cast("Answer", None)] * len(events)

    lane = Lane(
        slowly, SteppedClock(), lambda *_: None,
        queue_events=5_000, queue_seconds=0.2, batch_events=100,
    )  # fmt: skip
    before = lane.room_events
    running = asyncio.create_task(lane.run())
    for events in (100, 1):  # a lonely event shows nothing of a busy lane's pace
        await lane.put([cast("Candidate", None)] * events)
    lane.close()
    await running

    assert before == 5_000
    assert 1 <= lane.room_events <= 200  # a thousand a second at the most


async def test_what_waits_behind_a_commit_is_answered_before_the_end() -> None:
    async def at_once(events: Sequence[Candidate], _: UUID) -> list[Answer]:
        return [cast("Answer", None)] * len(events)

    lane = Lane(
        at_once, SteppedClock(), lambda *_: None,
        queue_events=10, queue_seconds=1, batch_events=1,
    )  # fmt: skip
    replies = [lane.put([cast("Candidate", None)]) for _ in range(3)]
    lane.close()
    with pytest.raises(ShuttingDown):
        lane.put([cast("Candidate", None)])
    await lane.run()

    assert [reply.done() for reply in replies] == [True] * 3


async def test_a_full_queue_refuses_and_keeps_what_it_took(new_settings: NewSettings) -> None:
    settings = await new_settings(lanes=1, lane_queue_events=3)
    subject = unique("person")

    async with world(settings) as (app, client):
        await report(client, an_event(subject=subject))
        async with locked_account(app, subject):
            taken = [
                asyncio.create_task(report(client, an_event(subject=subject))) for _ in range(3)
            ]
            await until_taken(app, 3)
            refused = await client.post("/v1/events", json=an_event(), headers=SINGLE)
            unread = await client.post("/v1/events", content="{", headers=SINGLE)
        results = await asyncio.gather(*taken)

    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert unread.status_code == 503, "no work is done on what is sent away"
    assert [one["outcome"] for one in results] == ["credited"] * 3


async def test_what_was_taken_is_answered_before_the_end(new_settings: NewSettings) -> None:
    subject = unique("person")

    async with world(await new_settings(lanes=1)) as (app, client):
        await report(client, an_event(subject=subject))
        async with locked_account(app, subject):
            waiting = asyncio.create_task(report(client, an_event(subject=subject)))
            await until_taken(app, 1)
            for lane in app.state.runtime.intake.lanes:
                lane.close()
            late = await client.post("/v1/events", json=an_event(), headers=SINGLE)
        result = await waiting

    assert late.status_code == 503
    assert late.json()["type"] == f"/problems/{ShuttingDown.code}"
    assert result["outcome"] == "credited"


async def test_a_caller_who_went_away_is_recorded_all_the_same(new_settings: NewSettings) -> None:
    subject, event = unique("person"), None

    async with world(await new_settings(lanes=1)) as (app, client):
        await report(client, an_event(subject=subject))
        event = an_event(subject=subject)
        async with locked_account(app, subject):
            gone = asyncio.create_task(report(client, event))
            await until_taken(app, 1)
            gone.cancel()
        again = await report(client, event)

    assert again["duplicate"] is True


class Dying(asyncpg.Connection):
    """A real connection whose server process is ended at a chosen point of a commit."""

    dies_before = 0
    dies_after = 0

    async def execute(self, query: str, *args: object, **more: object) -> str:
        if query == "COMMIT;" and Dying.dies_before:
            Dying.dies_before -= 1
            await self._die()
        answer = await super().execute(query, *args, **more)
        if query == "COMMIT;" and Dying.dies_after:
            Dying.dies_after -= 1
            await self._die()
            await super().execute("SELECT 1")
        return answer

    async def _die(self) -> None:
        other = await asyncpg.connect(Dying.url)
        await other.execute("SELECT pg_terminate_backend($1, 5000)", self.get_server_pid())
        await other.close()

    url = ""


@pytest.fixture
async def dying_lane(app: FastAPI, settings: Settings) -> AsyncIterator[Lane]:
    """A lane on connections that can be made to die, in the shared database."""
    Dying.url, clock = settings.database_url, SteppedClock()
    async with asyncpg.create_pool(
        settings.database_url, min_size=0, max_size=2, connection_class=Dying
    ) as pool:
        committer = Committer(pool, load_policy(), clock, load_exclusions())
        lane = Lane(
            committer.commit,
            clock,
            lambda *_: None,
            queue_events=100,
            queue_seconds=1,
            batch_events=100,
        )
        task = asyncio.create_task(lane.run())
        yield lane
        Dying.dies_before = Dying.dies_after = 0
        lane.close()
        await task


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
async def test_after_a_lost_connection_the_first_answer_is_given(
    app: FastAPI, partner: httpx.AsyncClient, dying_lane: Lane, moment: str
) -> None:
    caller = Caller(
        name="partner:acme",
        partner="acme",
        scopes=frozenset(),
        sources=frozenset(SOURCES),
        default_level="L1",
        max_level="L1",
        people=PROGRAMME,
    )
    subject = unique("person")
    sent = [an_event(subject=subject), an_event(subject=subject), an_event(subject=subject)]
    events = [
        app.state.runtime.intake.assessor.candidate(CloudEvent.model_validate(event), caller, NOW)
        for event in sent
    ]
    await dying_lane.put(events[:1])

    setattr(Dying, moment, 2)
    answers = await dying_lane.put(events[1:])
    repeated = await report_all(partner, sent)

    assert [(answer.duplicate, answer.conflict) for answer in answers] == [(False, False)] * 2
    assert [answer.outcome.outcome for answer in answers] == ["credited"] * 2
    assert getattr(Dying, moment) == 0
    assert [one["duplicate"] for one in repeated] == [True] * 3
    points = (await partner.get(f"/v1/people/{subject}")).json()["points"]
    assert points["issued"] == 3 * 794
