//! The long loop: one run with very many items, its time and the server's memory. Must not be busy itself while it waits.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::flows::{ITEMS, LONG};
use crate::machine::{memory, now, peak, sleep};
use crate::product::Place;

/// It takes no longer than this, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(900);

/// Runs it once and prints its line.
///
/// # Errors
/// If it does not succeed in time.
pub fn measure(store: &str, place: &Place, server: u32) -> io::Result<()> {
    let before = memory(server).map_or(f64::NAN, |(resident, _)| resident);
    let items: Vec<usize> = (0..ITEMS).collect();
    let began = now();
    let body = json!({"inputs": {"items": items}}).to_string();
    let run = ask(place, "POST", &format!("/api/v1/flows/{LONG}/runs"), &body)?;
    let id = run["run"].as_str().unwrap_or_default().to_owned();
    let path = "/api/v1/runs?state=running&limit=1";
    loop {
        sleep(Duration::from_millis(200));
        let running = ask(place, "GET", path, "")?;
        if running["runs"].as_array().is_none_or(Vec::is_empty) {
            let run = ask(place, "GET", &format!("/api/v1/runs/{id}"), "")?;
            if run["state"] == "succeeded" && run["outputs"]["count"] == ITEMS {
                break;
            }
            if !matches!(run["state"].as_str(), Some("running" | "waiting")) {
                return Err(io::Error::other(format!(
                    "not a succeeded run: {}",
                    run["error"]
                )));
            }
        }
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other("the long loop has no end within its time"));
        }
    }
    println!(
        "E    {store:<10} {ITEMS} items in {:.1} s; resident before {before:.0} MiB, at most {:.0} MiB",
        began.elapsed().as_secs_f64(),
        peak(server).unwrap_or(f64::NAN)
    );
    Ok(())
}

/// One request on a connection of its own.
fn ask(place: &Place, method: &str, path: &str, body: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect(&place.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        place.address,
        place.token,
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    if !head.starts_with("HTTP/1.1 2") {
        return Err(io::Error::other(format!("{method} {path}: {text}")));
    }
    serde_json::from_str(body).map_err(io::Error::other)
}
