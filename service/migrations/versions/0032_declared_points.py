"""An earning says how much of it the person declared: those points have a budget."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Earlier earnings are of days before there was a budget."""
    op.execute("ALTER TABLE earning ADD COLUMN l0_points INTEGER NOT NULL DEFAULT 0")


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
