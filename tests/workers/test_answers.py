"""Stored answers are kept for a time, and then forgotten in bounded steps."""

import pytest
from builders import SOURCES, NewSettings, SteppedClock, a_partner, client_of, running_app, unique
from sqlalchemy import text

from workers import answers
from workers.answers import forget_old_answers


async def test_what_is_older_than_it_is_kept_is_forgotten(
    new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "STEP", 2)
    settings, clock = await new_settings(answer_retention_days=7), SteppedClock()
    async with running_app(settings, clock) as app:
        resources = app.state.runtime.resources
        sender = await a_partner(resources.sessions, sources=SOURCES, scopes=("admin",))
        async with client_of(app, sender.key) as client:
            path, body = f"/v1/people/{unique('p')}/grants", {"points": 3, "reason": "a gesture"}

            async def grant(key: str) -> dict[str, object]:
                answer = await client.post(path, json=body, headers={"Idempotency-Key": key})
                return {"new": "idempotent-replayed" not in answer.headers, **answer.json()}

            for number in range(5):
                await grant(f"old-{number}")
            clock.advance(days=3)
            await grant("young")
            clock.advance(days=4, seconds=1)
            forgotten = await forget_old_answers({"resources": resources, "sandbox": resources})

            again = [(await grant(key))["new"] for key in ("young", "old-1")]
        async with resources.sessions() as session:
            kept = (await session.execute(text("SELECT count(*) FROM stored_answer"))).scalar()

    assert forgotten == 5
    assert again == [False, True]
    assert kept == 2
