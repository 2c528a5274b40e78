"""Changes that need two persons: the first proposes, a second confirms."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

STATEMENT = """
CREATE TABLE proposal (
    proposal_id UUID NOT NULL,
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    body JSONB NOT NULL,
    partner TEXT NOT NULL,
    proposer_kind TEXT NOT NULL,
    proposer TEXT NOT NULL,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    decider_kind TEXT,
    decider TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (proposal_id)
)
"""


def upgrade() -> None:
    """Nothing waits yet."""
    op.execute(STATEMENT)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
