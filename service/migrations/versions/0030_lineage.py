"""Keys know what they came of; connectors and endpoints know the key that answers for them."""

from alembic import op

from service.resources import SANDBOX

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE api_key ADD COLUMN made_by TEXT",
    "ALTER TABLE api_key ADD COLUMN retires_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE connector ADD COLUMN key_prefix TEXT",
    "ALTER TABLE webhook_endpoint ADD COLUMN key_prefix TEXT",
)
# In the sandbox an endpoint's partner carries the epoch of its data. Which key made a connector or an endpoint was not written down: the oldest live one that could
# have answers for it. Where there is none, it stops until a key confirms it.
ANSWERING = """
    UPDATE {table} SET key_prefix = (
        SELECT prefix FROM {keys} AS key
        WHERE key.partner = split_part({table}.partner, '#', 1) AND key.is_test = {is_test} AND key.revoked_at IS NULL
          AND (key.expires_at IS NULL OR key.expires_at > now())
          AND key.scopes && ARRAY['{scope}', 'admin']
        ORDER BY key.created_at, key.prefix LIMIT 1
    )
"""
LIVE_KEYS = """
    SELECT quote_ident(schemaname) || '.api_key' FROM pg_tables
    WHERE tablename = 'api_key' AND schemaname <> '{sandbox}'
    ORDER BY schemaname <> 'public', schemaname LIMIT 1
"""


def upgrade() -> None:
    """Test keys are with the live ones, in the schema of the programme."""
    for statement in STATEMENTS:
        op.execute(statement)
    connection = op.get_bind()
    schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
    keys = "api_key"
    if schema == SANDBOX:
        found = connection.exec_driver_sql(LIVE_KEYS.format(sandbox=SANDBOX))
        keys = found.scalar() or keys
    for table, scope in (("connector", "events:write"), ("webhook_endpoint", "webhooks:manage")):
        is_test = str(schema == SANDBOX).lower()
        op.execute(ANSWERING.format(table=table, keys=keys, is_test=is_test, scope=scope))


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
