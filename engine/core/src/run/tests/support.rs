//! A flow from text, and a run that is driven by a script of one line for each thing that happens.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::Expect;
use serde_json::{Value, json};

use crate::error::{ErrorKind, StepError};
use crate::flow::{Entry, Plan};
use crate::ids::{ConnectionId, FlowId, RunId, SignInId, UserId, VersionId};
use crate::run::*;
use crate::time::Time;

pub const START: Time = Time(1_795_180_000_000_000);
const SECOND: i64 = 1_000_000;

pub fn user(n: u128) -> UserId {
    UserId::from_bits(n)
}

/// The first event of a run: Ana's, from the command line.
pub fn created(plan: &Plan, inputs: Value) -> Created {
    Created {
        level: LEVEL,
        run: RunId::from_bits(1),
        first_run: RunId::from_bits(1),
        flow: FlowId::from_bits(1),
        flow_name: plan.flow.flow.clone(),
        version: VersionId::from_bits(1),
        number: Some(3),
        digest: "sha256:00".into(),
        invoker: Some(Person {
            id: user(1),
            login: "ana".into(),
            name: "Ana".into(),
            email: None,
            manager: Some("mia".into()),
            roles: vec!["builder".into()],
        }),
        entry: Entry::Cli,
        inputs: Arc::new(inputs),
        vars: Arc::default(),
        parent: None,
        part: None,
        bound: Vec::new(),
        retry_of: None,
        at: START,
    }
}

pub fn bound(slot: &str, kind: ConnectionKind) -> Bound {
    Bound {
        connection: ConnectionId::from_bits(7),
        kind,
        rule: match kind {
            ConnectionKind::Shared => Rule::Shared,
            ConnectionKind::Personal => Rule::Invoker,
        },
        account: format!("ana@{slot}"),
    }
}

pub fn kind(name: &str) -> ErrorKind {
    serde_json::from_value(json!(name)).unwrap()
}

/// A run with its journal, as the runner would hold it.
#[derive(Clone)]
pub struct Story {
    pub run: Run,
    pub journal: Vec<Event>,
    pub now: Time,
    pub trace: String,
    /// The batch that began last.
    pub batch: Option<StartBatch>,
    /// What each step that began was given.
    pub inputs: BTreeMap<String, Value>,
}

impl Story {
    pub fn new(plan: Arc<Plan>, inputs: Value) -> Self {
        Self::at_level(LEVEL, plan, inputs)
    }

    /// A run under an older meaning.
    pub fn at_level(level: u32, plan: Arc<Plan>, inputs: Value) -> Self {
        let created = Created {
            level,
            ..created(&plan, inputs)
        };
        let mut story = Self {
            run: Run::new(plan),
            journal: Vec::new(),
            now: START,
            trace: "> begin\n".to_owned(),
            batch: None,
            inputs: BTreeMap::new(),
        };
        story.take(Event::RunCreated(Box::new(created)));
        story
    }

    /// Applies and journals, as the runner does: a start only where it may not be repeated.
    pub fn take(&mut self, event: Event) {
        if let Err(illegal) = self.run.apply(&event) {
            writeln!(self.trace, "  ILLEGAL {illegal}").unwrap();
            return;
        }
        let keep = match &event {
            Event::StepStarted { step, .. } => {
                let at = self.run.instance(step).unwrap();
                self.run.is_journaled(at.step)
            }
            _ => true,
        };
        if keep {
            self.journal.push(event);
        }
    }

    /// What a crash leaves: the journal folded again.
    pub fn reload(&mut self) {
        let mut run = Run::new(self.run.plan.clone());
        for event in &self.journal {
            run.apply(event).unwrap();
        }
        self.run = run;
        for event in self.run.interrupted(self.now) {
            writeln!(self.trace, "  interrupted: {}", show(&event)).unwrap();
            self.take(event);
        }
    }

