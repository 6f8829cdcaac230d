//! The audit log as a file of JSON Lines that proves itself: made by a server, checked by anybody with the public key alone.
//!
//! The first line is the [`Header`]: what was asked for, by whom, how many records there were, and a signed checkpoint that stands for all of
//! them. A full export holds every record up to the checkpoint and is a chain. One that was narrowed gives each record a proof that it is
//! among those the checkpoint stands for; behind them come the records that account for erased values, and the record of the export itself,
//! which holds a digest of the header, so that query and count are part of the log too. What was left out shows in the count alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::audit::note::{Checkpoint, LogKey, NoteError};
use crate::audit::personal::{Commitments, Field, Personal, Salt, hexed};
use crate::audit::record::{ActorKind, GENESIS, Record};
use crate::audit::tree::{Frontier, includes};
use crate::audit::verify::{Verifier, values_of};
use crate::audit::{Broken, Hash, Object, view};
use crate::ids::{ConnectionId, RunId, UserId, WorkspaceId};
use crate::run::Rule;
use crate::time::Time;

/// The format of the file.
pub const EXPORT: &str = "actas/audit-export/1";

/// The action of the record that every export leaves.
pub const EXPORTED: &str = "audit.exported";

/// Why a line that nobody asked for is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// It says that somebody was erased, whose values are missing before it.
    Erasure,
    /// It is the record of the export.
    Export,
}

/// Where a chain begins whose older records were let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The last record that was let go.
    pub seq: u64,
    /// Its hash.
    #[serde(with = "hexed")]
    pub hash: Hash,
    /// The edge of the tree up to it.
    pub edge: Frontier,
}

/// Who made an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exporter {
    /// Who.
    pub id: UserId,
    /// Their login then.
    pub login: String,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`EXPORT`].
    pub format: String,
    /// Whose log.
    pub workspace: WorkspaceId,
    /// When.
    pub at: Time,
    /// By whom.
    pub exporter: Exporter,
    /// What was asked for; empty: everything.
    pub query: Map<String, Value>,
    /// The last record that was looked at.
    pub to: u64,
    /// How many records up to there fit.
    pub count: u64,
    /// Where the log begins, if it does not begin with its first record any more.
    pub start: Option<Start>,
    /// A signed checkpoint behind all that is in the file.
    pub checkpoint: String,
    /// The public key it is signed with, as the server says: to be compared with one that is known.
    pub key: String,
}

impl Header {
    /// Whether it is of everything.
    pub fn is_full(&self) -> bool {
        self.query.is_empty()
    }

    /// What the record of the export holds of it.
    pub fn digest(&self) -> String {
        let said = json!([
            EXPORT,
            self.workspace,
            self.at,
            self.exporter.id,
            self.query,
            self.to,
            self.count
        ]);
        let bytes = serde_json_canonicalizer::to_vec(&said).unwrap_or_default();
        format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
    }
}

/// Why an export is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// A line that is none of ours.
    #[error("line {line} {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// The rest of the sentence.
        why: String,
    },
    /// A record that is not as it was written.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The checkpoint does not stand for it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is not whole.
    #[error("{0}")]
    Whole(String),
}

/// A record as a line: its view with what checks it. `proof` for exports that were narrowed.
pub fn line(
    record: &Record,
    personal: &[Personal],
    proof: Option<&[Hash]>,
    because: Option<Because>,
) -> Value {
    let mut line = view(record, personal);
    let salts: BTreeMap<&str, String> = personal
        .iter()
        .map(|kept| (kept.field.as_str(), hex::encode(kept.salt)))
        .collect();
    line["commitments"] = json!(record.commitments);
    line["salts"] = json!(salts);
    if let Some(proof) = proof {
        line["proof"] = proof.iter().map(hex::encode).collect();
    }
    if let Some(because) = because {
        line["because"] = json!(because);
    }
    line
}

#[derive(Deserialize)]
struct Named<K> {
    #[serde(rename = "type")]
    kind: Option<K>,
    id: Option<String>,
    login: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    seq: u64,
    at: Time,
    actor: Named<ActorKind>,
    person: Option<Named<String>>,
    connection: Option<ConnectionId>,
    account: Option<String>,
    rule: Option<Rule>,
    record: Option<Named<String>>,
    entry: String,
    action: String,
    object: Object,
    flow: Option<String>,
    run: Option<RunId>,
    step: Option<String>,
    outcome: String,
    reason: Option<String>,
    ip: Option<String>,
    agent: Option<String>,
    #[serde(with = "hexed")]
    prev: Hash,
    #[serde(with = "hexed")]
    hash: Hash,
    commitments: Commitments,
    salts: BTreeMap<Field, String>,
    proof: Option<Vec<String>>,
    because: Option<Because>,
}

