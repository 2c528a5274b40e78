"""Write one journal row, and mark it unread for every projector, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from service.journal.cell import Amounts, Cell

# Every projector that reads the journal. A new one is added here and back-filled by a migration.
PROJECTORS = ("total_day", "totals")
# Reads only what is marked for it, and rows are marked only while some endpoint listens.
NOTICES = "webhooks"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that endpoints are sent beside the actions of a batch.

    `type` is the webhook's, `order.placed` for one. `partner` None: whoever asked for the type.
    `person_id` None: it is about no person. `data` is ready for JSON.
    """

    type: str
    partner: str | None
    person_id: UUID | None
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One batch of facts: `deltas` are what it adds to the totals, `leaves` the actions' hashes.

    Actions are found by `batch_id`; `notices` are of things that are no actions.
    """

    bucket: int
    batch_id: UUID
    kind: str
    actions: int
    people: int
    deltas: Mapping[Cell, Amounts]
    leaves: bytes
    notices: Sequence[Notice] = ()

    def values(self) -> tuple[object, ...]:
        """Return the values in the order of APPEND's parameters."""
        return (
            self.bucket,
            self.batch_id,
            self.kind,
            self.actions,
            self.people,
            orjson.dumps(
                [{**cell.as_json(), **added.as_json()} for cell, added in self.deltas.items()]
            ).decode(),
            self.leaves,
            orjson.dumps(self.notices, default=str).decode() if self.notices else None,
            list(PROJECTORS),
        )


# An endpoint's transaction is committed before its 201, and this statement looks afterwards: every
# fact recorded after that answer is marked. `queue_position` is drawn here, under the locks of the
# accounts concerned, so the positions of one person's facts are in the order of their commits.
APPEND = """
WITH row AS (
    INSERT INTO journal (bucket, batch_id, kind, actions, people, deltas, leaves, notices)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8::jsonb)
    RETURNING bucket, batch_id
)
INSERT INTO journal_pending (bucket, batch_id, projector)
SELECT bucket, batch_id, projector FROM row, unnest($9::text[]) AS projector
UNION ALL
SELECT bucket, batch_id, 'webhooks' FROM row WHERE EXISTS (SELECT FROM webhook_endpoint)
"""


async def append(session: AsyncSession, row: JournalRow) -> None:
    """Append in a session's transaction, after its first statement; lanes run APPEND themselves."""
    connection = await (await session.connection()).get_raw_connection()
    assert connection.driver_connection is not None
    await connection.driver_connection.execute(APPEND, *row.values())
