"""Partners by themselves, test mode, and connectors for merchants' own webhooks."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE partner ADD COLUMN disabled_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE partner ADD COLUMN test_epoch INTEGER DEFAULT '0' NOT NULL;

ALTER TABLE api_key ADD COLUMN is_test BOOLEAN DEFAULT 'false' NOT NULL;

ALTER TABLE api_key ADD COLUMN replaces TEXT;

ALTER TABLE api_key ADD COLUMN last_used_at TIMESTAMP WITH TIME ZONE;

CREATE TABLE connector (
    connector_id TEXT NOT NULL,
    partner TEXT NOT NULL,
    version INTEGER NOT NULL,
    secrets BYTEA[] NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (connector_id)
);

CREATE INDEX ix_connector_partner ON connector (partner);

CREATE TABLE connector_version (
    connector_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    config JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (connector_id, version),
    FOREIGN KEY(connector_id) REFERENCES connector (connector_id)
);

CREATE TABLE hook_delivery (
    bucket SMALLINT NOT NULL,
    connector_id TEXT NOT NULL,
    message_key TEXT NOT NULL,
    delivery_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    size_bytes INTEGER NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    version INTEGER,
    status SMALLINT,
    answer BYTEA,
    payload BYTEA,
    PRIMARY KEY (bucket, connector_id, message_key)
);

CREATE INDEX hook_delivery_by_connector ON hook_delivery (connector_id, delivery_id);

CREATE INDEX hook_delivery_by_time ON hook_delivery USING brin (received_at);

CREATE INDEX hook_delivery_quarantined ON hook_delivery (connector_id, delivery_id) WHERE payload IS NOT NULL;

CREATE TABLE hook_event (
    bucket SMALLINT NOT NULL,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    action_id UUID NOT NULL,
    PRIMARY KEY (bucket, source, event_id)
)
"""


def upgrade() -> None:
    """Columns without a default, or with a constant one, are added at once."""
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