    /// Decides, records and starts until nothing more can be done without an answer from outside.
    pub fn settle(&mut self) {
        for turn in 0.. {
            assert!(turn < 2_000, "it never settles:\n{}", self.trace);
            let commands = decide(&self.run, self.now);
            let mut again = false;
            for command in commands {
                match command {
                    Command::Record(event) => {
                        writeln!(self.trace, "  {}", show(&event)).unwrap();
                        self.take(event);
                        again = true;
                    }
                    Command::StartStep(StartStep {
                        path,
                        attempt,
                        input,
                        ..
                    }) => {
                        writeln!(self.trace, "  start {path}#{attempt} {input}").unwrap();
                        self.inputs.insert(path.to_string(), Value::clone(&input));
                        self.take(Event::StepStarted {
                            step: path,
                            attempt,
                            at: self.now,
                        });
                        again = true;
                    }
                    Command::ResolveSlot(slot) => {
                        writeln!(self.trace, "  resolve {}", self.run.plan.slots[slot].name)
                            .unwrap();
                    }
                    Command::WaitUntil(due) => {
                        let seconds = due.since(self.now).as_secs_f64();
                        writeln!(self.trace, "  wait {seconds} s").unwrap();
                    }
                    Command::Hold(hold) => {
                        self.hold(&hold);
                        again = true;
                    }
                    Command::AskDecision(question) => {
                        self.ask_decision(&question);
                        again = true;
                    }
                    Command::StartBatch(start) => {
                        self.batch(start);
                        again = true;
                    }
                    Command::WaitForOutside => {}
                    Command::Finish {
                        ending,
                        outputs,
                        error,
                    } => {
                        let why = error.as_ref().map_or(String::new(), |e| {
                            let step = e.step.as_ref().map_or("", |step| step.as_str());
                            format!(" {step}: {}", e.message)
                        });
                        writeln!(self.trace, "  end {} {outputs}{why}", ending.as_str()).unwrap();
                        self.take(Event::RunEnded {
                            ending,
                            outputs,
                            error,
                            at: self.now,
                        });
                    }
                }
            }
            if !again {
                break;
            }
        }
        let person = if self.run.needs_person() {
            " (a person is needed)"
        } else {
            ""
        };
        writeln!(self.trace, "  = {}{person}", self.run.state_name(self.now)).unwrap();
    }

    fn attempt(&self, step: &str) -> (crate::ids::StepPath, u32, Time) {
        let path = step_path(step);
        match self.run.state(self.run.instance(&path).unwrap()) {
            StepState::Running { attempt, at } => (path, *attempt, *at),
            StepState::Retrying { attempts, .. } => (path, attempts + 1, self.now),
            _ => (path, 1, self.now),
        }
    }

    fn acted_as(&self, step: &str) -> Option<ActedAs> {
        let at = self.run.instance(&step_path(step)).unwrap();
        match &self.run.slots[self.run.plan.steps[at.step].slot?] {
            SlotState::Bound(bound) => Some(ActedAs {
                connection: bound.connection.clone(),
                kind: bound.kind,
                rule: bound.rule,
                account: bound.account.clone(),
                record: None,
            }),
            _ => None,
        }
    }

