"""A leaderboard says ranks, and a mark of the journal its position in the queue."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE standing RENAME COLUMN place TO rank",
    "ALTER TABLE standing RENAME TO leaderboard_rank",
    "ALTER INDEX standing_pkey RENAME TO leaderboard_rank_pkey",
    "ALTER TABLE journal_pending RENAME COLUMN place TO queue_position",
    "ALTER SEQUENCE journal_place RENAME TO journal_queue_position",
)


def upgrade() -> None:
    """Rename only: rows, keys and the sequence's next number stay as they are."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
