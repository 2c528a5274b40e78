"""The first schema: partners, accounts, actions, claims, earnings, journal, totals, projects."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE account (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    balance BIGINT DEFAULT '0' NOT NULL,
    counted BOOLEAN DEFAULT 'false' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, person_id)
);

CREATE TABLE action (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    local_day DATE NOT NULL,
    action_id UUID NOT NULL,
    batch_id UUID NOT NULL,
    partner TEXT NOT NULL,
    activity TEXT NOT NULL,
    region TEXT,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    utc_offset_min SMALLINT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    evidence_level TEXT NOT NULL,
    scope TEXT NOT NULL,
    methodology TEXT,
    outcome TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    gross_mg BIGINT NOT NULL,
    avoided_mg BIGINT NOT NULL,
    uncertainty_mg BIGINT NOT NULL,
    quantity_milli BIGINT NOT NULL,
    points INTEGER NOT NULL,
    ripens_at TIMESTAMP WITH TIME ZONE,
    data JSONB NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (bucket, person_id, source, event_id, local_day)
)
PARTITION BY RANGE (local_day);

CREATE INDEX action_by_id ON action USING brin (action_id) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE claim (
    bucket SMALLINT NOT NULL,
    claim_key UUID NOT NULL,
    action_id UUID NOT NULL,
    PRIMARY KEY (bucket, claim_key)
);

CREATE TABLE earning (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    local_day DATE NOT NULL,
    activity TEXT NOT NULL,
    actions INTEGER NOT NULL,
    points INTEGER NOT NULL,
    gross_mg BIGINT NOT NULL,
    quantity_milli BIGINT NOT NULL,
    ripens_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lapses_at TIMESTAMP WITH TIME ZONE NOT NULL,
    collected INTEGER DEFAULT '0' NOT NULL,
    lapsed INTEGER DEFAULT '0' NOT NULL,
    reversed INTEGER DEFAULT '0' NOT NULL,
    taken_back INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (bucket, person_id, local_day, activity),
    CONSTRAINT earning_is_not_overdrawn CHECK (collected >= 0 AND lapsed >= 0 AND reversed >= 0 AND collected + lapsed + reversed <= points AND taken_back BETWEEN 0 AND collected)
);

CREATE TABLE entry (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    entry_id UUID NOT NULL,
    kind TEXT NOT NULL,
    points BIGINT NOT NULL,
    balance_after BIGINT NOT NULL,
    ref JSONB NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, person_id, entry_id)
);

CREATE TABLE journal (
    bucket SMALLINT NOT NULL,
    batch_id UUID NOT NULL,
    kind TEXT NOT NULL,
    actions INTEGER NOT NULL,
    people INTEGER NOT NULL,
    deltas JSONB NOT NULL,
    leaves BYTEA NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (bucket, batch_id)
);

CREATE INDEX journal_by_time ON journal (recorded_at);

CREATE TABLE journal_pending (
    bucket SMALLINT NOT NULL,
    batch_id UUID NOT NULL,
    projector TEXT NOT NULL,
    PRIMARY KEY (bucket, batch_id, projector)
);

CREATE TABLE partner (
    partner TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (partner)
);

CREATE TABLE reversal (
    bucket SMALLINT NOT NULL,
    person_id UUID NOT NULL,
    action_id UUID NOT NULL,
    batch_id UUID NOT NULL,
    reason TEXT NOT NULL,
    local_day DATE NOT NULL,
    avoided_mg BIGINT NOT NULL,
    gross_mg BIGINT NOT NULL,
    points INTEGER NOT NULL,
    from_earning INTEGER NOT NULL,
    from_balance INTEGER NOT NULL,
    as_debt INTEGER NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, person_id, action_id)
);

CREATE TABLE species (
    species TEXT NOT NULL,
    scientific_name TEXT NOT NULL,
    local_name TEXT NOT NULL,
    english_name TEXT NOT NULL,
    price_points BIGINT NOT NULL,
    price_source TEXT NOT NULL,
    PRIMARY KEY (species)
);

CREATE TABLE stored_answer (
    bucket SMALLINT NOT NULL,
    caller TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_digest BYTEA NOT NULL,
    body BYTEA NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, caller, idempotency_key)
);

CREATE TABLE total_day (
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
    PRIMARY KEY (local_day, activity, methodology, version, partner, region, evidence_level, scope)
);

CREATE TABLE api_key (
    prefix TEXT NOT NULL,
    partner TEXT NOT NULL,
    secret_sha256 BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (prefix),
    FOREIGN KEY(partner) REFERENCES partner (partner)
);

CREATE INDEX ix_api_key_partner ON api_key (partner);

CREATE TABLE project (
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    species TEXT NOT NULL,
    place TEXT NOT NULL,
    region TEXT NOT NULL,
    planting_partner TEXT NOT NULL,
    opens_on DATE NOT NULL,
    closes_on DATE NOT NULL,
    stock BIGINT NOT NULL,
    contracted BIGINT DEFAULT '0' NOT NULL,
    planted BIGINT DEFAULT '0' NOT NULL,
    surviving BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (project),
    CONSTRAINT project_is_not_oversold CHECK (contracted >= 0 AND planted >= 0 AND surviving >= 0 AND contracted <= stock),
    FOREIGN KEY(species) REFERENCES species (species)
);

CREATE TABLE source (
    source TEXT NOT NULL,
    partner TEXT NOT NULL,
    PRIMARY KEY (source),
    FOREIGN KEY(partner) REFERENCES partner (partner)
);

CREATE INDEX ix_source_partner ON source (partner);

CREATE TABLE programme (
    programme_id UUID NOT NULL,
    PRIMARY KEY (programme_id)
);

INSERT INTO programme VALUES (gen_random_uuid());

CREATE TABLE action_outside PARTITION OF action DEFAULT
"""


def upgrade() -> None:
    """Make every table; months of `action` are made when they are needed."""
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