    /// One line of a script.
    pub fn happen(&mut self, line: &str) {
        writeln!(self.trace, "> {line}").unwrap();
        let mut words = line.splitn(3, ' ');
        let (verb, subject) = (words.next().unwrap(), words.next().unwrap_or_default());
        let rest = words.next().unwrap_or_default();
        let at = self.now;
        let slot = || subject.parse().unwrap();
        match verb {
            "ok" => {
                let (step, attempt, started_at) = self.attempt(subject);
                let output = if rest.is_empty() {
                    Value::Null
                } else {
                    serde_json::from_str(rest).unwrap()
                };
                self.take(Event::StepSucceeded {
                    step,
                    attempt,
                    output: Arc::new(output),
                    acted_as: self.acted_as(subject),
                    started_at,
                    at,
                });
            }
            "refuse" => {
                let (step, attempt, started_at) = self.attempt(subject);
                let error = StepError::new(ErrorKind::Rejected, rest);
                let acted_as = self.acted_as(subject);
                let event = self
                    .run
                    .failed_attempt(&step, attempt, error, None, acted_as, started_at, at);
                self.take(event);
            }
            "fail" => {
                let (step, attempt, started_at) = self.attempt(subject);
                let mut words = rest.split(' ');
                let mut error = StepError::new(kind(words.next().unwrap()), "it did not work");
                error.after_ms = words.next().map(|ms| ms.parse().unwrap());
                let acted_as = self.acted_as(subject);
                let event = self
                    .run
                    .failed_attempt(&step, attempt, error, None, acted_as, started_at, at);
                writeln!(self.trace, "  {}", show(&event)).unwrap();
                self.take(event);
            }
            "bind" => self.take(Event::SlotBound {
                slot: slot(),
                bound: bound(
                    subject,
                    if rest == "shared" {
                        ConnectionKind::Shared
                    } else {
                        ConnectionKind::Personal
                    },
                ),
                at,
            }),
            "ask" => self.take(Event::SlotAsked {
                slot: slot(),
                sign_in: SignInId::from_bits(9),
                person: user(1),
                reason: AskReason::parse(rest).unwrap_or(AskReason::Missing),
                until: at.after(self.run.plan.flow.limits.pause()),
                at,
            }),
            "decline" => self.take(Event::SlotDeclined { slot: slot(), at }),
            "cancel" => self.take(Event::CancelAsked {
                by: Some(user(1)),
                at,
            }),
            "after" => {
                let seconds: f64 = subject.parse().unwrap();
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "scripts name small numbers"
                )]
                let micros = (seconds * SECOND as f64) as i64;
                self.now = Time(at.0 + micros);
            }
            "crash" => self.reload(),
            "expire" => self.take(Event::SlotExpired { slot: slot(), at }),
            "start" => {
                let (step, attempt, _) = self.attempt(subject);
                self.take(Event::StepStarted { step, attempt, at });
            }
            "retry" => {
                let (step, attempt, started_at) = self.attempt(subject);
                self.take(Event::StepFailed {
                    step,
                    attempt,
                    error: StepError::new(ErrorKind::Timeout, "too slow"),
                    retry_at: Some(at),
                    acted_as: None,
                    started_at,
                    at,
                });
            }
            "skip" => {
                let (step, ..) = self.attempt(subject);
                let because = SkipReason::Condition;
                self.take(Event::StepSkipped { step, because, at });
            }
            "end" => self.take(Event::RunEnded {
                ending: Ending::Succeeded,
                outputs: Arc::default(),
                error: None,
                at,
            }),
            other => {
                let known = self.happen_outside(other, subject, rest);
                assert!(known, "the script has no verb {other}");
            }
        }
    }
}

fn step_path(step: &str) -> crate::ids::StepPath {
    serde_json::from_value(json!(step)).unwrap()
}

/// An event in one line, without its times.
pub fn show(event: &Event) -> String {
    match event {
        Event::StepSkipped { step, because, .. } => format!("skip {step} ({because:?})"),
        Event::StepFailed {
            step,
            attempt,
            error,
            retry_at,
            at,
            ..
        } => {
            let then = retry_at.map_or("for good".to_owned(), |due| {
                format!("again in {} s", due.since(*at).as_secs_f64())
            });
            let kind = error.kind.as_str();
            format!("fail {step}#{attempt} {kind} {then}: {}", error.message)
        }
        Event::SlotLost {
            slot, step, reason, ..
        } => {
            format!("lost {slot} at {step} ({})", reason.as_str())
        }
        other => other.to_string(),
    }
}

/// Runs a script against a flow and compares the trace.
pub fn check(flow: &str, inputs: &Value, script: &str, expect: Expect) {
    check_at(LEVEL, flow, inputs, script, expect);
}

/// The same under an older meaning.
pub fn check_at(level: u32, flow: &str, inputs: &Value, script: &str, expect: Expect) {
    let mut story = Story::at_level(level, plan(flow), inputs.clone());
    story.settle();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        story.happen(line);
        story.settle();
    }
    expect.assert_eq(&story.trace);
    // Whatever happened, folding the journal again gives the same run.
    let mut again = Run::new(story.run.plan.clone());
    for event in &story.journal {
        again.apply(event).unwrap();
    }
    assert_eq!(facts(&again), facts(&as_journaled(&story.run, &again)));
}

