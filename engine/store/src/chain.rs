//! Audit drafts on their way into a chain and records on their way out. The linking itself is the core's; must not decide what is recorded.

use std::collections::BTreeMap;

use actas_core::audit::{
    ActorKind, Commitments, Draft, Field, GENESIS, Hash, Object, Personal, Record, Salt, link,
};
use actas_core::ids::WorkspaceId;

use crate::cells::{Cells, FromRow};
use crate::statement::{Bulk, Statement, Value, params};
use crate::store::ReadError;

/// An audit record as it is stored, with the personal values that are not erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The link of the chain.
    pub record: Record,
    /// What is personal in it.
    pub personal: Vec<Personal>,
}

/// Where the chain of a workspace ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub seq: u64,
    pub hash: Hash,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            seq: 0,
            hash: GENESIS,
        }
    }
}

/// The heads of a batch's workspaces, in the order in which they are locked.
pub(crate) type Heads = BTreeMap<WorkspaceId, Head>;

/// The one function that makes records: links a draft behind its workspace's head, which it moves on.
pub(crate) fn link_next(
    draft: &Draft,
    heads: &mut Heads,
    salt: &mut dyn FnMut() -> Salt,
) -> AuditEntry {
    let head = heads.entry(draft.workspace.clone()).or_default();
    let (record, personal) = link(draft, head.seq.saturating_add(1), head.hash, salt);
    *head = Head {
        seq: record.seq,
        hash: record.hash,
    };
    AuditEntry { record, personal }
}

/// One chain for each workspace, for now.
const CHAIN: i64 = 0;

static ADD_RECORDS: Bulk = Bulk {
    rank: 0,
    text: "INSERT INTO audit (workspace_id, chain, seq, written_at, actor, actor_id, person_id, connection_id, rule, record_type, \
           record_id, entry, action, object_type, object_id, object_version, flow, run_id, step, outcome, reason, commitments, prev, hash) \
           SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], \
           $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], \
           $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[])",
    key: &[0, 2],
};

static ADD_PERSONAL: Bulk = Bulk {
    rank: 1,
    text: "INSERT INTO audit_personal (workspace_id, chain, seq, actor, actor_salt, person, person_salt, account, account_salt, ip, ip_salt, \
           agent, agent_salt) SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], \
           $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])",
    key: &[0, 2],
};

static MOVE_HEADS: Bulk = Bulk {
    rank: 2,
    text: "UPDATE audit_heads SET seq = new.seq, hash = new.hash \
           FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::text[]) AS new (workspace_id, chain, seq, hash) \
           WHERE audit_heads.workspace_id = new.workspace_id AND audit_heads.chain = new.chain",
    key: &[0],
};

const FORKED: &str = "the chain went on meanwhile";

impl AuditEntry {
    pub(crate) fn statements(&self, all: &mut Vec<Statement>) {
        let r = &self.record;
        let seq = i64::try_from(r.seq).unwrap_or(i64::MAX);
        all.push(
            Statement::one(
                "INSERT INTO audit (workspace_id, chain, seq, written_at, actor, actor_id, person_id, connection_id, rule, record_type, \
                 record_id, entry, action, object_type, object_id, object_version, flow, run_id, step, outcome, reason, commitments, prev, hash) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)",
                params![
                    &r.workspace,
                    CHAIN,
                    seq,
                    r.at,
                    r.actor.as_str(),
                    &r.actor_id,
                    &r.person,
                    &r.connection,
                    r.rule.map(actas_core::run::Rule::as_str),
                    r.record.as_ref().map(|(kind, _)| kind),
                    r.record.as_ref().map(|(_, id)| id),
                    &r.entry,
                    &r.action,
                    &r.object.kind,
                    &r.object.id,
                    &r.object.version,
                    &r.flow,
                    &r.run,
                    &r.step,
                    &r.outcome,
                    &r.reason,
                    r.commitments.to_string(),
                    hex::encode(r.prev),
                    hex::encode(r.hash)
                ],
                FORKED,
            )
            .in_bulk(&ADD_RECORDS),
        );
        if self.personal.is_empty() {
            return;
        }
        let mut params = params![&r.workspace, CHAIN, seq];
        for field in Field::ALL {
            let kept = self.personal.iter().find(|kept| kept.field == field);
            params.push(Value::from(kept.map(|kept| &kept.value)));
            params.push(Value::from(kept.map(|kept| hex::encode(kept.salt))));
        }
        all.push(
            Statement::one(
                "INSERT INTO audit_personal (workspace_id, chain, seq, actor, actor_salt, person, person_salt, account, account_salt, \
                 ip, ip_salt, agent, agent_salt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                params,
                FORKED,
            )
            .in_bulk(&ADD_PERSONAL),
        );
    }
}

