//! Proofs of the audit log, checked here: exports and checkpoints, with nothing but the file and the public key. Must not take a server's word for
//! anything.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use actas_core::audit::export::{Check, Checked};
use actas_core::audit::note::{Checkpoint, LogKey, notes};
use actas_core::audit::tree::Frontier;
use serde_json::{Value, json};

use crate::args::VerifyArgs;
use crate::client::Client;
use crate::exit::{Done, Failed};
use crate::output::{Output, cell};

fn unreadable(file: &Path, error: &std::io::Error) -> Failed {
    Failed::Usage(format!("{} cannot be read: {error}", file.display()))
}

/// A key as it is, or in a file.
fn key(text: &str) -> Result<LogKey, Failed> {
    let text = match std::fs::read_to_string(text) {
        Ok(held) => held,
        Err(_) => text.to_owned(),
    };
    let parsed = text.trim().parse::<LogKey>();
    parsed.map_err(|error| Failed::Usage(error.to_string()))
}

fn bad(error: impl std::fmt::Display) -> Failed {
    Failed::Fault(format!("audit {error}"))
}

/// `audit verify --export FILE --key KEY`
///
/// # Errors
/// Exit 1 with the first thing that is wrong.
pub fn of_export(args: &VerifyArgs, output: Output) -> Done {
    let (Some(file), Some(given)) = (&args.export, &args.key) else {
        return Err(Failed::Usage("an export is checked with --key".to_owned()));
    };
    let key = key(given)?;
    let mut known = match &args.checkpoint {
        Some(file) => Known::read(file, &key)?,
        None => Known::default(),
    };
    let opened = File::open(file).map_err(|e| unreadable(file, &e))?;
    let mut check = None;
    for line in BufReader::new(opened).lines() {
        let line = line.map_err(|e| unreadable(file, &e))?;
        take(&mut check, &mut known, &key, &line)?;
    }
    let check = check.ok_or_else(|| bad(format!("export {} is empty", file.display())))?;
    if args.checkpoint.is_some() && !known.walked {
        return Err(Failed::Usage(
            "only an export of the whole log can be compared with other checkpoints".to_owned(),
        ));
    }
    let checked = check.end().map_err(bad)?;
    known.end()?;
    said(&checked, &known, output)
}

fn take(
    check: &mut Option<Check>,
    known: &mut Known,
    key: &LogKey,
    line: &str,
) -> Result<(), Failed> {
    match check {
        None => {
            let begun = Check::begin(line, key).map_err(bad)?;
            known.begin(&begun)?;
            *check = Some(begun);
            Ok(())
        }
        Some(check) => match check.push(line).map_err(bad)? {
            Some(edge) => known.compare(edge),
            None => Ok(()),
        },
    }
}

/// `audit verify --checkpoint FILE [--key KEY]`: the log is read anew, in full, and checked here.
///
/// # Errors
/// Exit 1 with the first thing that is wrong.
pub async fn of_checkpoints(
    client: &Client,
    args: &VerifyArgs,
    file: &Path,
    output: Output,
) -> Done {
    let key = match &args.key {
        Some(given) => key(given)?,
        None => {
            let known = client.get("/api/v1/audit/key").await?;
            output.say("the key is the one the server says: give the one you know with --key to rely on nobody");
            key(&cell(&known, "key"))?
        }
    };
    let mut known = Known::read(file, &key)?;
    let (mut check, mut held) = (None, Vec::new());
    client
        .pieces("/api/v1/audit/export?format=jsonl", |chunk| {
            held.extend_from_slice(chunk);
            while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = held.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]).into_owned();
                take(&mut check, &mut known, &key, &line)?;
            }
            Ok(())
        })
        .await?;
    let check = check.ok_or_else(|| bad("log could not be read: the answer was empty"))?;
    let checked = check.end().map_err(bad)?;
    known.end()?;
    said(&checked, &known, output)
}

fn said(checked: &Checked, known: &Known, output: Output) -> Done {
    let header = &checked.header;
    let verdict = json!({
        "ok": true, "full": header.is_full(), "workspace": header.workspace, "exporter": header.exporter, "at": header.at,
        "query": header.query, "records": header.count, "erased": checked.erased,
        "checkpoint": {"origin": checked.checkpoint.origin, "size": checked.checkpoint.size}, "checkpoints": known.count,
    });
    output.data(&verdict, |v| {
        let what = if header.is_full() {
            let first = header.start.as_ref().map_or(1, |start| start.seq + 1);
            format!("the whole log, records {first} to {}, is as it was signed", checked.checkpoint.size)
        } else {
            format!(
                "each of the {} records is in the log that was signed with {} records; what was asked for: {}",
                header.count,
                checked.checkpoint.size,
                Value::Object(header.query.clone())
            )
        };
        let by = format!("taken out by {} at {}", header.exporter.login, cell(v, "at"));
        let against = match known.count {
            0 => String::new(),
            count => format!("\nit only grew since each of the {count} checkpoints that were given"),
        };
        format!("{what}\n{by}{against}")
    })
}

#[cfg(test)]
mod tests;

/// Checkpoints that somebody kept.
#[derive(Debug, Default)]
struct Known {
    /// By size.
    all: Vec<Checkpoint>,
    next: usize,
    count: usize,
    /// The size up to which all was as it should be.
    good: u64,
    walked: bool,
}

impl Known {
    fn read(file: &Path, key: &LogKey) -> Result<Self, Failed> {
        let text = std::fs::read_to_string(file).map_err(|e| unreadable(file, &e))?;
        let opened = notes(&text).into_iter().map(|note| key.open(&note));
        let mut all = opened.collect::<Result<Vec<_>, _>>().map_err(bad)?;
        if all.is_empty() {
            return Err(Failed::Usage(format!(
                "{} holds no checkpoint",
                file.display()
            )));
        }
        all.sort_by_key(|checkpoint| checkpoint.size);
        Ok(Self {
            count: all.len(),
            all,
            ..Self::default()
        })
    }

    fn begin(&mut self, check: &Check) -> Result<(), Failed> {
        let Some(last) = self.all.last() else {
            return Ok(());
        };
        let now = check.checkpoint().size;
        if last.size > now {
            return Err(bad(format!(
                "record {} is missing: the log has {now} records, and a checkpoint was signed when it had {} (its end was cut off, or an older state of it was restored)",
                now + 1,
                last.size
            )));
        }
        let Some(begins) = check.edge().cloned() else {
            return Ok(());
        };
        // Of what was let go only the edge is known.
        self.good = begins.size();
        while self
            .all
            .get(self.next)
            .is_some_and(|known| known.size < begins.size())
        {
            self.next += 1;
        }
        self.compare(&begins)
    }

    fn compare(&mut self, edge: &Frontier) -> Result<(), Failed> {
        self.walked = true;
        while let Some(known) = self
            .all
            .get(self.next)
            .filter(|known| known.size == edge.size())
        {
            if known.root != edge.root() {
                return Err(bad(format!(
                    "records {} to {} are not all those that were signed in the checkpoint of {} (the log was rewritten or goes another way since)",
                    self.good + 1,
                    known.size,
                    known.size
                )));
            }
            self.good = known.size;
            self.next += 1;
        }
        Ok(())
    }

    fn end(&self) -> Result<(), Failed> {
        match self.all.get(self.next) {
            Some(left) if self.walked => Err(bad(format!(
                "record {} is missing: a checkpoint was signed when there were {}",
                self.good + 1,
                left.size
            ))),
            _ => Ok(()),
        }
    }
}
