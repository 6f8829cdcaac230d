-- How many runs of a flow there are at once, and how often an app is called: agreed upon by rows, so that any number of processes agree.

-- A program that does not know lines would go past them.
UPDATE store_facts SET value = '3' WHERE name = 'min_reader';

-- One row for each flow that says how many: whoever changes the line of a flow changes this row first, so that one does after the other.
-- `last_ticket` numbers those changes.
CREATE TABLE gates (
    workspace_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    active_limit BIGINT,
    last_ticket BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, flow_id)
);

-- The living runs of such flows: `queued`, `active` or `paused`. A run that has `entered` once has its key until it ends; a place it has only
-- while it is active. The line is in the order of tickets.
CREATE TABLE admissions (
    workspace_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    key_value TEXT,
    state TEXT NOT NULL,
    entered BOOLEAN NOT NULL,
    ticket BIGINT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, run_id)
);

CREATE INDEX admissions_line ON admissions (workspace_id, flow_id, state, ticket);
CREATE INDEX admissions_key ON admissions (workspace_id, flow_id, key_value, ticket) WHERE key_value IS NOT NULL;

-- Token buckets: until when the calls that were promised so far fill them, at the pace they may come.
CREATE TABLE rates (
    workspace_id TEXT NOT NULL,
    bucket TEXT NOT NULL,
    filled_to BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, bucket)
);
