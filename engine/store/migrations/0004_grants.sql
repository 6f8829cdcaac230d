-- The life of connections: what is left of parents and flows that were deleted, and what is still to be taken back at a provider.

-- A program that does not know connections without an account could not read them.
UPDATE store_facts SET value = '4' WHERE name = 'min_reader';

-- A shared connection that people's own were made under, after it was deleted: they are kept, and say under whom they were made.
CREATE TABLE deleted_parents (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    app TEXT NOT NULL,
    client_id TEXT NOT NULL,
    deleted_by TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

-- A flow that was deleted: its name is free again, its versions stay for those who review what was done.
CREATE TABLE deleted_flows (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    title TEXT,
    deleted_by TEXT NOT NULL,
    deleted_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

-- What its provider has not been told of yet. The tokens, and whose they are, stand sealed in `secrets` under the id.
CREATE TABLE revocations (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    app TEXT NOT NULL,
    client_id TEXT NOT NULL,
    tries BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE INDEX revocations_due ON revocations (workspace_id, next_at);
CREATE INDEX connections_parent ON connections (workspace_id, parent_id) WHERE parent_id IS NOT NULL;
