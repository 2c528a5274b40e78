"""Webhooks out: endpoints, deliveries, attempts, each person's numbers, and marks in their order."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE webhook_endpoint (
    endpoint_id UUID NOT NULL,
    bucket SMALLINT NOT NULL,
    partner TEXT NOT NULL,
    url TEXT NOT NULL,
    types TEXT[] NOT NULL,
    batch_max INTEGER NOT NULL,
    description TEXT NOT NULL,
    signing TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    old_sealed BYTEA,
    old_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    disabled_reason TEXT,
    failures INTEGER DEFAULT '0' NOT NULL,
    trips INTEGER DEFAULT '0' NOT NULL,
    failing_since TIMESTAMP WITH TIME ZONE,
    open_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (endpoint_id)
);

CREATE INDEX ix_webhook_endpoint_partner ON webhook_endpoint (partner);

CREATE TABLE webhook_delivery (
    bucket SMALLINT NOT NULL,
    delivery_id UUID NOT NULL,
    endpoint_id UUID NOT NULL,
    type TEXT NOT NULL,
    notices INTEGER NOT NULL,
    body BYTEA NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    earlier INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (bucket, delivery_id)
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (bucket, endpoint_id, due_at, delivery_id) WHERE state = 'waiting';

CREATE INDEX webhook_delivery_by_endpoint ON webhook_delivery (bucket, endpoint_id, delivery_id);

CREATE INDEX webhook_delivery_by_age ON webhook_delivery (created_at);

CREATE TABLE webhook_attempt (
    bucket SMALLINT NOT NULL,
    delivery_id UUID NOT NULL,
    number INTEGER NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    duration_ms INTEGER NOT NULL,
    result TEXT NOT NULL,
    status SMALLINT,
    error TEXT,
    answer BYTEA,
    PRIMARY KEY (bucket, delivery_id, number)
);

CREATE TABLE webhook_sequence (
    bucket SMALLINT NOT NULL,
    endpoint_id UUID NOT NULL,
    person_id UUID NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (bucket, endpoint_id, person_id)
);

CREATE SEQUENCE journal_place;

ALTER TABLE journal_pending ADD COLUMN place BIGINT DEFAULT nextval('journal_place') NOT NULL;

CREATE INDEX action_by_batch ON action (batch_id);

CREATE INDEX reversal_by_batch ON reversal (bucket, batch_id)
"""


def upgrade() -> None:
    """The index on `action` is built while nothing is written to it."""
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
