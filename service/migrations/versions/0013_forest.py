"""Trees: stock in cells, lots and their reports, orders, certificates, pools."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE project
    ADD COLUMN time_zone TEXT DEFAULT 'Asia/Shanghai' NOT NULL,
    ADD COLUMN seasons JSONB DEFAULT '[]'::jsonb NOT NULL,
    ADD COLUMN is_open BOOLEAN DEFAULT 'true' NOT NULL,
    ADD COLUMN price_points BIGINT,
    ADD COLUMN currency TEXT,
    ADD COLUMN budget_cents BIGINT,
    ADD COLUMN cost_cents BIGINT;

UPDATE project SET price_points = species.price_points FROM species WHERE species.species = project.species;

ALTER TABLE project
    ALTER COLUMN price_points SET NOT NULL,
    DROP CONSTRAINT project_is_not_oversold,
    DROP COLUMN contracted,
    DROP COLUMN planted,
    DROP COLUMN surviving,
    ADD CONSTRAINT project_is_sold_for_something CHECK (stock >= 0 AND price_points > 0),
    ADD CONSTRAINT project_budget_is_whole CHECK ((currency IS NULL) = (budget_cents IS NULL) AND (currency IS NULL) = (cost_cents IS NULL));

CREATE TABLE lot (
    lot TEXT NOT NULL,
    project TEXT NOT NULL,
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    planted BIGINT DEFAULT '0' NOT NULL,
    surviving BIGINT,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (lot),
    CONSTRAINT lot_number_is_used_once UNIQUE (project, number),
    CONSTRAINT lot_figures_are_in_order CHECK (planted >= 0 AND (surviving IS NULL OR surviving BETWEEN 0 AND planted)),
    FOREIGN KEY(project) REFERENCES project (project)
);

CREATE TABLE lot_report (
    lot TEXT NOT NULL,
    report_id UUID NOT NULL,
    state TEXT NOT NULL,
    on_day DATE NOT NULL,
    reported_by TEXT NOT NULL,
    planted BIGINT,
    surviving BIGINT,
    photos JSONB NOT NULL,
    note TEXT NOT NULL,
    digest BYTEA NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (lot, report_id),
    CONSTRAINT lot_report_is_taken_once UNIQUE (lot, digest),
    FOREIGN KEY(lot) REFERENCES lot (lot)
);

CREATE TABLE stock_cell (
    bucket SMALLINT NOT NULL,
    project TEXT NOT NULL,
    capacity BIGINT NOT NULL,
    sold BIGINT DEFAULT '0' NOT NULL,
    lot TEXT NOT NULL,
    PRIMARY KEY (bucket, project),
    CONSTRAINT stock_cell_is_not_oversold CHECK (sold BETWEEN 0 AND capacity),
    FOREIGN KEY(project) REFERENCES project (project)
) WITH (fillfactor = 25);

CREATE TABLE tree_order (
    bucket SMALLINT NOT NULL,
    order_id UUID NOT NULL,
    person_id UUID NOT NULL,
    project TEXT NOT NULL,
    points BIGINT NOT NULL,
    serial TEXT NOT NULL,
    partner TEXT NOT NULL,
    placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    refunded_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (bucket, order_id)
);

CREATE INDEX tree_order_by_person ON tree_order (bucket, person_id, order_id);

CREATE TABLE certificate (
    bucket SMALLINT NOT NULL,
    serial TEXT NOT NULL,
    project TEXT NOT NULL,
    lot TEXT NOT NULL,
    cell SMALLINT NOT NULL,
    order_id UUID,
    pool_id UUID,
    display_name TEXT,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    voided_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (bucket, serial),
    CONSTRAINT certificate_has_one_origin CHECK ((order_id IS NULL) <> (pool_id IS NULL))
);

CREATE INDEX certificate_by_lot ON certificate (lot);

CREATE INDEX certificate_by_project ON certificate (project);

CREATE TABLE pool (
    bucket SMALLINT NOT NULL,
    pool_id UUID NOT NULL,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT NOT NULL,
    points BIGINT NOT NULL,
    daily_points BIGINT NOT NULL,
    collected BIGINT DEFAULT '0' NOT NULL,
    state TEXT NOT NULL,
    serial TEXT,
    partner TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (bucket, pool_id),
    CONSTRAINT pool_takes_no_surplus CHECK (collected BETWEEN 0 AND points),
    CONSTRAINT pool_code_is_used_once UNIQUE (bucket, code)
);

CREATE INDEX pool_by_expiry ON pool (expires_at) WHERE state = 'open';

CREATE TABLE pool_member (
    bucket SMALLINT NOT NULL,
    pool_id UUID NOT NULL,
    person_id UUID NOT NULL,
    person_bucket SMALLINT NOT NULL,
    number INTEGER NOT NULL,
    display_name TEXT,
    points BIGINT DEFAULT '0' NOT NULL,
    joined_at TIMESTAMP WITH TIME ZONE NOT NULL,
    left_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (bucket, pool_id, person_id)
);

CREATE TABLE pool_contribution (
    bucket SMALLINT NOT NULL,
    pool_id UUID NOT NULL,
    contribution_id UUID NOT NULL,
    person_id UUID NOT NULL,
    points BIGINT NOT NULL,
    local_day DATE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bucket, pool_id, contribution_id)
);

INSERT INTO lot (lot, project, number, state, changed_at) SELECT project || '-001', project, 1, 'pledged', now() FROM project;

INSERT INTO stock_cell (bucket, project, capacity, lot)
SELECT cell * 32, project, stock / 32 + CASE WHEN cell < stock % 32 THEN 1 ELSE 0 END, project || '-001'
FROM project, generate_series(0, 31) AS cell
"""


def upgrade() -> None:
    """Projects so far get the price of their species, and their stock in cells."""
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Facts are kept: there is no way back but a backup."""
    raise RuntimeError("restore a backup to go back")
