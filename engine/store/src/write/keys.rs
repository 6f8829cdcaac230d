//! What is written when keys are made, replaced and forgotten.

use crate::rows::{KeyCheck, KeyOp, WorkspaceKeyRow};
use crate::statement::{Statement, bytes, params};

pub(super) fn statements(op: &KeyOp) -> Vec<Statement> {
    match op {
        KeyOp::Add { key, replaces } => add(key, replaces.as_deref()),
        KeyOp::Rewrap {
            workspace,
            from,
            to,
        } => vec![Statement::any(
            "UPDATE secrets SET kek_id = $5, wrapped = $6, sealed = $7 \
             WHERE workspace_id = $1 AND owner = $2 AND field = $3 AND wrapped = $4",
            params![
                workspace,
                &to.owner,
                &to.field,
                bytes(from),
                &to.kek_id,
                bytes(&to.wrapped),
                bytes(&to.sealed)
            ],
        )],
        KeyOp::Drop { workspace, id } => vec![Statement::any(
            "DELETE FROM workspace_keys WHERE workspace_id = $1 AND id = $2 AND state = 'old' \
             AND NOT EXISTS (SELECT 1 FROM secrets WHERE workspace_id = $1 AND kek_id = $2)",
            params![workspace, id],
        )],
        KeyOp::Master {
            from,
            to,
            keys,
            derived,
        } => master(from, to, keys, derived),
    }
}

fn add(key: &WorkspaceKeyRow, replaces: Option<&str>) -> Vec<Statement> {
    // Writes nothing, but holds the row: a rotation of the operator's key comes before or after, never in between.
    let mut all = vec![Statement::one(
        "UPDATE store_facts SET value = value WHERE name = 'key_check' AND substr(value, 1, length($1) + 1) = $1 || ' '",
        params![&key.wrapped_by],
        "the vault's key was rotated: restart this server with the new one",
    )];
    all.extend(replaces.map(|old| {
        Statement::one(
            "UPDATE workspace_keys SET state = 'old' WHERE workspace_id = $1 AND id = $2 AND state = 'active'",
            params![&key.workspace, old],
            "the workspace's key was rotated meanwhile",
        )
    }));
    all.push(Statement::one(
        "INSERT INTO workspace_keys (workspace_id, id, wrapped_by, wrapped, state, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT DO NOTHING",
        params![
            &key.workspace,
            &key.id,
            &key.wrapped_by,
            bytes(&key.wrapped),
            key.state.as_str(),
            key.created_at
        ],
        "the workspace has a key already",
    ));
    all
}

fn master(
    from: &KeyCheck,
    to: &KeyCheck,
    keys: &[WorkspaceKeyRow],
    derived: &[(String, Vec<u8>)],
) -> Vec<Statement> {
    let fact = |(kek_id, check): &KeyCheck| format!("{kek_id} {}", hex::encode(check));
    let mut all = vec![Statement::one(
        "UPDATE store_facts SET value = $2 WHERE name = 'key_check' AND value = $1",
        params![fact(from), fact(to)],
        "the vault's key was rotated meanwhile",
    )];
    for key in keys {
        all.push(Statement::one(
            "UPDATE workspace_keys SET wrapped_by = $3, wrapped = $4 WHERE workspace_id = $1 AND id = $2",
            params![
                &key.workspace,
                &key.id,
                &key.wrapped_by,
                bytes(&key.wrapped)
            ],
            "a workspace's key was forgotten meanwhile",
        ));
    }
    all.push(Statement::one(
        "UPDATE store_facts SET value = value WHERE name = 'key_check' \
         AND NOT EXISTS (SELECT 1 FROM workspace_keys WHERE wrapped_by <> $1) AND NOT EXISTS (SELECT 1 FROM secrets WHERE kek_id = $2)",
        params![&to.0, &from.0],
        "a key or a secret was added meanwhile: rotate again",
    ));
    for (purpose, sealed) in derived {
        all.push(Statement::any(
            "INSERT INTO store_facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![format!("derived {purpose}"), bytes(sealed)],
        ));
    }
    all
}
