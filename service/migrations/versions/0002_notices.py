"""Journal rows carry notices of things that are no actions: orders, lapsed points."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column without a default is added at once, however many rows there are."""
    op.execute("ALTER TABLE journal ADD COLUMN notices JSONB")


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
