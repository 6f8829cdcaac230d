-- Several workspaces, and a key of its own for each.

-- A workspace is known by its name in addresses.
CREATE UNIQUE INDEX workspaces_name ON workspaces (name);

-- The keys that a workspace's data keys are wrapped with, each wrapped itself by the key that the operator keeps (`wrapped_by`). One of a
-- workspace is `active`; `old` ones only open what has not been wrapped anew.
CREATE TABLE workspace_keys (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    wrapped_by TEXT NOT NULL,
    wrapped TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE UNIQUE INDEX workspace_keys_active ON workspace_keys (workspace_id) WHERE state = 'active';

CREATE INDEX secrets_kek ON secrets (workspace_id, kek_id);
