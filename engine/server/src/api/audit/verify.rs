//! Whether the log is as it was written: the chain, what is missing from it, and the last signed checkpoint.

use actas_core::Time;
use actas_core::audit::tree::Frontier;
use actas_core::audit::{Broken, Hash, Verifier};
use actas_store::Commit;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::ok;
use crate::call::Call;
use crate::context::{Context, Fill};
use crate::log;
use crate::problem::Problem;
use crate::routes::Answer;

/// How many records are read at once while verifying.
const BATCH: u32 = 1_000;

/// `GET /audit/verify`: walks the whole chain and compares its end with the head that is kept apart, and the tree over it with the last signed
/// checkpoint; names the first record that is not as it was written, or that is missing. That somebody looked is recorded.
pub async fn verify(cx: Context, _call: Call) -> Answer {
    let (count, found) = walk(&cx).await?;
    let (outcome, verdict) = match found {
        Ok(whole) => (
            cx.audit("audit.verified", "audit", whole.head.0.to_string()),
            json!({
                "ok": true, "records": count, "begins_behind": whole.begins, "erased": whole.erased,
                "head": {"seq": whole.head.0, "hash": hex::encode(whole.head.1)},
                "checkpoint": whole.checkpoint, "broken": null,
            }),
        ),
        Err(broken) => {
            tracing::error!(workspace = %cx.workspace(), %broken, "audit log is not as it was written");
            let draft = cx.audit("audit.verified", "audit", broken.seq.to_string());
            (failed(draft), broken_at(&broken, count))
        }
    };
    let commit = Commit {
        ops: Vec::new(),
        audit: vec![outcome],
    };
    cx.app.store.commit(commit).await?;
    Ok(ok(&verdict))
}

fn failed(draft: actas_core::audit::Draft) -> actas_core::audit::Draft {
    let mut draft = draft.refused("broken");
    draft.outcome = "failed".into();
    draft
}

struct Whole {
    begins: u64,
    head: (u64, Hash),
    erased: u64,
    checkpoint: Option<u64>,
}

async fn walk(cx: &Context) -> Result<(u64, Result<Whole, Broken>), Problem> {
    let start = cx.reader.audit_start().await?.map(|row| row.start);
    let workspace = cx.workspace().clone();
    let (begins, mut edge, mut verifier) = match start {
        Some(start) => {
            let verifier = Verifier::behind_cut(workspace, start.seq, start.hash);
            (start.seq, start.edge, verifier)
        }
        None => (0, Frontier::default(), Verifier::new(workspace)),
    };
    let signed = cx.reader.audit_checkpoint(Time(i64::MAX)).await?;
    let signed = signed.map(|row| (row.edge.size(), row.edge.root()));
    let mut next = begins + 1;
    loop {
        // The head is read first: records that are appended meanwhile come with the next batch.
        let (seq, hash) = cx.reader.audit_head().await?;
        let from = i64::try_from(next).unwrap_or(i64::MAX);
        let batch = cx.reader.audit_from(from, BATCH).await?;
        for entry in &batch {
            if let Err(broken) = verifier.push(&entry.record, &entry.personal) {
                return Ok((edge.size() - begins, Err(broken)));
            }
            edge.push(&entry.record.hash);
            if let Some((size, root)) = signed
                && edge.size() == size
                && edge.root() != root
            {
                return Ok((edge.size() - begins, Err(replaced(size))));
            }
            next = entry.record.seq + 1;
        }
        if !batch.is_empty() {
            continue;
        }
        let whole = verifier.check_head(seq, hash).and_then(|()| match signed {
            Some((size, _)) if size > edge.size() => Err(replaced(size)),
            _ => Ok(Whole {
                begins,
                head: (seq, hash),
                erased: verifier.erased(),
                checkpoint: signed.map(|(size, _)| size),
            }),
        });
        return Ok((edge.size() - begins, whole));
    }
}

fn replaced(size: u64) -> Broken {
    Broken {
        seq: size,
        why: "or one before it is not the one that was signed in the checkpoint of that size (the log was rewritten)".to_owned(),
    }
}

fn broken_at(broken: &Broken, count: u64) -> Value {
    json!({
        "ok": false, "records": count,
        "broken": {"seq": broken.seq, "why": broken.why, "message": broken.to_string()},
    })
}

/// `GET /audit/key`: what the checkpoints of this log are checked with.
pub async fn key(cx: Context, _call: Call) -> Answer {
    let signer = cx.app.connections.log_signer(cx.workspace()).await;
    let key = signer.map_err(log::LogError::from)?.key();
    Ok(ok(&json!({"origin": key.name(), "key": key.to_string()})))
}

/// `GET /audit/checkpoint`: signs the log as it stands now; with `from`, also a proof that it only grew since it had as many records.
pub async fn consistency(cx: Context, call: Call) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        from: Option<u64>,
    }
    let query: Query = call.query()?;
    let row = log::checkpoint(&cx.app, cx.workspace()).await?;
    let size = row.edge.size();
    let mut proof = None;
    if let Some(from) = query.from {
        let unknown = || {
            Problem::invalid(
                "no_such_size",
                format!("a proof goes from a size that the log had and still knows to {size}"),
            )
        };
        if from == 0 || from > size {
            return Err(unknown());
        }
        let tree = log::tree(&cx.reader, size).await?;
        let block = log::block(&cx.reader, from - 1, size).await?;
        let parts = tree.consistency(&block, from).ok_or_else(unknown)?;
        proof = Some(parts.iter().map(hex::encode).collect::<Vec<_>>());
    }
    Ok(ok(
        &json!({"size": size, "checkpoint": row.note, "from": query.from, "proof": proof}),
    ))
}
