"""Test mode: the same program over another schema of the same database, opened when it is needed.

Which of the two environments a request belongs to is said here and nowhere else; no query has to
remember it, since a connection of one environment does not see the other's tables.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.partners.caller import EPOCH_MARK
from service.partners.keys import TEST_START

TEST_CONNECTOR = "con_test_"
_TEST_HOOK = f"/v1/hooks/{TEST_CONNECTOR}"
_API = "/v1/"
_TEST_KEY = TEST_START.encode()
CATALOGUES = ("species", "project")  # what is on offer is on offer in the sandbox, too

# A table about people names them by `bucket` and `person_id`; all such tables are wiped.
_ABOUT_PEOPLE = text("""
    SELECT class.relname FROM pg_class AS class
    WHERE class.relnamespace = current_schema()::regnamespace
      AND class.relkind IN ('r', 'p') AND NOT class.relispartition
      AND 2 = (SELECT count(*) FROM pg_attribute AS attribute
               WHERE attribute.attrelid = class.oid
                 AND attribute.attname IN ('bucket', 'person_id'))
    ORDER BY class.relname
""")
_PEOPLE = text("""
    CREATE TEMPORARY TABLE wiped ON COMMIT DROP AS
    SELECT bucket, person_id FROM action WHERE partner = :partner
    UNION SELECT bucket, person_id FROM tree_order WHERE partner = :partner
    UNION SELECT person_bucket, member.person_id FROM pool
          JOIN pool_member AS member USING (bucket, pool_id) WHERE partner = :partner
""")
# What stands elsewhere than beside its person, in this order: trees go back to the stock; endpoints
# stay, as connectors do, and count from 1 again. Messages that came in are forgotten, so that the
# same ones may come again.
_OTHERS = tuple(
    text(statement)
    for statement in (
        """
        CREATE TEMPORARY TABLE felled ON COMMIT DROP AS
        SELECT certificate.* FROM certificate
        LEFT JOIN tree_order USING (bucket, order_id) LEFT JOIN pool USING (bucket, pool_id)
        WHERE coalesce(tree_order.partner, pool.partner) = :partner
        """,
        """
        UPDATE stock_cell SET sold = sold - trees FROM (
            SELECT cell, project, count(*) AS trees FROM felled
            WHERE voided_at IS NULL GROUP BY 1, 2
        ) AS back WHERE stock_cell.bucket = back.cell AND stock_cell.project = back.project
        """,
        """
        DELETE FROM certificate USING felled
        WHERE certificate.bucket = felled.bucket AND certificate.serial = felled.serial
        """,
        *(
            f"""
            DELETE FROM {table} AS one USING pool WHERE pool.partner = :partner
                AND one.bucket = pool.bucket AND one.pool_id = pool.pool_id
            """  # noqa: S608  # names of our own
            for table in ("pool_contribution", "pool_member")
        ),
        "DELETE FROM pool WHERE partner = :partner",
        """
        UPDATE journal SET notices = NULL WHERE notices @> jsonb_build_array(
            jsonb_build_object('partner', CAST(:partner AS text)))
        OR EXISTS (SELECT FROM jsonb_array_elements(notices) AS notice JOIN wiped
                   ON notice ->> 'person_id' = wiped.person_id::text
                   WHERE wiped.bucket = journal.bucket)
        """,
        """
        DELETE FROM webhook_attempt AS one USING webhook_delivery AS sent, webhook_endpoint AS heard
        WHERE one.bucket = sent.bucket AND one.delivery_id = sent.delivery_id
            AND sent.endpoint_id = heard.endpoint_id AND heard.partner = :partner
        """,
        *(
            f"""
            DELETE FROM {table} AS one USING webhook_endpoint AS heard
            WHERE one.endpoint_id = heard.endpoint_id AND heard.partner = :partner
            """  # noqa: S608  # names of our own
            for table in ("webhook_delivery", "webhook_sequence")
        ),
        """
        DELETE FROM stored_answer
        WHERE caller = encode(sha256(convert_to('test:' || CAST(:partner AS text), 'UTF8')), 'hex')
        """,
        "UPDATE webhook_endpoint SET partner = :next WHERE partner = :partner",
        """
        DELETE FROM hook_event USING action
        WHERE hook_event.source = action.source AND hook_event.event_id = action.event_id
            AND hook_event.action_id = action.action_id AND action.partner = :partner
        """,
        """
        DELETE FROM hook_delivery USING connector
        WHERE hook_delivery.connector_id = connector.connector_id AND connector.partner = :owner
        """,
    )
)
_CLAIMS = text("""
    DELETE FROM claim USING action
    WHERE claim.action_id = action.action_id AND action.partner = :partner
