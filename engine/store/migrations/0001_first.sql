-- The first schema. One text for SQLite and PostgreSQL: TEXT, BIGINT and BOOLEAN only. Times are microseconds since 1970 in UTC, bytes are hex
-- digits, JSON is TEXT, ids are made by the program and sort by time. Every table but the facts about the store itself belongs to a workspace.

CREATE TABLE store_facts (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- A program that knows a lower number than this must not touch the store.
INSERT INTO store_facts (name, value) VALUES ('min_reader', '1');

CREATE TABLE workspaces (
    workspace_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    login TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    manager TEXT,
    password_hash TEXT,
    local BOOLEAN NOT NULL,
    roles TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, login)
);

CREATE TABLE sessions (
    hash TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE login_links (
    hash TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    hash TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE flows (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    title TEXT,
    stopped TEXT,
    last_version BIGINT NOT NULL,
    runners TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, name)
);

CREATE TABLE drafts (
    workspace_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    text TEXT NOT NULL,
    revision BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, flow_id)
);

CREATE TABLE build_values (
    workspace_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    user_id TEXT NOT NULL,
    written TEXT NOT NULL,
    connection_id TEXT,
    PRIMARY KEY (workspace_id, flow_id, slot, user_id)
);

CREATE TABLE versions (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    document TEXT NOT NULL,
    digest TEXT NOT NULL,
    bindings TEXT NOT NULL,
    manifests TEXT NOT NULL,
    level BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE UNIQUE INDEX versions_number ON versions (workspace_id, flow_id, number) WHERE number > 0;

CREATE TABLE manifests (
    workspace_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    app TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (workspace_id, digest)
);

CREATE TABLE clients (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    app TEXT NOT NULL,
    name TEXT NOT NULL,
    oauth_client_id TEXT NOT NULL,
    settings TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, app, name)
);

CREATE TABLE connections (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    name TEXT,
    app TEXT NOT NULL,
    client_id TEXT NOT NULL,
    parent_id TEXT,
    made_for_flow TEXT,
    made_for_slot TEXT,
    subject TEXT NOT NULL,
    account TEXT NOT NULL,
    scopes TEXT NOT NULL,
    facts TEXT NOT NULL,
    state TEXT NOT NULL,
    token_version BIGINT NOT NULL,
    expires_at BIGINT,
    refreshing_by TEXT,
    refreshing_until BIGINT,
    only_run TEXT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (workspace_id, id)
);

CREATE UNIQUE INDEX connections_shared_name ON connections (workspace_id, name) WHERE kind = 'shared';
CREATE INDEX connections_owner ON connections (workspace_id, owner_id);
CREATE INDEX connections_subject ON connections (workspace_id, client_id, subject);
CREATE INDEX connections_only_run ON connections (workspace_id, only_run) WHERE only_run IS NOT NULL;

-- What the vault sealed; `owner` is the id of a connection or an app client.
CREATE TABLE secrets (
    workspace_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    field TEXT NOT NULL,
    version BIGINT NOT NULL,
    kek_id TEXT NOT NULL,
    wrapped TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (workspace_id, owner, field)
);

CREATE TABLE grants (
    workspace_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    surface TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, user_id, flow_id, slot)
);

CREATE INDEX grants_connection ON grants (workspace_id, connection_id);

CREATE TABLE sign_ins (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    person_id TEXT NOT NULL,
    app TEXT NOT NULL,
    client_id TEXT NOT NULL,
    parent_id TEXT,
    reason TEXT NOT NULL,
    connection_id TEXT,
    surface TEXT NOT NULL,
    rule TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE INDEX sign_ins_run ON sign_ins (workspace_id, run_id);
CREATE INDEX sign_ins_pending ON sign_ins (workspace_id, person_id, client_id) WHERE state IN ('open', 'declined');

CREATE TABLE attempts (
    workspace_id TEXT NOT NULL,
    state_hash TEXT NOT NULL,
    sign_in_id TEXT,
    reconnect_id TEXT,
    target TEXT,
    user_id TEXT NOT NULL,
    session_hash TEXT NOT NULL,
    client_id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (workspace_id, state_hash)
);

-- Narrow: what lists and claims need. Inputs, outputs and the states of steps are in the journal. Run ids sort by time, so that the key and the
-- indexes that end with it give lists in order. `last_seq` is the seq of the run's last journal row.
CREATE TABLE runs (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    level BIGINT NOT NULL,
    invoker_id TEXT NOT NULL,
    entry TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    due_at BIGINT,
    epoch BIGINT NOT NULL,
    owner TEXT,
    lease_until BIGINT,
    last_seq BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE INDEX runs_flow ON runs (workspace_id, flow_id, id);
CREATE INDEX runs_invoker ON runs (workspace_id, invoker_id, id);
-- The states in which runs stay; lists must repeat the condition to use it.
CREATE INDEX runs_state ON runs (workspace_id, state, id) WHERE state NOT IN ('succeeded', 'running');
-- The three ways to be claimable without a message: never released, due, or left behind by its holder.
CREATE INDEX runs_ready ON runs (id) WHERE owner IS NULL AND state = 'running';
CREATE INDEX runs_due ON runs (due_at) WHERE owner IS NULL AND ended_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX runs_leased ON runs (lease_until) WHERE owner IS NOT NULL;

-- The only truth about a run. A body over 16 KiB stands in `blobs`, and its digest here.
CREATE TABLE journal (
    workspace_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    v BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE blobs (
    workspace_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (workspace_id, digest)
);

CREATE TABLE inbox (
    workspace_id TEXT NOT NULL,
    id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    message TEXT NOT NULL,
    came_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE INDEX inbox_run ON inbox (workspace_id, run_id);

CREATE TABLE idempotency (
    workspace_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_digest TEXT NOT NULL,
    run_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, user_id, flow_id, idempotency_key)
);

-- The end of each chain; locked last before a commit. `chain` is 0: one chain for each workspace.
CREATE TABLE audit_heads (
    workspace_id TEXT NOT NULL,
    chain BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (workspace_id, chain)
);

CREATE TABLE audit (
    workspace_id TEXT NOT NULL,
    chain BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_id TEXT,
    person_id TEXT,
    connection_id TEXT,
    rule TEXT,
    record_type TEXT,
    record_id TEXT,
    entry TEXT NOT NULL,
    action TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    object_version TEXT,
    flow TEXT,
    run_id TEXT,
    step TEXT,
    outcome TEXT NOT NULL,
    reason TEXT,
    commitments TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (workspace_id, chain, seq)
);

CREATE INDEX audit_actor ON audit (workspace_id, actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_person ON audit (workspace_id, person_id, seq) WHERE person_id IS NOT NULL;
CREATE INDEX audit_run ON audit (workspace_id, run_id, seq) WHERE run_id IS NOT NULL;

-- The personal values of a record, each beside its salt: what can be erased without breaking the chain.
CREATE TABLE audit_personal (
    workspace_id TEXT NOT NULL,
    chain BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    actor TEXT,
    actor_salt TEXT,
    person TEXT,
    person_salt TEXT,
    account TEXT,
    account_salt TEXT,
    ip TEXT,
    ip_salt TEXT,
    agent TEXT,
    agent_salt TEXT,
    PRIMARY KEY (workspace_id, chain, seq)
);

CREATE INDEX audit_personal_account ON audit_personal (workspace_id, account, seq) WHERE account IS NOT NULL;
