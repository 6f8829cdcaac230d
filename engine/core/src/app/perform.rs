//! The interpreter: one attempt of a step, from its input to a request, and from each answer to the next page, an output or an error.
//! Pure: it holds no secret and sends nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::address;
use crate::app::answer::{self, unexpected};
use crate::app::encode;
use crate::app::interpret::{Call, Progress, RecordRef, Response};
use crate::app::manifest::{Exchange, Manifest, Module, Operation};
use crate::app::native::{Native, NativeStep, Natives};
use crate::app::paging::{Gathered, Next};
use crate::app::request::Additions;
use crate::error::{ErrorKind, StepError};
use crate::expr::{Scope, Template};

/// One attempt of a step, from its input to its output, page by page. Holds no secret and does no IO.
#[derive(Debug)]
pub struct Performance {
    manifest: Arc<Manifest>,
    module: Arc<Module>,
    /// Hosts the credential may go to; empty without a connection.
    hosts: Vec<String>,
    input: Arc<Value>,
    work: Work,
}

enum Work {
    Native(Arc<dyn Native>),
    Exchange(Box<UnderWay>),
}

/// What is kept between a request and its answer.
struct UnderWay {
    connection: Arc<Value>,
    key: Box<str>,
    gathered: Gathered,
    /// The request, where the next page may be asked for in the same way.
    page: Option<Call>,
}

