//! A linked record: its fields, its canonical bytes, its hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit::personal::{Commitments, Field, Personal, Salt, hexed};
use crate::audit::verify::{CUT, ERASED};
use crate::audit::{Actor, Draft, Hash, Object};
use crate::ids::{ConnectionId, RunId, UserId, WorkspaceId};
use crate::run::Rule;
use crate::time::Time;

/// The record format, and the domain of its hash.
pub const FORMAT: &str = "actas/audit/1";

/// What the first record of a chain links to.
pub const GENESIS: Hash = [0; 32];

/// No record's canonical bytes are longer.
pub const MAX_RECORD_BYTES: usize = 4096;

/// What kind of actor it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person.
    User,
    /// The command line on the embedded store.
    LocalOperator,
    /// The engine itself.
    Engine,
    /// What starts a flow without a person.
    Trigger,
    /// Somebody who was not logged in.
    Anonymous,
}

impl ActorKind {
    /// The name the store and answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::LocalOperator => "local_operator",
            Self::Engine => "engine",
            Self::Trigger => "trigger",
            Self::Anonymous => "anonymous",
        }
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::User,
            Self::LocalOperator,
            Self::Engine,
            Self::Trigger,
            Self::Anonymous,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }
}

/// One link of a workspace's chain, without any personal value: the row that is kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The chain.
    pub workspace: WorkspaceId,
    /// Its place in the chain, from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// What kind of actor.
    pub actor: ActorKind,
    /// Which user, if it was one.
    pub actor_id: Option<UserId>,
    /// For whom.
    pub person: Option<UserId>,
    /// Through which connection.
    pub connection: Option<ConnectionId>,
    /// The rule that chose it.
    pub rule: Option<Rule>,
    /// The app's record that was touched, `(type, id)`.
    pub record: Option<(String, String)>,
    /// The way in.
    pub entry: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub object: Object,
    /// In which flow.
    pub flow: Option<String>,
    /// In which run.
    pub run: Option<RunId>,
    /// In which step.
    pub step: Option<String>,
    /// With what outcome.
    pub outcome: String,
    /// Why.
    pub reason: Option<String>,
    /// Commitments to the personal values.
    pub commitments: Commitments,
    /// The hash of the record before.
    #[serde(with = "hexed")]
    pub prev: Hash,
    /// The hash of this one.
    #[serde(with = "hexed")]
    pub hash: Hash,
}

impl Record {
    /// What is hashed: the format's name and every field in a fixed order, each with a mark whether it is there and its length.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Canonical(Vec::with_capacity(768));
        out.text(FORMAT);
        out.text(self.workspace.as_str());
        out.bytes(&self.seq.to_be_bytes());
        out.bytes(&self.at.micros().to_be_bytes());
        out.text(self.actor.as_str());
        out.option(self.actor_id.as_ref().map(UserId::as_str));
        out.option(self.person.as_ref().map(UserId::as_str));
        out.option(self.connection.as_ref().map(ConnectionId::as_str));
        out.option(self.rule.map(Rule::as_str));
        out.option(self.record.as_ref().map(|(kind, _)| kind.as_str()));
        out.option(self.record.as_ref().map(|(_, id)| id.as_str()));
        out.text(&self.entry);
        out.text(&self.action);
        out.text(&self.object.kind);
        out.text(&self.object.id);
        out.option(self.object.version.as_deref());
        out.option(self.flow.as_deref());
        out.option(self.run.as_ref().map(RunId::as_str));
        out.option(self.step.as_deref());
        out.text(&self.outcome);
        out.option(self.reason.as_deref());
        for field in Field::ALL {
            match self.commitments.0.get(&field) {
                Some(hash) => out.bytes(hash),
                None => out.option(None),
            }
        }
        out.bytes(&self.prev);
        out.0
    }

    /// Whose a personal value of it is, so that it goes when they are erased: where it came from belongs to who did it, the account to whom it
    /// was done for; where there is only one of the two, all of it is theirs. Of somebody who was not recognised, nobody's.
    pub fn whose(&self, field: Field) -> Option<&UserId> {
        let (actor, person) = (self.actor_id.as_ref(), self.person.as_ref());
        match field {
            Field::Actor => actor,
            Field::Person => person,
            Field::Account => person.or(actor),
            Field::Ip | Field::Agent => actor.or(person),
        }
    }

    /// The person of whom it says that what was personal of them is gone from every record before it.
    pub fn erases(&self) -> Option<UserId> {
        let meant = self.action == ERASED && self.object.kind == "user" && self.outcome == "ok";
        meant.then(|| self.object.id.parse().ok()).flatten()
    }

    /// The last record that it says was let go, with its hash.
    pub fn cuts(&self) -> Option<(u64, Hash)> {
        let meant = self.action == CUT && self.object.kind == "audit" && self.outcome == "ok";
        let mut hash = GENESIS;
        hex::decode_to_slice(self.object.version.as_ref().filter(|_| meant)?, &mut hash).ok()?;
        Some((self.object.id.parse().ok()?, hash))
    }

    /// SHA-256 of the canonical bytes: what `hash` must be.
    pub fn computed_hash(&self) -> Hash {
        Sha256::digest(self.canonical()).into()
    }
}

