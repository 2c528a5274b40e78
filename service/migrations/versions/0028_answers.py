"""Stored answers name nobody, are found by the person they are about, and are not kept for ever."""

from alembic import op

from service.resources import SANDBOX

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE stored_answer ADD COLUMN person_id UUID",
    "CREATE INDEX stored_answer_by_time ON stored_answer (recorded_at)",
    """
    CREATE INDEX stored_answer_by_person ON stored_answer (person_id)
    WHERE person_id IS NOT NULL
    """,
)

# Before, a person was an unkeyed hash of their subject, which anybody can guess. A partner's name
# is no secret, so all others are known.
FORGET = """
    DELETE FROM stored_answer WHERE caller NOT IN (
        SELECT encode(sha256(convert_to('partner:' || partner, 'UTF8')), 'hex') FROM partner)
"""


def upgrade() -> None:
    """A person who repeats a write from before the migration under its key does it again."""
    for statement in STATEMENTS:
        op.execute(statement)
    if op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one() != SANDBOX:
        op.execute(FORGET)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
