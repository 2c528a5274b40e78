"""Scopes are named for what they let a key do: `people:act` takes the place of `points:write`."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A key that could act for people still holds it; it works where the partner may.

    No key gets `keys:manage`: whoever shall change a partner's keys is given it by an operator.
    """
    op.execute("UPDATE api_key SET scopes = array_replace(scopes, 'points:write', 'people:act')")


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