impl Performance {
    /// Begins an attempt. `facts` are the connection's public facts (settings, kept fields), `null` without one; `key` is the step's
    /// idempotency key, sent where the manifest says.
    ///
    /// # Errors
    /// `invalid_input` if the input does not fit the module's schema or an address cannot be made.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the facts belong to the attempt; the callers hand them over"
    )]
    pub fn start(
        manifest: &Arc<Manifest>,
        module: &Arc<Module>,
        natives: &Natives,
        input: Value,
        facts: Value,
        key: &str,
    ) -> Result<(Self, Progress), StepError> {
        let input = module.shape.accept(&module.name, input)?;
        let connection = match &module.operation {
            Operation::Native(_) | Operation::Hold(_) if !module.needs_connection => Value::Null,
            _ => manifest.facts(&facts)?,
        };
        let connection = Arc::new(connection);
        let hosts = if module.needs_connection {
            manifest.site.hosts(&scope(&Arc::default(), &connection))?
        } else {
            Vec::new()
        };
        match &module.operation {
            Operation::Native(name) => {
                let native = natives.get(name).ok_or_else(|| {
                    StepError::new(
                        ErrorKind::Internal,
                        format!("this program has no native module `{name}`"),
                    )
                    .with_help("run a version of Actas that has it")
                })?;
                let step = native.start(&input)?;
                let this = Self {
                    manifest: Arc::clone(manifest),
                    module: Arc::clone(module),
                    hosts,
                    input: Arc::new(input),
                    work: Work::Native(Arc::clone(native)),
                };
                let progress = this.native(step)?;
                Ok((this, progress))
            }
            Operation::Hold(_) => Err(out_of_order()),
            Operation::Exchange(exchange) => {
                let input = Arc::new(exchange.fill(input));
                let add = Additions {
                    header: exchange.idempotency.as_deref().map(|header| (header, key)),
                    ..exchange
                        .pages
                        .as_ref()
                        .map(|p| p.additions(None))
                        .unwrap_or_default()
                };
                let call =
                    exchange
                        .request
                        .build(&manifest.site, &scope(&input, &connection), &add)?;
                let mut this = Self {
                    manifest: Arc::clone(manifest),
                    module: Arc::clone(module),
                    hosts,
                    input,
                    work: Work::Exchange(Box::new(UnderWay {
                        connection,
                        key: key.into(),
                        gathered: Gathered::default(),
                        page: None,
                    })),
                };
                let progress = this.send(exchange, call)?;
                Ok((this, progress))
            }
        }
    }

    /// Goes on after an answer. An error changes nothing: the same request may be sent again, with a fresh credential, and answered here.
    ///
    /// # Errors
    /// What the manifest's `errors` make of the answer; `sign_in_needed` means that the credential was refused.
    pub fn next(&mut self, response: &Response) -> Result<Progress, StepError> {
        let module = Arc::clone(&self.module);
        match &module.operation {
            Operation::Native(_) => {
                let Work::Native(native) = &self.work else {
                    return Err(out_of_order());
                };
                let step = native.next(&self.input, response)?;
                self.native(step)
            }
            Operation::Hold(_) => Err(out_of_order()),
            Operation::Exchange(exchange) => self.answer(exchange, response),
        }
    }

    fn native(&self, step: NativeStep) -> Result<Progress, StepError> {
        match step {
            NativeStep::Output(output) if answer::size(&output) > answer::MOST_BYTES => {
                Err(answer::too_large())
            }
            NativeStep::Output(output) => Ok(Progress::Done {
                output,
                record: None,
            }),
            NativeStep::Call(call) => {
                if let Some((name, _)) = call
                    .headers
                    .iter()
                    .find(|(name, _)| encode::header_name(name).is_err())
                {
                    return Err(StepError::new(
                        ErrorKind::Internal,
                        format!("a module may not set the header `{name}`"),
                    ));
                }
                Ok(Progress::Call(authenticated(
                    call,
                    &self.module,
                    &self.hosts,
                )?))
            }
        }
    }

    /// Says whether a request is authenticated, and notes it if there may be more pages.
    fn send(&mut self, exchange: &Exchange, call: Call) -> Result<Progress, StepError> {
        let call = authenticated(call, &self.module, &self.hosts)?;
        if let Work::Exchange(under_way) = &mut self.work {
            under_way.page = exchange.pages.is_some().then(|| call.clone());
        }
        Ok(Progress::Call(call))
    }

    fn answer(&mut self, exchange: &Exchange, response: &Response) -> Result<Progress, StepError> {
        let Work::Exchange(under_way) = &mut self.work else {
            return Err(out_of_order());
        };
        let UnderWay {
            connection,
            key,
            gathered,
            page,
        } = &mut **under_way;
        let mut scope = scope(&self.input, connection);
        scope.roots.push(("response", answer::as_value(response)));
        if let Some(error) =
            answer::error(&self.manifest.errors, &self.module.rights, &scope, response)
        {
            return Err(error);
        }
        let mut items = None;
        if let (Some(pages), Some(call)) = (&exchange.pages, page) {
            let next = match pages.take(gathered, &scope, response, &call.url)? {
                Next::End => None,
                Next::Address(url) => Some(Call {
                    url,
                    ..call.clone()
                }),
                Next::Place(place) => {
                    let add = Additions {
                        header: exchange
                            .idempotency
                            .as_deref()
                            .map(|header| (header, &**key)),
                        ..pages.additions(Some(&place))
                    };
                    Some(exchange.request.build(&self.manifest.site, &scope, &add)?)
                }
            };
            if let Some(call) = next {
                return self.send(exchange, call);
            }
            let all = Arc::new(Value::Array(std::mem::take(&mut gathered.items)));
            scope.roots.push(("items", Arc::clone(&all)));
            items = Some((all, gathered.more));
        }
        let output = match (&exchange.output, items) {
            (Some(output), _) => self.output(output, &scope)?,
            (None, Some((items, more))) => {
                scope.roots.pop();
                json!({"items": Arc::unwrap_or_clone(items), "more": more})
            }
            (None, None) => response.body.clone(),
        };
        if answer::size(&output) > answer::MOST_BYTES {
            return Err(answer::too_large());
        }
        let record = exchange.record.as_ref().and_then(|(kind, id)| {
            let text = |template: &Template| {
                let text = encode::scalar(&template.evaluate(&scope).ok()?)?;
                Some(answer::bounded(&text, answer::MOST_NAME))
            };
            Some(RecordRef {
                kind: text(kind)?,
                id: text(id)?,
            })
        });
        Ok(Progress::Done { output, record })
    }

    /// The output a manifest's expressions make of an answer. What a read does not find is not there; elsewhere the app did
    /// something else than it should.
    fn output(&self, output: &Template, scope: &Scope) -> Result<Value, StepError> {
        output
            .evaluate(scope)
            .map_err(|error| match self.module.effect {
                crate::app::Effect::Read => StepError::new(
                    ErrorKind::NotFound,
                    format!("the app's answer does not have it: {}", error.message),
                )
                .with_code("unexpected_answer"),
                _ => unexpected(&error.message),
            })
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Native(_) => f.write_str("Native"),
            Self::Exchange(_) => f.write_str("Exchange"),
        }
    }
}

/// What the expressions of a request look at; those of an answer see `response` besides.
pub(super) fn scope(input: &Arc<Value>, connection: &Arc<Value>) -> Scope {
    Scope {
        roots: vec![
            ("input", Arc::clone(input)),
            ("connection", Arc::clone(connection)),
        ],
        ..Scope::default()
    }
}

/// A request of a module with a connection is authenticated and goes to the app's hosts; one without goes where it wants, bare.
fn authenticated(mut call: Call, module: &Module, hosts: &[String]) -> Result<Call, StepError> {
    call.authenticated = module.needs_connection;
    if call.authenticated && !hosts.contains(&address::host(&call.url)) {
        return Err(StepError::new(
            ErrorKind::Internal,
            format!("`{}` is not a host of the app", address::host(&call.url)),
        )
        .with_code("foreign_host")
        .with_help("name it under `hosts` of the manifest, or correct the connection's settings"));
    }
    Ok(call)
}

fn out_of_order() -> StepError {
    StepError::new(
        ErrorKind::Internal,
        "an answer came where none was asked for",
    )
}
