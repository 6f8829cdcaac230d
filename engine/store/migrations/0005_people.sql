-- Who people are, what they may do beside the roles that come with Actas, and what a workspace has decided for all of them.

-- One document for each workspace. `revision` is raised by one with every change, so that nobody overwrites what they did not see.
CREATE TABLE policies (
    workspace_id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    revision BIGINT NOT NULL,
    updated_by TEXT,
    updated_at BIGINT NOT NULL
);

-- Roles of the workspace's own: a name and the names of privileges.
CREATE TABLE roles (
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    privileges TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, name)
);

-- What a token may do is said in full: those made before could do all but approve.
UPDATE tokens SET scopes = '["manage","read","runs"]' WHERE scopes = '[]';
UPDATE tokens SET scopes = '["approvals","manage","read","runs"]' WHERE scopes = '["approvals"]';

-- When a person was last here; coarse, by the hour.
CREATE TABLE seen (
    workspace_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
);

-- Whom another system means: an issuer's word for a person. Nothing else, no address and no name, ever leads to a user.
CREATE TABLE identities (
    workspace_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, issuer, subject)
);

-- Where people of the workspace log in, if not here. The client's secret is in the vault.
CREATE TABLE oidc (
    workspace_id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Logins that are under way elsewhere. Nothing of it is a secret: what it is bound to is known by its hash.
CREATE TABLE login_attempts (
    state_hash TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    browser_hash TEXT NOT NULL,
    issuer TEXT NOT NULL,
    target TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Applications that Actas is built into and whose word for who somebody is counts.
CREATE TABLE hosts (
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, name)
);

-- What counts once, until it would not count any more by itself.
CREATE TABLE used_once (
    workspace_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, hash)
);
