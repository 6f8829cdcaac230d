-- What stands beside an audit log: signed checkpoints, where it begins once old records were let go, and how far it was reviewed.

-- A checkpoint: how many records there were and the root of the tree over them, signed. `edge` is enough of the tree to go on from there.
CREATE TABLE audit_checkpoints (
    workspace_id TEXT NOT NULL,
    size BIGINT NOT NULL,
    edge TEXT NOT NULL,
    note TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    sent BOOLEAN NOT NULL,
    PRIMARY KEY (workspace_id, size)
);

-- The last record that was let go. Absent: none was.
CREATE TABLE audit_start (
    workspace_id TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL,
    edge TEXT NOT NULL,
    note TEXT NOT NULL,
    cut_at BIGINT NOT NULL
);

-- A reviewer has seen the records behind `since`, up to `upto`.
CREATE TABLE audit_reviews (
    workspace_id TEXT NOT NULL,
    upto BIGINT NOT NULL,
    since BIGINT NOT NULL,
    by_user TEXT NOT NULL,
    note TEXT NOT NULL,
    reviewed_at BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, upto)
);