/// Stores where a chain ends now. Its row is there: reading the head made it.
pub(crate) fn move_head(workspace: &WorkspaceId, head: &Head) -> Statement {
    Statement::one(
        "UPDATE audit_heads SET seq = $3, hash = $4 WHERE workspace_id = $1 AND chain = $2",
        params![
            workspace,
            CHAIN,
            i64::try_from(head.seq).unwrap_or(i64::MAX),
            hex::encode(head.hash)
        ],
        FORKED,
    )
    .in_bulk(&MOVE_HEADS)
}

/// Makes the head of a workspace that has none yet.
pub(crate) fn make_head(workspace: &WorkspaceId) -> Statement {
    Statement::any(
        "INSERT INTO audit_heads (workspace_id, chain, seq, hash) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        params![workspace, CHAIN, 0i64, hex::encode(GENESIS)],
    )
}

/// The head of a chain, on a database that only we write to.
pub(crate) const READ_HEAD: &str =
    "SELECT seq, hash FROM audit_heads WHERE workspace_id = $1 AND chain = 0";

/// The heads of several chains, held until the commit (PostgreSQL), in the same order everywhere.
pub(crate) const LOCK_HEADS: &str = "SELECT workspace_id, seq, hash FROM audit_heads WHERE workspace_id = ANY($1) AND chain = 0 ORDER BY workspace_id FOR UPDATE";

/// A head from its two columns.
pub(crate) fn head(seq: i64, hash: &str) -> Option<Head> {
    let mut bytes = GENESIS;
    hex::decode_to_slice(hash, &mut bytes).ok()?;
    Some(Head {
        seq: u64::try_from(seq).ok()?,
        hash: bytes,
    })
}

impl FromRow for Head {
    const WHAT: &'static str = "audit head";

    fn read(c: &mut Cells<'_>) -> Result<Self, ReadError> {
        let (seq, hash) = (c.int()?, c.text()?);
        head(seq, &hash).ok_or_else(|| c.bad("it is not a number and hex digits"))
    }
}

/// The columns of an entry, in the order in which it is read.
macro_rules! entry_columns {
    () => {
        "a.seq, a.workspace_id, a.written_at, a.actor, a.actor_id, a.person_id, a.connection_id, a.rule, a.record_type, a.record_id, a.entry, \
         a.action, a.object_type, a.object_id, a.object_version, a.flow, a.run_id, a.step, a.outcome, a.reason, a.commitments, a.prev, a.hash, \
         p.actor, p.actor_salt, p.person, p.person_salt, p.account, p.account_salt, p.ip, p.ip_salt, p.agent, p.agent_salt \
         FROM audit a LEFT JOIN audit_personal p ON p.workspace_id = a.workspace_id AND p.chain = a.chain AND p.seq = a.seq"
    };
}
pub(crate) use entry_columns;

impl FromRow for AuditEntry {
    const WHAT: &'static str = "audit record";

    fn read(c: &mut Cells<'_>) -> Result<Self, ReadError> {
        let seq = c.int()?;
        let record = Record {
            seq: u64::try_from(seq).map_err(|_| c.bad("its number is negative"))?,
            workspace: c.parsed()?,
            at: c.time()?,
            actor: {
                let kind = c.text()?;
                ActorKind::parse(&kind)
                    .ok_or_else(|| c.bad(format!("`{kind}` is no kind of actor")))?
            },
            actor_id: c.maybe_parsed()?,
            person: c.maybe_parsed()?,
            connection: c.maybe_parsed()?,
            rule: c.maybe_word()?,
            record: c.maybe_text()?.zip(c.maybe_text()?),
            entry: c.text()?,
            action: c.text()?,
            object: Object {
                kind: c.text()?,
                id: c.text()?,
                version: c.maybe_text()?,
            },
            flow: c.maybe_text()?,
            run: c.maybe_parsed()?,
            step: c.maybe_text()?,
            outcome: c.text()?,
            reason: c.maybe_text()?,
            commitments: c.parsed::<Commitments>()?,
            prev: c.digest()?,
            hash: c.digest()?,
        };
        let mut personal = Vec::new();
        for field in Field::ALL {
            let (value, salt) = (c.maybe_text()?, c.maybe_text()?);
            let Some(value) = value else { continue };
            // Without its salt a value cannot be checked: it is as wrong as another value would be.
            let mut kept = Personal {
                field,
                salt: Salt::default(),
                value,
            };
            if hex::decode_to_slice(salt.unwrap_or_default(), &mut kept.salt).is_err() {
                kept.salt = Salt::default();
            }
            personal.push(kept);
        }
        Ok(Self { record, personal })
    }
}