""")
_YEARS = text("DELETE FROM yearly_use WHERE partner = :partner")
_ACTIONS = text("SELECT count(*) FROM action WHERE partner = :partner")
_DAYS = text("DELETE FROM total_day WHERE partner = :partner")


def is_for_sandbox(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request speaks with a test key, or to a connector of one; pages are for all."""
    if not scope["path"].startswith(_API):
        return False
    if scope["path"].startswith(_TEST_HOOK):
        return True
    for name, value in scope["headers"]:
        if name == b"authorization":
            credential: bytes = value.partition(b" ")[2]
            return credential.lstrip().startswith(_TEST_KEY)
    return False


class Sandbox:
    """Opens the sandbox's application at the first request for it, and closes it at the end."""

    def __init__(
        self,
        live: FastAPI,
        make: Callable[[], FastAPI],
        furnish: Callable[[AsyncSession], Awaitable[None]],
    ) -> None:
        """`furnish` adds what belongs to the copied catalogues: stock that nobody has bought."""
        self._live = live
        self._make = make
        self._furnish = furnish
        self._app: FastAPI | None = None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def app(self) -> FastAPI:
        """The application over the sandbox's schema. Raises what opening raises; tries again."""
        async with self._opening:
            if self._app is None:
                app = self._make()
                async with AsyncExitStack() as opened:  # closes what an outage left half open
                    await opened.enter_async_context(app.router.lifespan_context(app))
                    await self._offer(app)
                    self._stack = opened.pop_all()
                self._app = app
            return self._app

    async def close(self) -> None:
        """Drain and close what was opened."""
        await self._stack.aclose()

    async def _offer(self, app: FastAPI) -> None:
        """Bring what the programme has on offer into the sandbox, untouched by live orders."""
        async with self._live.state.resources.sessions() as live:
            home = (await live.execute(text("SELECT current_schema()"))).scalar_one()
        async with app.state.resources.sessions() as session, session.begin():
            for table in CATALOGUES:
                await session.execute(
                    text(f"""
                        INSERT INTO {table}
                        SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(live))).*
                        FROM "{home}".{table} AS live ON CONFLICT DO NOTHING
                    """)  # noqa: S608  # names of our own, not of a caller
                )
            await self._furnish(session)


async def wipe(session: AsyncSession, partner: str, epoch: int) -> int:
    """Delete what a partner recorded in an epoch that has ended; how many actions.

    `session` is one of the sandbox. The journal's sums stay, under a name that nobody has any more.
    """
    named = {"partner": f"{partner}{EPOCH_MARK}{epoch}"}
    after = {**named, "next": f"{partner}{EPOCH_MARK}{epoch + 1}", "owner": partner}
    actions = int((await session.execute(_ACTIONS, named)).scalar_one())
    await session.execute(_PEOPLE, named)
    await session.execute(_CLAIMS, named)
    await session.execute(_YEARS, named)
    for statement in _OTHERS:
        bound = statement.compile().params
        await session.execute(statement, {name: after[name] for name in bound})
    for table in await session.scalars(_ABOUT_PEOPLE):
        await session.execute(
            text(
                f'DELETE FROM "{table}" AS one USING wiped'  # noqa: S608  # from the catalogue
                " WHERE one.bucket = wiped.bucket AND one.person_id = wiped.person_id"
            )
        )
    await session.execute(_DAYS, named)
    return actions
