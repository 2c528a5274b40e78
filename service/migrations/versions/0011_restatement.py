"""Actions are restated under later versions, and the journal's past days are added up once."""

from alembic import op

revision = "0011"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE restatement (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    action_id UUID NOT NULL,
    sequence SMALLINT NOT NULL,
    run_id UUID NOT NULL,
    batch_id UUID NOT NULL,
    local_day DATE NOT NULL,
    old_methodology TEXT NOT NULL,
    old_region TEXT NOT NULL,
    old_gross_mg BIGINT NOT NULL,
    old_avoided_mg BIGINT NOT NULL,
    old_uncertainty_mg BIGINT NOT NULL,
    methodology TEXT NOT NULL,
    region TEXT NOT NULL,
    gross_mg BIGINT NOT NULL,
    avoided_mg BIGINT NOT NULL,
    uncertainty_mg BIGINT NOT NULL,
    quantity_milli BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, person_id, action_id, sequence)
);

CREATE TABLE methodology_run (
    run_id UUID NOT NULL,
    kind TEXT NOT NULL,
    methodology TEXT NOT NULL,
    from_version TEXT,
    target TEXT NOT NULL,
    first_day DATE NOT NULL,
    last_day DATE NOT NULL,
    sample_ppm INTEGER NOT NULL,
    status TEXT NOT NULL,
    next_bucket SMALLINT DEFAULT '-1' NOT NULL,
    next_person UUID NOT NULL,
    people BIGINT DEFAULT '0' NOT NULL,
    actions BIGINT DEFAULT '0' NOT NULL,
    result JSONB NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (run_id)
);

CREATE TABLE journal_day (
    recorded_on DATE NOT NULL,
    local_day DATE NOT NULL,
    activity TEXT NOT NULL,
    methodology TEXT NOT NULL,
    version TEXT NOT NULL,
    partner TEXT NOT NULL,
    region TEXT NOT NULL,
    evidence_level TEXT NOT NULL,
    scope TEXT NOT NULL,
    actions BIGINT NOT NULL,
    gross_mg BIGINT NOT NULL,
    avoided_mg BIGINT NOT NULL,
    uncertainty_mg BIGINT NOT NULL,
    points BIGINT NOT NULL,
    PRIMARY KEY (recorded_on, local_day, activity, methodology, version, partner, region, evidence_level, scope)
);

CREATE TABLE journal_day_closed (
    recorded_on DATE NOT NULL,
    people BIGINT NOT NULL,
    journal_rows BIGINT NOT NULL,
    PRIMARY KEY (recorded_on)
);

ALTER TABLE journal ALTER COLUMN recorded_at SET DEFAULT clock_timestamp()
"""


def upgrade() -> None:
    """Make the tables; days of the journal are added up when they are over."""
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
