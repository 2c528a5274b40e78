"""A partner may have a quota of its own."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without one the settings' quota holds."""
    op.execute("ALTER TABLE partner ADD COLUMN quota_per_minute INTEGER")


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
