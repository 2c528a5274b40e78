"""A person can be erased: their facts stay as sums of nobody, and one function may do that."""

from alembic import op

from service.resources import SANDBOX

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE action ADD COLUMN erased_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE corroboration ALTER COLUMN salt DROP NOT NULL",
    """
    CREATE TABLE tombstone (
        bucket SMALLINT NOT NULL,
        person_id UUID NOT NULL,
        erased_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (bucket, person_id)
    )
    """,
    "CREATE INDEX tombstone_by_time ON tombstone (erased_at)",
    """
    CREATE TABLE erasure (
        bucket SMALLINT NOT NULL,
        erasure_id UUID NOT NULL,
        former_id UUID,
        begun_at TIMESTAMP WITH TIME ZONE NOT NULL,
        finished_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (bucket, erasure_id)
    )
    """,
    "CREATE INDEX erasure_unfinished ON erasure (begun_at) WHERE finished_at IS NULL",
    "CREATE INDEX watering_by_friend ON watering (friend_id)",
    "CREATE INDEX friend_take_by_friend ON friend_take (friend_id)",
    "CREATE INDEX friend_by_other ON friend (other_id)",
    # The second fence has one gate: columns that say who and what a fact was about may be emptied,
    # by the function below and by nothing else. What is summed never changes.
    """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_NARGS > 0 AND current_setting('saxaul.erasing', true) = 'on' THEN
        IF to_jsonb(NEW) - TG_ARGV::text[] = to_jsonb(OLD) - TG_ARGV::text[] THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: a fact is corrected by another fact', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
""",
    # What somebody did with the rights of the application alone: nobody is erased without a
    # tombstone and an audit event, and what is left names nobody.
    """
CREATE FUNCTION erase_facts(in_bucket SMALLINT, former UUID, anonym UUID, erased TIMESTAMPTZ)
RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, {schema}, pg_temp AS $$
DECLARE
    actions BIGINT;
BEGIN
    IF NOT EXISTS (SELECT FROM tombstone WHERE person_id = former AND erased_at = erased)
       OR NOT EXISTS (SELECT FROM audit_event WHERE target = 'person:' || anonym) THEN
        RAISE EXCEPTION 'an erasure is written down before it is done'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('saxaul.erasing', 'on', true);
    UPDATE action SET person_id = anonym, event_id = action_id::text, data = '{}', digest = '',
        salt = NULL, detail = NULL, utc_offset_min = 0, erased_at = erased,
        occurred_at = local_day::timestamp AT TIME ZONE 'UTC'
    WHERE bucket = in_bucket AND person_id = former;
    GET DIAGNOSTICS actions = ROW_COUNT;
    UPDATE reversal SET person_id = anonym, salt = NULL, reason = 'erased'
    WHERE bucket = in_bucket AND person_id = former;
    UPDATE restatement SET person_id = anonym, salt = NULL, detail = NULL
    WHERE bucket = in_bucket AND person_id = former;
    UPDATE transfer SET person_id = anonym, salt = NULL
    WHERE bucket = in_bucket AND person_id = former;
    UPDATE corroboration SET person_id = anonym, salt = NULL
    WHERE bucket = in_bucket AND person_id = former;
    UPDATE entry SET person_id = anonym, ref = (
        SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(ref)
        WHERE key IN ('order_id', 'pool_id', 'project_id'))
    WHERE bucket = in_bucket AND person_id = former;
    UPDATE watering SET person_id = anonym WHERE bucket = in_bucket AND person_id = former;
    UPDATE watering SET friend_id = anonym WHERE bucket = in_bucket AND friend_id = former;
    UPDATE friend_take SET person_id = anonym WHERE bucket = in_bucket AND person_id = former;
    UPDATE friend_take SET friend_id = anonym WHERE bucket = in_bucket AND friend_id = former;
    UPDATE journal SET notices = (
        SELECT jsonb_agg(notice) FROM jsonb_array_elements(notices) AS notice
        WHERE notice ->> 'person_id' IS DISTINCT FROM former::text)
    WHERE bucket = in_bucket AND notices @> jsonb_build_array(
        jsonb_build_object('person_id', former::text));
    UPDATE audit_event SET actor = anonym::text, address = NULL WHERE actor = former::text;
    UPDATE audit_event SET changes = '{}', before_sha256 = NULL, after_sha256 = NULL
    WHERE target IN (
        SELECT 'action:' || action_id FROM action WHERE bucket = in_bucket AND person_id = anonym)
        OR position(former::text IN changes::text) > 0;
    UPDATE audit_event SET target = 'person:' || anonym, changes = '{}', before_sha256 = NULL,
        after_sha256 = NULL
    WHERE target = 'person:' || former;
    PERFORM set_config('saxaul.erasing', '', true);
    RETURN actions;
END
$$
""",
    "REVOKE ALL ON FUNCTION erase_facts(SMALLINT, UUID, UUID, TIMESTAMPTZ) FROM PUBLIC",
)
# What may be emptied of each fact, and nothing else.
ERASABLE = {
    "action": (
        "person_id", "event_id", "data", "digest", "salt", "detail", "occurred_at",
        "utc_offset_min", "erased_at",
    ),
    "reversal": ("person_id", "salt", "reason"),
    "restatement": ("person_id", "salt", "detail"),
    "transfer": ("person_id", "salt"),
    "corroboration": ("person_id", "salt"),
    "entry": ("person_id", "ref"),
    "watering": ("person_id", "friend_id"),
    "friend_take": ("person_id", "friend_id"),
    "journal": ("notices",),
    "audit_event": ("actor", "address", "target", "changes", "before_sha256", "after_sha256"),
}  # fmt: skip


def upgrade() -> None:
    """Nobody is erased by it."""
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    for statement in STATEMENTS:
        op.execute(statement.replace("{schema}", schema))
    if schema == SANDBOX:  # without fences: test data may be wiped
        return
    for table, columns in ERASABLE.items():
        listed = ", ".join(f"'{column}'" for column in columns)
        op.execute(f"DROP TRIGGER {table}_is_append_only ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION refuse_change({listed})"
        )


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
