"""Use case: delete what a partner recorded with test keys, in the tables of every folder."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.record import audit
from service.partners.caller import EPOCH_MARK

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
        DELETE FROM webhook_attempt AS one
        USING webhook_delivery AS sent, webhook_endpoint AS endpoint
        WHERE one.bucket = sent.bucket AND one.delivery_id = sent.delivery_id
            AND sent.endpoint_id = endpoint.endpoint_id AND endpoint.partner = :partner
        """,
        *(
            f"""
            DELETE FROM {table} AS one USING webhook_endpoint AS endpoint
            WHERE one.endpoint_id = endpoint.endpoint_id AND endpoint.partner = :partner
            """  # noqa: S608  # names of our own
            for table in ("webhook_delivery", "webhook_sequence")
        ),
        """
        DELETE FROM stored_answer
        WHERE caller = encode(sha256(convert_to('test:' || CAST(:partner AS text), 'UTF8')), 'hex')
        """,
        "DELETE FROM link_code WHERE partner = :partner",
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


async def note_wipe(session: AsyncSession, partner: str, epoch: int, *, now: datetime) -> None:
    """Write down that a partner's test data of an epoch are wiped, beside its new epoch."""
    before, after = {"test_epoch": epoch}, {"test_epoch": epoch + 1}
    target = f"partner:{partner}"
    await audit(session, "test_data.wiped", target, before=before, after=after, now=now)


async def wipe(session: AsyncSession, partner: str, epoch: int) -> int:
    """Delete what a partner recorded in an epoch that has ended, and return how many actions.

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
