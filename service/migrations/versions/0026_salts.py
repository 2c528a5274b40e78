"""The leaves of facts are made under salts; facts that are there keep theirs without."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

FACTS = ("action", "reversal", "restatement", "transfer")


def upgrade() -> None:
    """Add empty columns: no row is written anew."""
    for table in FACTS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN salt BYTEA")


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
