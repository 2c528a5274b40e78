"""A partner says whose people it reports: its own customers, or the programme's."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE partner ADD COLUMN people TEXT NOT NULL DEFAULT 'own'",
    "ALTER TABLE partner ADD COLUMN people_since TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE partner ADD CONSTRAINT partner_people_is_known CHECK (people IN ('own', 'programme'))",
    "UPDATE partner SET people = 'programme' WHERE partner = 'demo'",
    # Their reports up to now stand with the programme's people, where repeats are looked for, too.
    "UPDATE partner SET people_since = now() WHERE people = 'own'",
)


def upgrade() -> None:
    """Existing partners have customers of their own from now on; the demo's people stay."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
