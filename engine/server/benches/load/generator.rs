//! The load: clients that send a request, wait for its answer, check it and send the next, each on a connection of its own. Runs in its own
//! process, so that its processor time is not the server's. A request that is not answered with a succeeded run ends the measurement.

use std::cell::{Cell, RefCell};
use std::io::{self, Write as _};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::machine::now;

/// What the generator is told, on its command line as JSON.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Orders {
    /// `127.0.0.1:PORT`
    pub address: String,
    /// An API token.
    pub token: String,
    /// The flow to run.
    pub flow: String,
    /// How many steps a run of it has.
    pub steps: usize,
    /// How many at once.
    pub clients: usize,
    /// Milliseconds that do not count.
    pub warm_up: u64,
    /// Milliseconds that do.
    pub measured: u64,
}

/// What it found.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Findings {
    /// Runs that ended within the measured time.
    pub runs: usize,
    /// The measured time in seconds.
    pub seconds: f64,
    /// Half of them took less, in milliseconds.
    pub p50: f64,
    /// All but one in a hundred took less.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// A request of which nobody answers within this time is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bodies of answers are parsed and compared in full for every so many; the others are looked through.
const CLOSELY: u64 = 64;

/// What all clients share.
struct Shared {
    counting: Cell<bool>,
    over: Cell<bool>,
    micros: RefCell<Vec<u32>>,
    number: Cell<u64>,
}

/// Loads the server. Prints `begin` and `end` when the measured time does, then its findings as JSON.
///
/// # Errors
/// With the first answer that is not a succeeded run.
pub async fn load(orders: Orders) -> io::Result<()> {
    let shared = Rc::new(Shared {
        counting: Cell::new(false),
        over: Cell::new(false),
        micros: RefCell::new(Vec::with_capacity(1 << 20)),
        number: Cell::new(0),
    });
    let clients: Vec<_> = (0..orders.clients)
        .map(|_| tokio::task::spawn_local(client(orders.clone(), Rc::clone(&shared))))
        .collect();
    tokio::time::sleep(Duration::from_millis(orders.warm_up)).await;
    say("begin")?;
    let began = now();
    shared.counting.set(true);
    tokio::time::sleep(Duration::from_millis(orders.measured)).await;
    shared.counting.set(false);
    let seconds = began.elapsed().as_secs_f64();
    say("end")?;
    shared.over.set(true);
    for client in clients {
        client.await.map_err(io::Error::other)??;
    }
    let mut micros = shared.micros.take();
    micros.sort_unstable();
    let at = |part: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place among at most a few million numbers"
        )]
        let place = ((micros.len() as f64 - 1.0) * part).round() as usize;
        micros
            .get(place)
            .map_or(f64::NAN, |micros| f64::from(*micros) / 1e3)
    };
    let findings = Findings {
        runs: micros.len(),
        seconds,
        p50: at(0.5),
        p99: at(0.99),
        max: at(1.0),
    };
    say(&json!(findings).to_string())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

async fn client(orders: Orders, shared: Rc<Shared>) -> io::Result<()> {
    let mut stream = TcpStream::connect(&orders.address).await?;
    stream.set_nodelay(true)?;
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    while !shared.over.get() {
        let number = shared.number.get() + 1;
        shared.number.set(number);
        write_request(&mut request, &orders, number);
        let began = now();
        stream.write_all(&request).await?;
        let body = tokio::time::timeout(PATIENCE, read_answer(&mut stream, &mut answer))
            .await
            .map_err(|_| io::Error::other("no answer within 30 s"))??;
        let took = began.elapsed();
        if shared.counting.get() {
            let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            shared.micros.borrow_mut().push(micros);
        }
        check(&answer, body, number, orders.steps)?;
    }
    Ok(())
}

/// About 90 bytes of inputs, different every time.
fn write_request(into: &mut Vec<u8>, orders: &Orders, number: u64) {
    let body = format!(
        r#"{{"inputs":{{"customer":"Fabrikam {number:08}","amount":{amount},"note":"second line wanted in spring"}}}}"#,
        amount = 1000 + number % 9000
    );
    into.clear();
    // Writing to memory does not fail.
    let _ = write!(
        into,
        "POST /api/v1/flows/{} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nprefer: wait=10\r\n\
         content-type: application/json\r\nuser-agent: actas-load/1\r\ncontent-length: {}\r\n\r\n{body}",
        format_args!("{}/runs", orders.flow),
        orders.address,
        orders.token,
        body.len()
    );
}

/// Reads one answer into `answer`; where its body is.
async fn read_answer(
    stream: &mut TcpStream,
    answer: &mut Vec<u8>,
) -> io::Result<std::ops::Range<usize>> {
    answer.clear();
    let mut whole: Option<std::ops::Range<usize>> = None;
    loop {
        if let Some(body) = &whole
            && answer.len() >= body.end
        {
            return Ok(body.clone());
        }
        answer.reserve(16 * 1024);
        if stream.read_buf(answer).await? == 0 {
            return Err(io::Error::other("the server closed the connection"));
        }
        if whole.is_none() {
            whole = head(answer)?;
        }
    }
}

/// Where the body stands, as soon as the head is there.
fn head(answer: &[u8]) -> io::Result<Option<std::ops::Range<usize>>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let length = std::str::from_utf8(&answer[..end])
        .ok()
        .and_then(|head| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        })
        .ok_or_else(|| io::Error::other("an answer without a content-length"))?;
    Ok(Some(end + 4..end + 4 + length))
}

fn check(
    answer: &[u8],
    body: std::ops::Range<usize>,
    number: u64,
    steps_of: usize,
) -> io::Result<()> {
    let text = &answer[body];
    let found = |what: &[u8]| text.windows(what.len()).any(|part| part == what);
    let good = answer.starts_with(b"HTTP/1.1 200")
        && if number % CLOSELY == 1 {
            serde_json::from_slice::<Value>(text).is_ok_and(|run| {
                run["state"] == "succeeded"
                    && run["outputs"]["customer"].as_str()
                        == Some(&format!("FABRIKAM {number:08}/5"))
                    && run["steps"].as_object().is_some_and(|steps| {
                        steps.len() == steps_of
                            && steps.values().all(|step| step["state"] == "succeeded")
                    })
            })
        } else {
            found(b"\"state\":\"succeeded\"") && found(b"/5\"") && !found(b"\"error\":{")
        };
    if good {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "not a succeeded run: {}",
        String::from_utf8_lossy(answer)
    )))
}
