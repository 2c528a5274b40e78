"""Points that lapse, pass between friends and are collected in one statement; facts stay facts."""

from alembic import op

from service.resources import SANDBOX

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FACTS = ("action", "entry", "reversal", "restatement", "journal", "watering", "friend_take")

STATEMENTS = (
    "ALTER TABLE account ADD COLUMN last_entry_id UUID",
    """
UPDATE account SET last_entry_id = (
    SELECT entry_id FROM entry
    WHERE entry.bucket = account.bucket AND entry.person_id = account.person_id
    ORDER BY entry_id DESC LIMIT 1)
""",
    # A column that is computed is written into every row: on a big table, plan for the time.
    """
ALTER TABLE earning
    ADD COLUMN round SMALLINT NOT NULL DEFAULT 0,
    ADD COLUMN to_friends INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN is_open BOOLEAN NOT NULL
        GENERATED ALWAYS AS (points > collected + lapsed + reversed + to_friends) STORED,
    DROP CONSTRAINT earning_pkey,
    ADD PRIMARY KEY (bucket, person_id, local_day, activity, round),
    DROP CONSTRAINT earning_is_not_overdrawn,
    ADD CONSTRAINT earning_is_not_overdrawn CHECK (
        collected >= 0 AND lapsed >= 0 AND reversed >= 0 AND to_friends >= 0
        AND collected + lapsed + reversed + to_friends <= points
        AND taken_back BETWEEN 0 AND collected + to_friends)
""",
    "CREATE INDEX earning_open ON earning (bucket, person_id, lapses_at) WHERE is_open",
    """
CREATE TABLE profile (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    display_name TEXT,
    region TEXT,
    is_ranked BOOLEAN DEFAULT true NOT NULL,
    shielded_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (bucket, person_id)
)
""",
    """
CREATE TABLE friend (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    other_id UUID NOT NULL,
    friendship_id UUID NOT NULL,
    state TEXT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, person_id, other_id),
    CONSTRAINT friend_by_friendship UNIQUE (bucket, person_id, friendship_id),
    CONSTRAINT friend_state_is_known CHECK (state IN ('asked', 'asking', 'friends', 'blocked'))
)
""",
    """
CREATE TABLE watering (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    friend_id UUID NOT NULL,
    day DATE NOT NULL,
    number SMALLINT NOT NULL,
    points INTEGER NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, person_id, friend_id, day, number)
)
""",
    """
CREATE TABLE friend_take (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    local_day DATE NOT NULL,
    activity TEXT NOT NULL,
    round SMALLINT NOT NULL,
    friend_id UUID NOT NULL,
    points INTEGER NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, person_id, local_day, activity, round, friend_id)
)
""",
    """
CREATE TABLE standing (
    span TEXT NOT NULL,
    region TEXT NOT NULL,
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    starts_on DATE NOT NULL,
    place INTEGER NOT NULL,
    points BIGINT NOT NULL,
    people INTEGER NOT NULL,
    PRIMARY KEY (span, region, bucket, person_id)
)
""",
    # The id of the next entry of an account: later than its last one, also within a millisecond
    # and when the clock went back. The low 60 bits are the random end of a UUIDv7.
    """
CREATE FUNCTION later_entry(wanted UUID, last UUID) RETURNS UUID
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT CASE WHEN last IS NULL OR wanted > last THEN wanted ELSE (
        left(replace(last::text, '-', ''), 17)
        || lpad(to_hex(('x' || right(replace(last::text, '-', ''), 15))::bit(60)::bigint + 1),
                15, '0'))::uuid END
$$
""",
    # The application may not make tables; it may open a month of actions, and nothing else.
    """
CREATE FUNCTION open_action_month(first DATE) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp AS $$
BEGIN
    IF first <> date_trunc('month', first)::date
       OR first NOT BETWEEN DATE '2021-01-01' AND DATE '2035-12-01' THEN
        RAISE EXCEPTION '% is not the first day of a month of the programme', first
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS {schema}.%I PARTITION OF {schema}.action FOR VALUES FROM (%L) TO (%L)',
        'action_' || to_char(first, 'YYYY_MM'), first, (first + interval '1 month')::date);
END
$$
""",
    "REVOKE ALL ON FUNCTION open_action_month(DATE) FROM PUBLIC",
    # The second fence: also the owner of the tables does not change a fact by mistake.
    """
CREATE FUNCTION refuse_change() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: a fact is corrected by another fact', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
""",
)
FENCES = tuple(
    statement
    for table in FACTS
    for statement in (
        f"CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_is_not_emptied BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    )
)


def upgrade() -> None:
    """Facts that are there already keep their meaning: every earning is the first of its day."""
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    for statement in STATEMENTS:
        op.execute(statement.replace("{schema}", schema))
    if schema != SANDBOX:  # test data may be wiped
        for statement in FENCES:
            op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