/// A run as a crash would leave it: attempts that may be repeated stand where the folded run has them.
pub fn as_journaled(run: &Run, folded: &Run) -> Run {
    let mut run = run.clone();
    for at in run.progress.running.clone() {
        let StepState::Running { attempt, .. } = *run.state(at) else {
            panic!("a step that is not running is listed so");
        };
        match folded.state(at) {
            StepState::Pending => assert!(attempt == 1 && !run.is_journaled(at.step)),
            StepState::Retrying { attempts, .. } => {
                assert!(attempt == attempts + 1 && !run.is_journaled(at.step));
            }
            _ => continue,
        }
        run.set_step(at, folded.state(at).clone());
    }
    run
}

/// Everything a run consists of, as text.
pub fn facts(run: &Run) -> String {
    let frames: Vec<String> = run
        .frames
        .iter()
        .map(|(number, frame)| {
            format!(
                "{number} {} {:?} {:?} {} {:#?} {:?} {:?} {:?} {:?} {:?}",
                frame.block,
                frame.owner,
                frame.path,
                frame.index,
                frame.states,
                (&frame.open_needs, &frame.deferred, frame.live),
                (frame.settled, frame.failed),
                frame.first_failed,
                frame.plain_pending,
                (
                    frame.after,
                    frame.ended,
                    frame.stopped,
                    &frame.children,
                    &frame.undone
                ),
            )
        })
        .collect();
    let progress = &run.progress;
    format!(
        "{}\n{:#?}\n{:#?}\n{:#?} {:?} {:?} {:?} {:?}",
        frames.join("\n"),
        run.slots,
        run.phase,
        (
            &progress.ready,
            &progress.parked,
            &progress.deferring,
            &progress.retrying,
            &progress.held,
        ),
        (progress.timed_out, progress.gate_open, &progress.losses),
        (progress.timeout_at, progress.paused_since),
        (
            &progress.settled,
            &progress.turning,
            &progress.failing,
            &progress.wanting
        ),
        (
            &progress.undo,
            progress.after,
            &progress.handled,
            progress.kept,
            progress.forgotten
        ),
    )
}

const CRM: &str = r#"
app: crm
title: A CRM
version: 1
base_url: "https://crm.example/api"
hosts: ["crm.example"]
auth:
  oauth2:
    authorize: "https://crm.example/authorize"
    token: "https://crm.example/token"
    scopes: {records: Read and change records}
  account:
    request: {get: /me}
    subject: "{{ response.body.id }}"
    name: "{{ response.body.email }}"
modules:
  find: {title: Find, effect: read, input: {type: object}, request: {get: /records}}
  add: {title: Add, effect: idempotent, idempotency: {header: Idempotency-Key}, input: {type: object}, request: {post: /records, json: "{{ input }}"}}
  pay: {title: Pay, effect: at_most_once, input: {type: object}, request: {post: /payments, json: "{{ input }}"}}
  bill: {title: Bill, effect: at_most_once, input: {type: object}, output_schema: {id: {type: integer}}, request: {post: /bills, json: "{{ input }}"}}
"#;

const CORE: &str = r#"
app: core
title: Core
version: 1
modules:
  set: {title: Set values, effect: pure, native: core/set/1, input: {type: object}}
  wait: {title: Wait, effect: read, hold: wait, input: {type: object}}
  wait_for_callback: {title: Wait for a call, effect: read, hold: callback, input: {type: object}}
  approve: {title: Approve, effect: idempotent, hold: approve, input: {type: object}}
  run_flow: {title: Run a flow, effect: idempotent, hold: run_flow, input: {type: object}}
"#;

/// The two apps of these tests: one with accounts, one without.
pub fn apps() -> crate::app::Apps {
    crate::app::Apps::new([CRM, CORE].map(|text| {
        let parsed = crate::app::parse(text);
        let faults = parsed.diagnostics;
        Arc::new(parsed.manifest.unwrap_or_else(|| panic!("{faults:#?}")))
    }))
}

/// A flow made ready to run, from its text.
pub fn plan(text: &str) -> Arc<Plan> {
    let apps = apps();
    let parsed = crate::flow::parse(text, &apps);
    let Some(draft) = parsed.draft else {
        panic!("{:#?}\n{text}", parsed.diagnostics);
    };
    Arc::new(Plan::compile(&draft.flow, &apps).unwrap())
}
