//! The command line's side of the API: the same routes that programs use, over the data directory's socket or over HTTP with a token.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::exit::Failed;

/// A way to a server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    user: Option<String>,
}

/// An answer that was not an error.
#[derive(Debug)]
pub struct Answer {
    /// 200, 201, 202 or 204.
    pub status: u16,
    /// The body, `null` if there is none.
    pub body: Value,
    /// The `ETag`, if there is one.
    pub etag: Option<String>,
}

impl Client {
    /// Speaks to a server over its socket; who may open the socket is the local operator.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn over_socket(socket: &Path, user: Option<String>) -> Result<Self, Failed> {
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .no_proxy()
            .build()
            .map_err(|e| Failed::Unavailable(format!("socket {} cannot be used: {e}", socket.display())))?;
        Ok(Self { http, base: "http://localhost".into(), token: None, user })
    }

    /// Speaks to a server over HTTP with a token.
    ///
    /// # Errors
    /// If no token is given, or no client can be made.
    pub fn over_http(server: &str, token: Option<String>) -> Result<Self, Failed> {
        let token = token.ok_or_else(|| {
            Failed::Usage("--server needs a token: make one with `actas tokens add NAME` there and put it in ACTAS_TOKEN".into())
        })?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .build()
            .map_err(|e| Failed::Unavailable(format!("no connection can be made: {e}")))?;
        Ok(Self { http, base: server.trim_end_matches('/').to_owned(), token: Some(token), user: None })
    }

    /// Whether somebody answers.
    pub async fn is_alive(&self) -> bool {
        let asked = self.http.get(format!("{}/healthz", self.base)).timeout(Duration::from_secs(2)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// GET.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn get(&self, path: &str) -> Result<Value, Failed> {
        Ok(self.send(Method::GET, path, None, &[]).await?.body)
    }

    /// POST with a JSON body.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        Ok(self.send(Method::POST, path, Some(Body::Json(body)), &[]).await?.body)
    }

    /// DELETE.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn delete(&self, path: &str) -> Result<Value, Failed> {
        Ok(self.send(Method::DELETE, path, None, &[]).await?.body)
    }

    /// Any request.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn send(&self, method: Method, path: &str, body: Option<Body<'_>>, headers: &[(&str, &str)]) -> Result<Answer, Failed> {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request = match body {
            Some(Body::Json(value)) => request.json(value),
            Some(Body::Yaml(text)) => request.header("content-type", "application/yaml").body(text.to_owned()),
            None => request,
        };
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        let etag = answer.headers().get("etag").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let text = answer.text().await.map_err(|e| self.unreachable(&e))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() { Ok(Answer { status: status.as_u16(), body, etag }) } else { Err(problem(status, &body)) }
    }

    /// The server-sent events of a path: the data of each, as JSON.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn events(&self, path: &str) -> Result<impl futures::Stream<Item = Value> + Unpin + use<>, Failed> {
        let answer = self
            .request(Method::GET, path)
            .header("accept", "text/event-stream")
            .send()
            .await
            .map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            return Err(problem(status, &serde_json::from_str(&text).unwrap_or(Value::String(text))));
        }
        let chunks = answer.bytes_stream();
        let events = futures::stream::unfold((chunks, String::new()), |(mut chunks, mut held)| async move {
            loop {
                if let Some(end) = held.find("\n\n") {
                    let block: String = held.drain(..end + 2).collect();
                    let data: String = block.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
                    if let Ok(value) = serde_json::from_str::<Value>(&data) {
                        return Some((value, (chunks, held)));
                    }
                    continue;
                }
                let chunk = chunks.next().await?.ok()?;
                held.push_str(&String::from_utf8_lossy(&chunk));
            }
        });
        Ok(Box::pin(events))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(user) = &self.user {
            request = request.header("actas-as", user);
        }
        request
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failed {
        Failed::Unavailable(format!("{} does not answer: {}", self.base, innermost(error)))
    }
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// JSON.
    Json(&'a Value),
    /// A flow as it was written.
    Yaml(&'a str),
}

/// One part of a path, encoded.
pub fn part(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The cause that says most; the outer ones only say that something failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// A problem document (RFC 9457) as a failed command.
fn problem(status: StatusCode, body: &Value) -> Failed {
    let said = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut text = if said("detail").is_empty() { said("title") } else { said("detail") };
    if text.is_empty() {
        text = format!("the server answered {status}");
    }
    for fault in body.get("faults").and_then(Value::as_array).into_iter().flatten() {
        let place = fault.get("path").or_else(|| fault.get("field")).and_then(Value::as_str).unwrap_or_default();
        let message = fault.get("message").and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!("\n  {place}: {message}"));
    }
    if !said("help").is_empty() {
        text.push_str(&format!("\n  help: {}", said("help")));
    }
    match status.as_u16() {
        401 | 403 => Failed::Refused(text),
        400 | 404 | 409 | 410 | 412 | 422 | 428 => Failed::Fault(text),
        _ => Failed::Unavailable(text),
    }
}
