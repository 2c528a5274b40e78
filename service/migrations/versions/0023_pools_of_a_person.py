"""Whoever is in a pool finds it."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without an index each look at a person would read all members of all pools."""
    op.execute("CREATE INDEX pool_member_by_person ON pool_member (person_bucket, person_id)")


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
