//! The command line's side of the API: the same routes that programs use, over the data directory's socket or over HTTP with a token.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;

use crate::exit::Failed;
use crate::output::clean;

/// A way to a server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    user: Option<String>,
    workspace: Option<String>,
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
        let http = builder()
            .unix_socket(socket)
            .no_proxy()
            .build()
            .map_err(|e| {
                Failed::Unavailable(format!("socket {} cannot be used: {e}", socket.display()))
            })?;
        Ok(Self {
            http,
            base: "http://localhost".into(),
            token: None,
            user,
            workspace: None,
        })
    }

    /// The same in a workspace that is named; over a socket alone.
    #[must_use]
    pub fn in_workspace(mut self, workspace: Option<String>) -> Self {
        self.workspace = workspace;
        self
    }

    /// Speaks to a server over HTTP with a token.
    ///
    /// # Errors
    /// If no token is given, or no client can be made.
    pub fn over_http(server: &str, token: Option<String>) -> Result<Self, Failed> {
        let token = token.ok_or_else(|| {
            Failed::Usage("--server needs a token: make one with `actas tokens add NAME` there and put it in ACTAS_TOKEN".into())
        })?;
        let http = builder()
            .connect_timeout(Duration::from_secs(10))
            .build()
            .map_err(|e| Failed::Unavailable(format!("no connection can be made: {e}")))?;
        Ok(Self {
            http,
            base: server.trim_end_matches('/').to_owned(),
            token: Some(token),
            user: None,
            workspace: None,
        })
    }

    /// Whether somebody answers.
    pub async fn is_alive(&self) -> bool {
        let asked = self
            .http
            .get(format!("{}/healthz", self.base))
            .timeout(Duration::from_secs(2))
            .send()
            .await;
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
        Ok(self
            .send(Method::POST, path, Some(Body::Json(body)), &[])
            .await?
            .body)
    }

    /// DELETE.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn delete(&self, path: &str) -> Result<Value, Failed> {
        Ok(self.send(Method::DELETE, path, None, &[]).await?.body)
    }

    /// PUT with a JSON body.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        Ok(self
            .send(Method::PUT, path, Some(Body::Json(body)), &[])
            .await?
            .body)
    }

    /// Any request.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Body<'_>>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failed> {
        Ok(self.ask(method, path, body, headers).await??)
    }

    /// Any request, for a caller who wants to know why it was refused.
    ///
    /// # Errors
    /// If no answer came at all.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Body<'_>>,
        headers: &[(&str, &str)],
    ) -> Result<Result<Answer, Refusal>, Failed> {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request = match body {
            Some(Body::Json(value)) => request.json(value),
            Some(Body::Yaml(text)) => request
                .header("content-type", "application/yaml")
                .body(text.to_owned()),
            None => request,
        };
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        let etag = answer
            .headers()
            .get("etag")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let text = answer.text().await.map_err(|e| self.unreachable(&e))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(if status.is_success() {
            Ok(Answer {
                status: status.as_u16(),
                body,
                etag,
            })
        } else {
            Err(Refusal {
                status: status.as_u16(),
                problem: body,
            })
        })
    }

    /// The server-sent events of a path: the data of each, as JSON.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for.
    pub async fn events(
        &self,
        path: &str,
    ) -> Result<impl futures::Stream<Item = Value> + Unpin + use<>, Failed> {
        let answer = self
            .request(Method::GET, path)
            .header("accept", "text/event-stream")
            .send()
            .await
            .map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            let problem = serde_json::from_str(&text).unwrap_or(Value::String(text));
            return Err(Refusal {
                status: status.as_u16(),
                problem,
            }
            .into());
        }
        let chunks = answer.bytes_stream();
        let events = futures::stream::unfold(
            (chunks, String::new()),
            |(mut chunks, mut held)| async move {
                loop {
                    if let Some(end) = held.find("\n\n") {
                        let block: String = held.drain(..end + 2).collect();
                        let data: String = block
                            .lines()
                            .filter_map(|line| line.strip_prefix("data:"))
                            .map(str::trim_start)
                            .collect();
                        if let Ok(value) = serde_json::from_str::<Value>(&data) {
                            return Some((value, (chunks, held)));
                        }
                        continue;
                    }
                    let chunk = chunks.next().await?.ok()?;
                    held.push_str(&String::from_utf8_lossy(&chunk));
                }
            },
        );
        Ok(Box::pin(events))
    }

    /// GET of something long, taken piece by piece.
    ///
    /// # Errors
    /// The server's problem, as the exit code it stands for; whatever `take` says; or that the end was cut off.
    pub async fn pieces(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let request = self.request(Method::GET, path);
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            let problem = serde_json::from_str(&text).unwrap_or(Value::String(text));
            return Err(Refusal {
                status: status.as_u16(),
                problem,
            }
            .into());
        }
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            take(&chunk.map_err(|e| self.unreachable(&e))?)?;
        }
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(user) = &self.user {
            request = request.header("actas-as", user);
        }
        if let Some(workspace) = &self.workspace {
            request = request.header("actas-workspace", workspace);
        }
        request
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failed {
        Failed::Unavailable(format!(
            "{} does not answer: {}",
            self.base,
            innermost(error)
        ))
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

/// The command line goes where its user says, to their own server; what guards the requests of flows is not for it.
#[expect(
    clippy::disallowed_methods,
    reason = "this client speaks to the user's own server, not to what flows reach"
)]
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
}

/// One part of a path, encoded.
pub fn part(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// The cause that says most; the outer ones only say that something failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// A request that was refused: a problem document (RFC 9457).
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The problem document, or whatever else came.
    pub problem: Value,
}

impl Refusal {
    /// The problem's stable code.
    pub fn code(&self) -> &str {
        self.problem
            .get("code")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let said = |key: &str| {
            refusal
                .problem
                .get(key)
                .and_then(Value::as_str)
                .map(clean_lines)
                .unwrap_or_default()
        };
        let mut text = if said("detail").is_empty() {
            said("title")
        } else {
            said("detail")
        };
        if text.is_empty() {
            text = format!("the server answered {}", refusal.status);
        }
        for key in ["errors", "missing", "diagnostics"] {
            for fault in refusal
                .problem
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                text.push_str(&format!("\n  {}", fault_line(fault)));
            }
        }
        if !said("help").is_empty() {
            text.push_str(&format!("\n  help: {}", said("help")));
        }
        match refusal.status {
            401 | 403 => Self::Refused(text),
            400..=499 if refusal.status != 429 => Self::Fault(text),
            _ => Self::Unavailable(text),
        }
    }
}

/// One of several faults: a sentence, or an object with its place.
fn fault_line(fault: &Value) -> String {
    if let Some(text) = fault.as_str() {
        return clean_lines(text);
    }
    let said = |key: &str| {
        fault
            .get(key)
            .and_then(Value::as_str)
            .map(clean_lines)
            .unwrap_or_default()
    };
    let place = ["path", "field", "slot", "input"]
        .into_iter()
        .map(said)
        .find(|text| !text.is_empty());
    let mut line = match place {
        Some(place) => format!("{place}: {}", said("message")),
        None => said("message"),
    };
    if !said("help").is_empty() {
        line.push_str(&format!(" ({})", said("help")));
    }
    line
}

/// What a server says may hold line ends, but nothing that steers a terminal.
fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}
