//! As much of PostgreSQL's wire protocol as tells when something is committed. Decides nothing, sends nothing.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
/// Larger than any message of a test.
const LARGEST: usize = 256 << 20;

/// The first message of a connection: it has no kind.
pub struct Start {
    pub bytes: Vec<u8>,
}

impl Start {
    pub fn asks_for_encryption(&self) -> bool {
        let code = self
            .bytes
            .get(4..8)
            .and_then(|code| code.try_into().ok())
            .map(u32::from_be_bytes);
        matches!(code, Some(SSL_REQUEST | GSS_REQUEST))
    }
}

pub fn read_start(from: &mut impl Read) -> io::Result<Start> {
    let mut bytes = vec![0; 4];
    from.read_exact(&mut bytes)?;
    read_rest(from, &mut bytes, 0)?;
    Ok(Start { bytes })
}

/// A whole message with kind and length; `None` at the end of the stream.
pub fn read_message(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; 5];
    match from.read(&mut bytes[..1])? {
        0 => return Ok(None),
        _ => from.read_exact(&mut bytes[1..])?,
    }
    read_rest(from, &mut bytes, 1)?;
    Ok(Some(bytes))
}

/// Reads what the length at `at` announces; the length counts itself.
fn read_rest(from: &mut impl Read, bytes: &mut Vec<u8>, at: usize) -> io::Result<()> {
    let length = bytes[at..at + 4]
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    if !(4..=LARGEST).contains(&length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message of impossible length",
        ));
    }
    let read = bytes.len();
    bytes.resize(at + length, 0);
    from.read_exact(&mut bytes[read..])
}

/// What a message of the client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// With it, what was done becomes durable.
    Commits,
    /// It ends a request; the server will answer "ready".
    Ends,
    /// Anything else.
    Other,
}

/// What is done with a message of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The client gets it.
    Pass,
    /// The client does not get it: it belongs to a commit whose answer is lost.
    Hold,
    /// It says that a commit is durable.
    Committed {
        /// Whether the client gets to know.
        told: bool,
    },
}

/// What a statement does to the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Begins,
    Commits,
    RollsBack,
    Writes,
    Reads,
}

/// What is known of a connection: its prepared statements, whether it is in a transaction, what it waits for.
#[derive(Debug, Default)]
pub struct Conversation {
    statements: HashMap<Vec<u8>, Effect>,
    portals: HashMap<Vec<u8>, Effect>,
    in_transaction: bool,
    /// Of what was executed since the last end of a request, whether some of it commits at the end.
    commits: bool,
    waiting: VecDeque<Waiting>,
    /// The server does not wait for the end of a request to say that it failed.
    failed_early: bool,
}

/// A request under way: from its last message to "ready".
#[derive(Debug)]
struct Waiting {
    commits: bool,
    lost: bool,
    failed: bool,
}

impl Conversation {
    /// Reads a message of the client.
    pub fn read_request(&mut self, message: &[u8]) -> Request {
        let mut body = &message[5..];
        match message[0] {
            b'Q' => {
                let text = text(&mut body);
                for statement in String::from_utf8_lossy(text)
                    .split(';')
                    .filter(|statement| !statement.trim().is_empty())
                {
                    self.execute(effect(statement));
                }
                return self.end();
            }
            b'P' => {
                let name = text(&mut body).to_vec();
                let effect = effect(&String::from_utf8_lossy(text(&mut body)));
                self.statements.insert(name, effect);
            }
            b'B' => {
                let portal = text(&mut body).to_vec();
                let effect = self
                    .statements
                    .get(text(&mut body))
                    .copied()
                    .unwrap_or(Effect::Reads);
                self.portals.insert(portal, effect);
            }
            b'E' => {
                let effect = self
                    .portals
                    .get(text(&mut body))
                    .copied()
                    .unwrap_or(Effect::Reads);
                self.execute(effect);
            }
            b'S' => return self.end(),
            _ => {}
        }
        Request::Other
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Begins => self.in_transaction = true,
            Effect::Commits => {
                self.commits |= self.in_transaction;
                self.in_transaction = false;
            }
            Effect::RollsBack => self.in_transaction = false,
            Effect::Writes => self.commits |= !self.in_transaction,
            Effect::Reads => {}
        }
    }

    fn end(&mut self) -> Request {
        if std::mem::take(&mut self.commits) {
            Request::Commits
        } else {
            Request::Ends
        }
    }

    /// Notes that a request is on its way.
    pub fn ask(&mut self, commits: bool, lost: bool) {
        self.waiting.push_back(Waiting {
            commits,
            lost,
            failed: std::mem::take(&mut self.failed_early),
        });
    }

    /// Reads a message of the server.
    pub fn read_answer(&mut self, message: &[u8]) -> Answer {
        let Some(waiting) = self.waiting.front_mut() else {
            self.failed_early |= message[0] == b'E';
            return Answer::Pass;
        };
        match message[0] {
            b'E' => waiting.failed = true,
            // The COMMIT of a failed transaction is answered "ROLLBACK".
            b'C' if message[5..].starts_with(b"ROLLBACK") => waiting.failed = true,
            b'Z' => {
                let Waiting {
                    commits,
                    lost,
                    failed,
                } = *waiting;
                // With nothing else under way, the server knows better whether a transaction is open.
                if self.waiting.len() == 1 {
                    self.in_transaction = message.get(5) != Some(&b'I');
                }
                self.waiting.pop_front();
                return match (commits && !failed, lost) {
                    (true, lost) => Answer::Committed { told: !lost },
                    (false, true) => Answer::Hold,
                    (false, false) => Answer::Pass,
                };
            }
            _ => {}
        }
        if waiting.lost {
            Answer::Hold
        } else {
            Answer::Pass
        }
    }
}

fn effect(statement: &str) -> Effect {
    let statement = statement.trim_start().to_ascii_lowercase();
    let mut words = statement
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty());
    match words.next().unwrap_or_default() {
        "begin" | "start" => Effect::Begins,
        "commit" | "end" => Effect::Commits,
        "rollback" | "abort" if words.next() == Some("to") => Effect::Reads,
        "rollback" | "abort" => Effect::RollsBack,
        "select" | "show" | "set" | "with" | "values" | "explain" | "declare" | "fetch"
        | "listen" | "unlisten" | "savepoint" | "release" => {
            // A common table expression may write, and so may a select with a lock.
            if words.any(|word| matches!(word, "insert" | "update" | "delete" | "merge")) {
                Effect::Writes
            } else {
                Effect::Reads
            }
        }
        "deallocate" | "discard" | "close" | "reset" => Effect::Reads,
        _ => Effect::Writes,
    }
}

/// Takes a text that ends with a zero byte.
fn text<'a>(body: &mut &'a [u8]) -> &'a [u8] {
    let end = body
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(body.len());
    let text = &body[..end];
    *body = body.get(end + 1..).unwrap_or_default();
    text
}