/// A line, read.
struct Read {
    record: Record,
    personal: Vec<Personal>,
    proof: Option<Vec<Hash>>,
    because: Option<Because>,
}

fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}

fn read(text: &str, workspace: &WorkspaceId) -> Result<Read, String> {
    let unreadable = |e: serde_json::Error| format!("is no record: {e}");
    let given: Value = serde_json::from_str(text).map_err(unreadable)?;
    let row: Line = serde_json::from_str(text).map_err(unreadable)?;
    let id = |id: Option<String>| -> Result<Option<UserId>, String> {
        id.map(|id| {
            id.parse()
                .map_err(|_| format!("names `{id}`, which is no person"))
        })
        .transpose()
    };
    let (person, login) = match row.person {
        Some(person) => (id(person.id)?, person.login),
        None => (None, None),
    };
    let values = [
        (Field::Actor, row.actor.login),
        (Field::Person, login),
        (Field::Account, row.account),
        (Field::Ip, row.ip),
        (Field::Agent, row.agent),
    ];
    let mut personal = Vec::new();
    for (field, value) in values {
        let Some(value) = value else { continue };
        let salt = row.salts.get(&field).and_then(|digits| bytes(digits));
        let salt: Salt = salt.ok_or_else(|| format!("has no salt for `{}`", field.as_str()))?;
        personal.push(Personal { field, salt, value });
    }
    let proof = row.proof.map(|parts| {
        let parts = parts.iter().map(|part| bytes(part));
        parts.collect::<Option<Vec<Hash>>>()
    });
    let record = Record {
        workspace: workspace.clone(),
        seq: row.seq,
        at: row.at,
        actor: row.actor.kind.ok_or("does not say who did it")?,
        actor_id: id(row.actor.id)?,
        person,
        connection: row.connection,
        rule: row.rule,
        record: row.record.and_then(|record| record.kind.zip(record.id)),
        entry: row.entry,
        action: row.action,
        object: row.object,
        flow: row.flow,
        run: row.run,
        step: row.step,
        outcome: row.outcome,
        reason: row.reason,
        commitments: row.commitments,
        prev: row.prev,
        hash: row.hash,
    };
    let read = Read {
        record,
        personal,
        proof: match proof {
            Some(proof) => Some(proof.ok_or("has a proof that is none")?),
            None => None,
        },
        because: row.because,
    };
    // Whatever else stands there would look as if it were proved too.
    let again = line(
        &read.record,
        &read.personal,
        read.proof.as_deref(),
        read.because,
    );
    if again == given {
        Ok(read)
    } else {
        Err("holds something that is not part of its record".to_owned())
    }
}

/// What was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was asked for and by whom.
    pub header: Header,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// How many personal values were erased.
    pub erased: u64,
}

/// Checks an export, line by line.
#[derive(Debug)]
pub struct Check {
    header: Header,
    checkpoint: Checkpoint,
    lines: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Full(Box<Verifier>, Frontier),
    Narrowed(Narrowed),
}

#[derive(Debug, Default)]
struct Narrowed {
    count: u64,
    last: u64,
    erased: u64,
    exported: bool,
    /// For each person the last of their values that is missing, and the first, until a record accounts for it.
    owed: BTreeMap<UserId, (u64, (u64, Field))>,
}

impl Check {
    /// Reads the first line; the checkpoint must be signed with this key.
    ///
    /// # Errors
    /// If it is no export, or the checkpoint is not that key's.
    pub fn begin(first: &str, key: &LogKey) -> Result<Self, ExportError> {
        let header: Header = serde_json::from_str(first).map_err(|e| ExportError::Line {
            line: 1,
            why: format!("is not the beginning of an export: {e}"),
        })?;
        let whole = |why: &str| Err(ExportError::Whole(why.to_owned()));
        if header.format != EXPORT {
            return whole("the format of the export is not known: use a newer program");
        }
        let checkpoint = key.open(&header.checkpoint)?;
        if checkpoint.origin != crate::audit::note::origin(&header.workspace) {
            return whole("the export is of another workspace than its checkpoint");
        }
        let kind = if header.is_full() {
            let (seq, hash, edge) = match &header.start {
                Some(start) => (start.seq, start.hash, start.edge.clone()),
                None => (0, GENESIS, Frontier::default()),
            };
            if edge.size() != seq || !edge.is_sound() {
                return whole("where the log begins does not fit together");
            }
            let verifier = Verifier::behind_cut(header.workspace.clone(), seq, hash);
            Kind::Full(Box::new(verifier), edge)
        } else {
            Kind::Narrowed(Narrowed::default())
        };
        Ok(Self {
            header,
            checkpoint,
            lines: 1,
            kind,
        })
    }

