"""The worker keeps the sandbox's sums, and forgets what connectors took in long ago."""

import json
from datetime import timedelta

from builders import (
    NOW,
    USUAL,
    NewSettings,
    SteppedClock,
    an_event,
    as_operator,
    client_of,
    report,
    unique,
)
from builders import running_app as run_app

from service.partners import register as use
from service.resources import SANDBOX, open_resources
from service.totals.store import known_sums
from service.webhooks.signing import signed_headers
from workers.hooks import forget_hooks
from workers.sandbox import step


async def test_sums_move_to_the_daily_totals_and_no_mark_is_left(
    new_settings: NewSettings,
) -> None:
    settings, clock, name = await new_settings(), SteppedClock(), unique("partner")
    async with run_app(settings, clock) as app:
        async with as_operator(app.state.runtime.registry) as session:
            made = await use.register(
                session,
                name,
                name=name,
                sources=("metro",),
                scopes=USUAL,
                app_source="app",
                now=NOW,
            )
        async with client_of(app, made.test.text) as client:
            await report(client, an_event())
        async with open_resources(settings, clock, schema=SANDBOX) as sandbox:
            async with sandbox.sessions() as session, session.begin():
                before = await known_sums(session, f"{name}#0")
                taken = [await step(session), await step(session)]
                after = await known_sums(session, f"{name}#0")
            async with sandbox.pool.acquire() as connection:
                marks = await connection.fetchval(
                    "SELECT count(*) FROM journal_pending WHERE projector LIKE 'total%'"
                )
                days = await connection.fetchval("SELECT count(*) FROM total_day")
        async with app.state.runtime.resources.pool.acquire() as connection:
            live = await connection.fetchval("SELECT count(*) FROM journal")

    assert taken == [1, 0]
    assert before == after
    assert (marks, days, live) == (0, 1, 0)


async def test_old_payloads_and_deliveries_are_forgotten(new_settings: NewSettings) -> None:
    settings, clock, name = await new_settings(), SteppedClock(), unique("partner")
    scopes = ("events:write", "webhooks:manage")
    async with run_app(settings, clock) as app:
        async with as_operator(app.state.runtime.registry) as session:
            made = await use.register(
                session,
                name,
                name=name,
                sources=("eats",),
                scopes=scopes,
                app_source="app",
                now=NOW,
            )
        async with (
            client_of(app, made.live.text) as client,
            open_resources(settings, clock, schema=SANDBOX) as sandbox,
        ):
            new = {"template": "food-order", "source": "eats"}
            hook = (await client.post("/v1/connectors", json=new)).json()
            counts = []
            for days in (0, 20, 20):
                clock.advance(days=days)
                body = json.dumps({"order": {"status": "delivered", "cutlery_sets": 0}}).encode()
                headers = signed_headers(
                    [hook["secret"]], message_id=unique("m"), timestamp=clock.now, body=body
                )
                await client.post(hook["path"], content=body, headers=headers)
                ctx = {"resources": app.state.runtime.resources, "sandbox": sandbox}
                await forget_hooks(ctx)
                path = f"/v1/connectors/{hook['connector_id']}"
                counts.append(
                    [len((await client.get(f"{path}/{what}")).json()["data"])
                     for what in ("quarantine", "deliveries")]
                )  # fmt: skip

    assert clock.now - NOW == timedelta(days=40)
    assert counts == [[1, 1], [2, 2], [2, 2]]
