//! Taking the log out: JSON Lines that prove themselves, or CSV for spreadsheets. Written while it is read: the whole log need not fit anywhere.

use std::collections::BTreeMap;

use actas_core::audit::export::{Because, EXPORT, EXPORTED, Exporter, Header, line};
use actas_core::audit::tree::{Block, Tree};
use actas_core::audit::{ERASED, Field};
use actas_core::ids::UserId;
use actas_store::read::AuditFilter;
use actas_store::{AuditEntry, Commit, Reader};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;

use crate::api::audit::Query;
use crate::call::Call;
use crate::context::Context;
use crate::log::{self, LogError};
use crate::problem::Problem;
use crate::routes::Answer;

/// How many records are written at once.
const BATCH: u32 = 500;

/// `GET /audit/export`
pub async fn export(cx: Context, call: Call) -> Answer {
    let query: Query = call.query()?;
    if query.limit.is_some() || query.cursor.is_some() {
        return Err(Problem::bad("bad_query", "an export is not cut into pages"));
    }
    let csv = match query.format.as_deref() {
        None | Some("jsonl") => false,
        Some("csv") => true,
        Some(other) => {
            return Err(Problem::bad(
                "bad_query",
                format!("there is no format `{other}`: take jsonl or csv"),
            ));
        }
    };
    let filter = query.filter(&cx).await?;
    // Nobody of that name: nothing fits, and that is proved as well.
    let nobody = || AuditFilter {
        upto: Some(0),
        ..AuditFilter::default()
    };
    let mut filter = filter.unwrap_or_else(nobody);
    let signer = cx.app.connections.log_signer(cx.workspace()).await;
    let key = signer.map_err(LogError::from)?.key();
    let (to, _) = cx.reader.audit_head().await?;
    filter.upto = filter.upto.or(Some(to));
    let count = cx.reader.audit_count(&filter).await?;
    let mut header = Header {
        format: EXPORT.to_owned(),
        workspace: cx.workspace().clone(),
        at: cx.now,
        exporter: Exporter {
            id: cx.user.id.clone(),
            login: cx.user.login.clone(),
        },
        query: query.said(),
        to,
        count,
        start: cx.reader.audit_start().await?.map(|row| row.start),
        checkpoint: String::new(),
        key: key.to_string(),
    };
    let mut draft = cx.audit(EXPORTED, "audit", if csv { "csv" } else { "jsonl" });
    draft.object.version = Some(header.digest());
    let commit = Commit {
        ops: Vec::new(),
        audit: vec![draft],
    };
    // Nothing leaves before it is recorded that it does.
    cx.app.store.commit(commit).await?;
    let signed = log::checkpoint(&cx.app, cx.workspace()).await?;
    header.checkpoint = signed.note;
    let body = if csv {
        Body::from_stream(csv_rows(cx.reader.clone(), filter))
    } else {
        let lines = Lines::new(cx.reader.clone(), header, filter, signed.edge.size()).await?;
        Body::from_stream(lines.stream())
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let (kind, name) = if csv {
        ("text/csv; charset=utf-8; header=present", "audit.csv")
    } else {
        ("application/jsonl; charset=utf-8", "audit.jsonl")
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = format!("attachment; filename=\"{name}\"");
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// What is still to be written.
enum Next {
    Header,
    Records(u64),
    Erasures,
    Export,
    End,
}

struct Lines {
    reader: Reader,
    header: Header,
    filter: AuditFilter,
    size: u64,
    /// Of an export that was narrowed.
    tree: Option<Tree>,
    block: Option<(u64, Block)>,
    /// For each person the last record with a value of theirs that is missing.
    missing: BTreeMap<UserId, u64>,
    next: Next,
}

impl Lines {
    async fn new(
        reader: Reader,
        header: Header,
        mut filter: AuditFilter,
        size: u64,
    ) -> Result<Self, Problem> {
        let tree = if header.is_full() {
            // A chain goes as far as its checkpoint.
            filter.upto = Some(size);
            None
        } else {
            Some(log::tree(&reader, size).await?)
        };
        Ok(Self {
            reader,
            header,
            filter,
            size,
            tree,
            block: None,
            missing: BTreeMap::new(),
            next: Next::Header,
        })
    }

    fn stream(self) -> impl futures::Stream<Item = Result<Bytes, Problem>> + use<> {
        stream::try_unfold(self, |mut lines| async move {
            Ok(lines.more().await?.map(|text| (Bytes::from(text), lines)))
        })
    }

    async fn more(&mut self) -> Result<Option<String>, Problem> {
        loop {
            let mut text = String::new();
            match self.next {
                Next::Header => {
                    text = serde_json::to_string(&self.header).map_err(Problem::internal)?;
                    text.push('\n');
                    self.next = Next::Records(0);
                }
                Next::Records(behind) => {
                    let batch = self
                        .reader
                        .audit_forward(&self.filter, behind, BATCH)
                        .await?;
                    for entry in &batch {
                        self.write(&mut text, entry, None).await?;
                        self.note_missing(entry);
                    }
                    self.next = match batch.last() {
                        Some(last) => Next::Records(last.record.seq),
                        None if self.tree.is_none() => Next::End,
                        None => Next::Erasures,
                    };
                }
                Next::Erasures => {
                    for entry in self.erasures().await? {
                        self.write(&mut text, &entry, Some(Because::Erasure))
                            .await?;
                    }
                    self.next = Next::Export;
                }
                Next::Export => {
                    let entry = self.own().await?;
                    self.write(&mut text, &entry, Some(Because::Export)).await?;
                    self.next = Next::End;
                }
                Next::End => return Ok(None),
            }
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
    }

    fn note_missing(&mut self, entry: &AuditEntry) {
        for field in Field::ALL {
            let committed = entry.record.commitments.0.contains_key(&field);
            let there = entry.personal.iter().any(|kept| kept.field == field);
            if committed
                && !there
                && let Some(whose) = entry.record.whose(field)
            {
                self.missing.insert(whose.clone(), entry.record.seq);
            }
        }
    }

    /// The records that account for what is missing. Their own personal values may have been erased later: then so is that.
    async fn erasures(&mut self) -> Result<Vec<AuditEntry>, Problem> {
        let (mut needed, mut found) = (BTreeMap::new(), Vec::new());
        std::mem::swap(&mut needed, &mut self.missing);
        if needed.is_empty() {
            return Ok(found);
        }
        let filter = AuditFilter {
            action: Some(ERASED.to_owned()),
            upto: Some(self.size),
            ..AuditFilter::default()
        };
        let mut behind = 0;
        loop {
            let batch = self.reader.audit_forward(&filter, behind, BATCH).await?;
            let Some(last) = batch.last() else { break };
            behind = last.record.seq;
            for entry in batch {
                let of = entry.record.erases();
                if of.is_some_and(|of| needed.get(&of).is_some_and(|seq| *seq < entry.record.seq)) {
                    needed.extend(self.missing_of(&entry));
                    found.push(entry);
                }
            }
        }
        Ok(found)
    }

    fn missing_of(&mut self, entry: &AuditEntry) -> BTreeMap<UserId, u64> {
        self.note_missing(entry);
        std::mem::take(&mut self.missing)
    }

    /// The record of this export.
    async fn own(&self) -> Result<AuditEntry, Problem> {
        let filter = AuditFilter {
            action: Some(EXPORTED.to_owned()),
            after: Some(self.header.to),
            upto: Some(self.size),
            ..AuditFilter::default()
        };
        let digest = Some(self.header.digest());
        let all = self.reader.audit_forward(&filter, 0, BATCH).await?;
        let own = all
            .into_iter()
            .find(|entry| entry.record.object.version == digest);
        own.ok_or_else(|| Problem::internal("the record of an export cannot be found"))
    }

    async fn write(
        &mut self,
        text: &mut String,
        entry: &AuditEntry,
        because: Option<Because>,
    ) -> Result<(), Problem> {
        let proof = match &self.tree {
            None => None,
            Some(tree) => {
                let index = entry.record.seq.saturating_sub(1);
                let (first, _) = Block::range(index);
                let known = self.block.take().filter(|(known, _)| *known == first);
                let block = match known {
                    Some((_, block)) => block,
                    None => log::block(&self.reader, index, self.size).await?,
                };
                let proof = tree.inclusion(&block, index);
                self.block = Some((first, block));
                Some(proof.ok_or_else(|| Problem::internal("a record has no proof"))?)
            }
        };
        let line = line(&entry.record, &entry.personal, proof.as_deref(), because);
        text.push_str(&line.to_string());
        text.push('\n');
        Ok(())
    }
}

/// The columns of a spreadsheet.
const COLUMNS: [&str; 27] = [
    "seq",
    "at",
    "actor_type",
    "actor_id",
    "actor",
    "person_id",
    "person",
    "action",
    "outcome",
    "reason",
    "flow",
    "run",
    "step",
    "connection",
    "account",
    "rule",
    "record_type",
    "record_id",
    "entry",
    "object_type",
    "object_id",
    "object_version",
    "ip",
    "agent",
    "erased",
    "prev",
    "hash",
];

fn csv_rows(
    reader: Reader,
    filter: AuditFilter,
) -> impl futures::Stream<Item = Result<Bytes, Problem>> + use<> {
    stream::try_unfold((reader, filter, None), |(reader, filter, at)| async move {
        let Some(behind) = at else {
            let head = Bytes::from(COLUMNS.join(",") + "\r\n");
            return Ok(Some((head, (reader, filter, Some(0)))));
        };
        let batch = reader.audit_forward(&filter, behind, BATCH).await?;
        let Some(last) = batch.last() else {
            return Ok(None);
        };
        let last = last.record.seq;
        let text: String = batch.iter().map(row).collect();
        Ok(Some((Bytes::from(text), (reader, filter, Some(last)))))
    })
}

fn row(entry: &AuditEntry) -> String {
    let view = actas_core::audit::view(&entry.record, &entry.personal);
    let cell = |name: &str| {
        let path = match name {
            "actor_type" => "/actor/type",
            "actor_id" => "/actor/id",
            "actor" => "/actor/login",
            "person_id" => "/person/id",
            "person" => "/person/login",
            "record_type" => "/record/type",
            "record_id" => "/record/id",
            "object_type" => "/object/type",
            "object_id" => "/object/id",
            "object_version" => "/object/version",
            other => return plain(view.get(other)),
        };
        plain(view.pointer(path))
    };
    let cells: Vec<String> = COLUMNS.iter().map(|name| harmless(&cell(name))).collect();
    cells.join(",") + "\r\n"
}

fn plain(value: Option<&serde_json::Value>) -> String {
    match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Array(all)) => {
            let all = all.iter().map(|one| plain(Some(one)));
            all.collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}

/// A cell of RFC 4180. What a spreadsheet would take for a formula is made a text by an apostrophe before it.
fn harmless(text: &str) -> String {
    let risky = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|', '%'])
        || text.starts_with(['\t', '\r', '\n']);
    let text = if risky {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\r', '\n']) || risky {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_calculate_is_a_text() {
        for (given, cell) in [
            ("ana", "ana"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            (" =cmd|' /C calc'!A0", "\"' =cmd|' /C calc'!A0\""),
            ("\t=1", "\"'\t=1\""),
            ("a\nb", "\"a\nb\""),
            ("", ""),
        ] {
            assert_eq!(harmless(given), cell);
        }
    }
}