    /// The checkpoint it is checked against.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Where the tree stands, in an export of everything.
    pub fn edge(&self) -> Option<&Frontier> {
        match &self.kind {
            Kind::Full(_, edge) => Some(edge),
            Kind::Narrowed(_) => None,
        }
    }

    /// Takes the next line; gives back the tree up to its record in an export of everything.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn push(&mut self, text: &str) -> Result<Option<&Frontier>, ExportError> {
        self.lines += 1;
        let line = self.lines;
        let read =
            read(text, &self.header.workspace).map_err(|why| ExportError::Line { line, why })?;
        match &mut self.kind {
            Kind::Full(verifier, edge) => {
                verifier.push(&read.record, &read.personal)?;
                edge.push(&read.record.hash);
                Ok(Some(edge))
            }
            Kind::Narrowed(narrowed) => {
                narrowed.push(&read, &self.header, &self.checkpoint)?;
                Ok(None)
            }
        }
    }

    /// Whether all of it was there.
    ///
    /// # Errors
    /// What is missing.
    pub fn end(self) -> Result<Checked, ExportError> {
        let (header, checkpoint) = (self.header, self.checkpoint);
        let erased = match &self.kind {
            Kind::Full(verifier, edge) => {
                let (seq, hash) = verifier.head();
                verifier.check_head(checkpoint.size.max(seq), hash)?;
                if edge.size() != checkpoint.size || edge.root() != checkpoint.root {
                    return Err(ExportError::Whole(format!(
                        "the {} records are not those that the checkpoint of {} stands for",
                        edge.size(),
                        checkpoint.size
                    )));
                }
                verifier.erased()
            }
            Kind::Narrowed(narrowed) => {
                narrowed.end(&header)?;
                narrowed.erased
            }
        };
        Ok(Checked {
            header,
            checkpoint,
            erased,
        })
    }
}

impl Narrowed {
    fn push(
        &mut self,
        read: &Read,
        header: &Header,
        checkpoint: &Checkpoint,
    ) -> Result<(), Broken> {
        let record = &read.record;
        let fault = |why: String| {
            Err(Broken {
                seq: record.seq,
                why,
            })
        };
        if record.computed_hash() != record.hash {
            return fault("was altered: its fields do not give its hash".to_owned());
        }
        let proof = read.proof.as_deref().unwrap_or_default();
        let at = record.seq.checked_sub(1);
        let (root, size) = (&checkpoint.root, checkpoint.size);
        if !at.is_some_and(|at| includes(root, size, at, &record.hash, proof)) {
            return fault(format!(
                "is not among the {size} that the checkpoint stands for: its proof does not show it"
            ));
        }
        let missing = match values_of(record, &read.personal) {
            Ok(missing) => missing,
            Err(why) => return fault(why),
        };
        for (field, whose) in missing {
            self.erased += 1;
            let owed = self.owed.entry(whose).or_insert((0, (record.seq, field)));
            owed.0 = record.seq;
        }
        match read.because {
            None if self.exported || record.seq <= self.last || record.seq > header.to => {
                return fault(
                    "does not stand where it should (the order changed, or it was inserted)"
                        .to_owned(),
                );
            }
            None => {
                (self.last, self.count) = (record.seq, self.count + 1);
                // One that was asked for accounts for what is missing before it as well.
                self.settle(record);
            }
            Some(Because::Erasure) => self.settle(record),
            Some(Because::Export) => {
                let theirs = record.person.as_ref() == Some(&header.exporter.id);
                let fits = record.object.version.as_deref() == Some(&header.digest());
                if record.action != EXPORTED || !theirs || !fits || self.exported {
                    return fault("is not the record of this export: what was asked for, how many records there were or who asked was changed".to_owned());
                }
                self.exported = true;
            }
        }
        Ok(())
    }

    fn settle(&mut self, record: &Record) {
        if let Some(user) = record.erases()
            && self
                .owed
                .get(&user)
                .is_some_and(|(last, _)| *last < record.seq)
        {
            self.owed.remove(&user);
        }
    }

    fn end(&self, header: &Header) -> Result<(), ExportError> {
        if self.count != header.count {
            return Err(ExportError::Whole(format!(
                "the export should hold {} records and holds {} (some were taken out or added)",
                header.count, self.count
            )));
        }
        if !self.exported {
            return Err(ExportError::Whole(
                "the record of the export itself is missing: its end was cut off".to_owned(),
            ));
        }
        let first = self.owed.values().map(|(_, first)| first).min();
        first.map_or(Ok(()), |(seq, field)| {
            Err(Broken {
                seq: *seq,
                why: format!(
                    "has lost its personal value `{}`, and no later record says that its person was erased (it was deleted)",
                    field.as_str()
                ),
            }
            .into())
        })
    }
}
