-- What the whole language needs: runs that other runs made or that repeat one, runs without an invoker, what people are asked, callbacks, the
-- workspace's values and named secrets, and what starts flows by itself.

-- A run that a schedule or a webhook started has '' for its invoker, and inboxes hold messages that earlier programs do not know.
UPDATE store_facts SET value = '2' WHERE name = 'min_reader';

ALTER TABLE runs ADD COLUMN parent_id TEXT;
ALTER TABLE runs ADD COLUMN parent_step TEXT;
ALTER TABLE runs ADD COLUMN retry_of TEXT;

CREATE INDEX runs_parent ON runs (workspace_id, parent_id, id) WHERE parent_id IS NOT NULL;

-- Approvals and decisions that people are asked for. `who` is a JSON array of logins and role:NAME.
CREATE TABLE requests (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    step TEXT NOT NULL,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    not_by TEXT,
    title TEXT NOT NULL,
    detail TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    decided_by TEXT,
    decided_at BIGINT,
    PRIMARY KEY (workspace_id, id)
);

CREATE INDEX requests_run ON requests (workspace_id, run_id, id);
CREATE INDEX requests_open ON requests (workspace_id, id) WHERE state = 'open';

-- The callback of a step was answered: no second one is.
CREATE TABLE callbacks_used (
    workspace_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    step TEXT NOT NULL,
    PRIMARY KEY (workspace_id, run_id, step)
);

CREATE TABLE vars (
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, name)
);

-- What they hold stands sealed in `secrets`, owner `secret:NAME`.
CREATE TABLE named_secrets (
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT,
    PRIMARY KEY (workspace_id, name)
);

-- What starts a flow by itself. `next_at` is the instant of a schedule that has not been fired; `hook` stands in a webhook's address.
CREATE TABLE triggers (
    workspace_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    hook TEXT,
    spec TEXT NOT NULL,
    next_at BIGINT,
    last_at BIGINT,
    PRIMARY KEY (workspace_id, flow_id)
);

CREATE UNIQUE INDEX triggers_hook ON triggers (hook) WHERE hook IS NOT NULL;
CREATE INDEX triggers_due ON triggers (next_at) WHERE next_at IS NOT NULL;

-- What a token may do beside starting and watching runs, as a JSON array.
ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';
