"""Inventory overlap and transfers of actions, legs of a day, held cells of the totals."""

from alembic import op

from service.resources import SANDBOX

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE action ADD COLUMN overlap TEXT NOT NULL DEFAULT 'none';

ALTER TABLE earning ADD COLUMN legs TEXT;

CREATE TABLE transfer (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    action_id UUID NOT NULL,
    batch_id UUID NOT NULL,
    scheme TEXT NOT NULL,
    reference TEXT NOT NULL,
    partner TEXT NOT NULL,
    local_day DATE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, person_id, action_id)
);

ALTER TABLE total_day ADD COLUMN changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now();

CREATE INDEX total_day_by_change ON total_day (changed_at);

CREATE TABLE hold (
    partner TEXT NOT NULL,
    activity TEXT NOT NULL,
    local_day DATE NOT NULL,
    actions BIGINT NOT NULL,
    mean_mg BIGINT NOT NULL,
    least_mg BIGINT NOT NULL,
    most_mg BIGINT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    released_at TIMESTAMP WITH TIME ZONE,
    released_by TEXT,
    reason TEXT,
    PRIMARY KEY (partner, activity, local_day)
)
"""

FENCES = (
    "CREATE TRIGGER transfer_is_append_only BEFORE UPDATE OR DELETE ON transfer"
    " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER transfer_is_not_emptied BEFORE TRUNCATE ON transfer"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def upgrade() -> None:
    """Columns with constant defaults are added at once, however many rows there are."""
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    if schema != SANDBOX:  # test data may be wiped
        for statement in FENCES:
            op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
