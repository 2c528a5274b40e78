"""Customers who wait for a person, the consents that link them, and where their events go."""

from alembic import op

from service.resources import SANDBOX

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE account ADD COLUMN waits_until TIMESTAMP WITH TIME ZONE,
    ADD COLUMN closed_at TIMESTAMP WITH TIME ZONE, ADD COLUMN moved_to UUID;

ALTER TABLE action ADD COLUMN customer_id UUID;

CREATE TABLE link (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    link_id UUID NOT NULL,
    partner TEXT NOT NULL,
    customer_id UUID NOT NULL,
    waiting_id UUID NOT NULL,
    scenario TEXT NOT NULL,
    text_version TEXT NOT NULL,
    linked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    salt BYTEA NOT NULL,
    PRIMARY KEY (bucket, person_id, link_id)
);

CREATE TABLE link_end (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    link_id UUID NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    salt BYTEA NOT NULL,
    PRIMARY KEY (bucket, person_id, link_id)
);

CREATE TABLE customer_route (
    bucket SMALLINT NOT NULL,
    customer_id UUID NOT NULL,
    partner TEXT NOT NULL,
    generation INTEGER NOT NULL,
    account_id UUID NOT NULL,
    link_id UUID,
    earlier UUID[] NOT NULL,
    PRIMARY KEY (bucket, customer_id)
);

CREATE TABLE link_code (
    bucket SMALLINT NOT NULL,
    code_key UUID NOT NULL,
    partner TEXT NOT NULL,
    customer_id UUID NOT NULL,
    scenario TEXT NOT NULL,
    text_version TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    link_id UUID,
    PRIMARY KEY (bucket, code_key)
);

CREATE TABLE moved_earning (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    link_id UUID NOT NULL,
    local_day DATE NOT NULL,
    activity TEXT NOT NULL,
    waiting_id UUID NOT NULL,
    points INTEGER NOT NULL,
    lapsed INTEGER NOT NULL,
    reason TEXT,
    reversed INTEGER DEFAULT 0 NOT NULL,
    PRIMARY KEY (bucket, person_id, link_id, local_day, activity),
    CONSTRAINT moved_earning_is_not_overdrawn CHECK (reversed BETWEEN 0 AND points)
)
"""

FENCED = ("link", "link_end")


def upgrade() -> None:
    """Nobody is linked yet: every account of before is a person's, or a customer's own."""
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    if schema != SANDBOX:  # test data may be wiped
        for table in FENCED:
            op.execute(
                f"CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
            op.execute(
                f"CREATE TRIGGER {table}_is_not_emptied BEFORE TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
