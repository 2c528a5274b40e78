"""Years of things that a sheet limits; how many actions of a day a limit kept out."""

from alembic import op

revision = "0022"
down_revision = "0017"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE yearly_use (
        bucket SMALLINT NOT NULL,
        thing_key UUID NOT NULL,
        year SMALLINT NOT NULL,
        partner TEXT NOT NULL,
        quantity_milli BIGINT NOT NULL,
        days DATEMULTIRANGE NOT NULL,
        PRIMARY KEY (bucket, thing_key, year)
    )
    """,
    "ALTER TABLE total_day ADD COLUMN limited BIGINT NOT NULL DEFAULT 0",
)


def upgrade() -> None:
    """What was taken before is not known: each year begins with its whole limit."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
