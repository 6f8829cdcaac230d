//! Cases: recorded requests and answers beside a manifest, `cases.yaml`. They are an app's tests and need no network: what the
//! interpreter asks is compared with what was recorded, and what it makes of the recorded answers with what is expected.
//!
//! ```yaml
//! connection: {instance_url: "https://acme.example"}       # the connection's settings; a case may have its own
//! key: k-1                                                 # the idempotency key; likewise
//! cases:
//!   - case: a record is created with the step's key
//!     module: create_record
//!     input: {object: Account, fields: {Name: Acme}}
//!     exchanges:                                           # in order
//!       - request:
//!           post: https://acme.example/api/v1/records/Account
//!           headers: {idempotency-key: k-1}                # these at least
//!           json: {Name: Acme}                             # or `text`; none means no body
//!         response: {status: 201, headers: {}, body: {id: r_1}}
//!     output: {id: r_1}                                    # or `error: {kind: not_found}`: the fields that are said
//!     record: {type: Account, id: r_1}
//!   - case: the account is known
//!     account: true                                        # instead of a module
//!     exchanges: […]
//!     output: {subject: u_1, name: ana@example}
//! ```

mod compare;
mod read;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::interpret::{Call, Performance, Progress};
use crate::app::manifest::Manifest;
use crate::app::native::Natives;
use crate::diagnostic::{Diagnostic, Faults};
use crate::error::StepError;
use crate::yaml::{self, Fields};
use read::{Case, Shared, What};

/// What came of a file of cases.
#[derive(Debug, Default)]
pub struct Ran {
    /// The names of the cases, in order.
    pub cases: Vec<String>,
    /// The modules that some case performs.
    pub modules: Vec<String>,
    /// Faults of the file, and what came out differently.
    pub diagnostics: Vec<Diagnostic>,
}

/// Runs all cases of a file against a manifest.
pub fn run(manifest: &Arc<Manifest>, natives: &Natives, text: &str) -> Ran {
    let mut ran = Ran::default();
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(diagnostics) => return Ran { diagnostics, ..ran },
    };
    let mut faults = Faults::default();
    if let Some(mut fields) = Fields::of(&root, "a file of cases", &mut faults) {
        let shared = Shared::read(&mut fields, &mut faults);
        let cases = fields
            .need("cases", &mut faults)
            .and_then(|n| n.list(&mut faults))
            .unwrap_or_default();
        fields.close(&mut faults);
        for node in cases {
            let before = faults.len();
            let Some(case) = Case::read(node, &shared, manifest, &mut faults) else {
                continue;
            };
            ran.cases.push(case.name.to_owned());
            if let What::Module(module) = case.what {
                ran.modules.push(module.to_owned());
            }
            if faults.len() == before {
                case.run(manifest, natives, &mut faults);
            }
        }
    }
    ran.diagnostics = faults.finish();
    ran
}

impl Case<'_> {
    fn run(&self, manifest: &Arc<Manifest>, natives: &Natives, faults: &mut Faults) {
        let ended = match self.what {
            What::Module(module) => self.perform(manifest, natives, module, faults),
            What::Account => self.account(manifest, faults),
        };
        match ended {
            Ok(None) => {}
            Ok(Some((output, record))) => self.ended(&output, &record, faults),
            Err(error) => self.failed(&error, faults),
        }
    }

    /// Output and record of a module; nothing if it asked for something that was not recorded.
    fn perform(
        &self,
        manifest: &Arc<Manifest>,
        natives: &Natives,
        module: &str,
        faults: &mut Faults,
    ) -> Result<Option<(Value, Value)>, StepError> {
        let Some(module) = manifest.modules.get(module) else {
            return Ok(None);
        };
        let mut exchanges = self.exchanges.iter();
        let (mut performance, mut progress) = Performance::start(
            manifest,
            module,
            natives,
            self.input.clone(),
            self.connection.clone(),
            self.key,
        )?;
        loop {
            match progress {
                Progress::Call(call) => {
                    let Some(exchange) = exchanges.next() else {
                        faults.error(
                            "case_failed",
                            self.span,
                            format!("this request was not recorded: {}", shown(&call)),
                        );
                        return Ok(None);
                    };
                    exchange.compare(&call, module.needs_connection, faults);
                    progress = performance.next(&exchange.response)?;
                }
                Progress::Done { output, record } => {
                    if let Some(exchange) = exchanges.next() {
                        let never = format!(
                            "this request was never made: {} {}",
                            exchange.method, exchange.url
                        );
                        faults.error("case_failed", exchange.span, never);
                    }
                    return Ok(Some((
                        output,
                        serde_json::to_value(record).unwrap_or_default(),
                    )));
                }
            }
        }
    }

    /// The account as `{subject, name}`.
    fn account(
        &self,
        manifest: &Manifest,
        faults: &mut Faults,
    ) -> Result<Option<(Value, Value)>, StepError> {
        match (
            manifest.account_call(&self.connection)?,
            self.exchanges.as_slice(),
        ) {
            (Some(call), [exchange]) => {
                exchange.compare(&call, true, faults);
                let account = manifest.account(&self.connection, &exchange.response)?;
                Ok(Some((
                    json!({"subject": account.subject, "name": account.name}),
                    Value::Null,
                )))
            }
            (Some(call), _) => {
                faults.error(
                    "case_failed",
                    self.span,
                    format!("exactly one request is made: {}", shown(&call)),
                );
                Ok(None)
            }
            (None, _) => {
                faults.error("case_failed", self.span, "this app asks for no account");
                Ok(None)
            }
        }
    }
}

fn shown(call: &Call) -> String {
    format!("{} {}", call.method.as_str(), call.url)
}
