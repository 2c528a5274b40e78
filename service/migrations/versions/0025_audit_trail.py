"""The audit trail: what those who act changed, as facts."""

from alembic import op

from service.resources import SANDBOX

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE audit_event (
    event_id UUID NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    partner TEXT,
    address TEXT,
    request_id TEXT,
    act TEXT NOT NULL,
    target TEXT NOT NULL,
    before_sha256 BYTEA,
    after_sha256 BYTEA,
    changes JSONB NOT NULL,
    PRIMARY KEY (event_id)
);

CREATE INDEX audit_event_by_target ON audit_event (target, event_id);

CREATE INDEX audit_event_by_actor ON audit_event (actor, event_id)
"""

FENCES = (
    "CREATE TRIGGER audit_event_is_append_only BEFORE UPDATE OR DELETE ON audit_event"
    " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER audit_event_is_not_emptied BEFORE TRUNCATE ON audit_event"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def upgrade() -> None:
    """Nothing that was done before is known: the trail begins here."""
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    if schema != SANDBOX:  # test data may be wiped
        for statement in FENCES:
            op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