struct Canonical(Vec<u8>);

impl Canonical {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.push(1);
        // A usize always fits into eight bytes.
        self.0
            .extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn option(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.push(0),
        }
    }
}

// The longest that a text from outside may be, in bytes. Together with ids and framing they stay below `MAX_RECORD_BYTES`.
const LONG: usize = 512;
const MIDDLE: usize = 256;
const SHORT: usize = 96;

/// Shortens rather than refuses: an act that could not be recorded could not be done either.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// Makes a draft the record number `seq` after the one whose hash is `prev` ([`GENESIS`] for the first), and gives apart from it the
/// personal values for the side table. `salt` gives fresh random bytes each time it is called. Texts too long for a record are
/// shortened and end in `…`.
pub fn link(
    draft: &Draft,
    seq: u64,
    prev: Hash,
    salt: &mut dyn FnMut() -> Salt,
) -> (Record, Vec<Personal>) {
    let (actor, actor_id, login) = match &draft.actor {
        Actor::User { id, login } => (ActorKind::User, Some(id.clone()), Some(login)),
        Actor::LocalOperator => (ActorKind::LocalOperator, None, None),
        Actor::Engine => (ActorKind::Engine, None, None),
        Actor::Trigger => (ActorKind::Trigger, None, None),
        Actor::Anonymous => (ActorKind::Anonymous, None, None),
    };
    let personal: Vec<Personal> = [
        (Field::Actor, login),
        (Field::Person, draft.person.as_ref().map(|(_, login)| login)),
        (Field::Account, draft.account.as_ref()),
        (Field::Ip, draft.ip.as_ref()),
        (Field::Agent, draft.agent.as_ref()),
    ]
    .into_iter()
    .filter_map(|(field, value)| {
        Some(Personal {
            field,
            salt: salt(),
            value: cut(value?, MIDDLE),
        })
    })
    .collect();
    let commitments: BTreeMap<Field, Hash> = personal
        .iter()
        .map(|kept| (kept.field, kept.commitment()))
        .collect();
    let short = |text: &String| cut(text, SHORT);
    let mut record = Record {
        workspace: draft.workspace.clone(),
        seq,
        at: draft.at,
        actor,
        actor_id,
        person: draft.person.as_ref().map(|(id, _)| id.clone()),
        connection: draft.connection.clone(),
        rule: draft.rule,
        record: draft
            .record
            .as_ref()
            .map(|(kind, id)| (cut(kind, SHORT), cut(id, MIDDLE))),
        entry: short(&draft.entry),
        action: short(&draft.action),
        object: Object {
            kind: short(&draft.object.kind),
            id: cut(&draft.object.id, MIDDLE),
            version: draft.object.version.as_ref().map(short),
        },
        flow: draft.flow.as_ref().map(short),
        run: draft.run.clone(),
        step: draft.step.as_ref().map(|step| cut(step, LONG)),
        outcome: short(&draft.outcome),
        reason: draft.reason.as_ref().map(short),
        commitments: Commitments(commitments),
        prev,
        hash: GENESIS,
    };
    record.hash = record.computed_hash();
    (record, personal)
}
