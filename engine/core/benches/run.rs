//! What a run costs in memory: folding a journal, deciding, and a whole run of five pure steps with nothing stored.
//! `cargo bench -p actas-core`.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark may stop where something is not as it was written down"
)]

use std::fmt::Write as _;
use std::sync::Arc;

use actas_core::Time;
use actas_core::app::{Apps, parse};
use actas_core::audit::{Actor, Draft, GENESIS, Object, link};
use actas_core::flow::{self, Entry, Plan};
use actas_core::ids::{FlowId, RunId, UserId, VersionId, WorkspaceId};
use actas_core::run::{
    Command, Created, EVENT_VERSION, Event, JournalBody, LEVEL, Person, Run, decide, upcast,
};
use divan::{Bencher, black_box};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

const CORE: &str = "
app: core
title: Core
version: 1
modules:
  set: {title: Set values, effect: pure, native: core/set/1, input: {type: object}}
";

/// Steps in a row, each looking at the one before; or side by side.
fn plan(steps: usize, in_a_row: bool) -> Arc<Plan> {
    let mut text = "flow: row\ntrigger: {on_demand: {}}\ninputs: {name: {type: string}}\nsteps:\n  s0: {uses: core.set, with: {v: \"Hello {{ inputs.name }}\"}}\n".to_owned();
    for step in 1..steps {
        let before = if in_a_row { step - 1 } else { 0 };
        writeln!(
            text,
            "  s{step}: {{uses: core.set, with: {{v: \"{{{{ steps.s{before}.v }}}}\"}}}}"
        )
        .unwrap();
    }
    writeln!(text, "outputs: {{v: \"{{{{ steps.s{}.v }}}}\"}}", steps - 1).unwrap();
    compile(&text)
}

fn compile(text: &str) -> Arc<Plan> {
    let apps = Apps::new([Arc::new(parse(CORE).manifest.unwrap())]);
    let draft = flow::parse(text, &apps).draft.unwrap();
    Arc::new(Plan::compile(&draft.flow, &apps).unwrap())
}

fn created(plan: &Plan) -> Event {
    Event::RunCreated(Box::new(Created {
        level: LEVEL,
        run: RunId::from_bits(1),
        first_run: RunId::from_bits(1),
        flow: FlowId::from_bits(1),
        flow_name: plan.flow.flow.clone(),
        version: VersionId::from_bits(1),
        number: Some(1),
        digest: "sha256:00".into(),
        invoker: Some(Person {
            id: UserId::from_bits(1),
            login: "ana".into(),
            name: "Ana".into(),
            email: None,
            manager: None,
            roles: Vec::new(),
        }),
        entry: Entry::Api,
        inputs: Arc::new(json!({"name": "Ana"})),
        vars: Arc::new(Value::Null),
        parent: None,
        part: None,
        bound: Vec::new(),
        retry_of: None,
        at: Time(0),
    }))
}

/// A whole run: decide, compute, apply, until it has ended.
fn live(plan: &Arc<Plan>) -> (Run, Vec<Event>) {
    let now = Time(1);
    let mut run = Run::new(plan.clone());
    let mut journal = vec![created(plan)];
    run.apply(&journal[0]).unwrap();
    loop {
        let commands = decide(&run, now);
        if commands.is_empty() {
            return (run, journal);
        }
        for command in commands {
            let event = match command {
                Command::StartStep(start) => Event::StepSucceeded {
                    step: start.path,
                    attempt: start.attempt,
                    output: Arc::new(start.input),
                    acted_as: None,
                    started_at: now,
                    at: now,
                },
                Command::Record(event) => event,
                Command::Finish {
                    ending,
                    outputs,
                    error,
                } => Event::RunEnded {
                    ending,
                    outputs,
                    error,
                    at: now,
                },
                other => panic!("{other:?}"),
            };
            run.apply(&event).unwrap();
            journal.push(event);
        }
    }
}

#[divan::bench(args = [5, 100, 1_000])]
fn whole_run_in_a_row(bencher: Bencher<'_, '_>, steps: usize) {
    let plan = plan(steps, true);
    bencher.bench(|| live(&plan));
}

#[divan::bench(args = [100, 1_000])]
fn whole_run_side_by_side(bencher: Bencher<'_, '_>, steps: usize) {
    let plan = plan(steps, false);
    bencher.bench(|| live(&plan));
}

/// A loop over so many items, each of one step.
fn loop_over(items: usize) -> Arc<Plan> {
    let text = format!(
        "flow: row\ntrigger: {{on_demand: {{}}}}\ninputs: {{name: {{type: string}}}}\nsteps:\n  lines: {{for_each: \"range({items})\", parallel: 64, \
         uses: core.set, with: {{v: \"{{{{ item }}}} for {{{{ inputs.name }}}}\"}}}}\noutputs: {{lines: \"{{{{ steps.lines.count }}}}\"}}\n"
    );
    compile(&text)
}

#[divan::bench(args = [16, 256])]
fn whole_run_of_a_loop(bencher: Bencher<'_, '_>, items: usize) {
    let plan = loop_over(items);
    bencher.bench(|| live(&plan));
}

#[divan::bench]
fn chain_of_40(bencher: Bencher<'_, '_>) {
    let plan = plan(40, true);
    bencher.bench(|| live(&plan));
}

#[divan::bench]
fn fan_out_of_40(bencher: Bencher<'_, '_>) {
    let plan = plan(40, false);
    bencher.bench(|| live(&plan));
}

#[divan::bench(sample_count = 10)]
fn whole_run_of_ten_thousand(bencher: Bencher<'_, '_>) {
    let plan = plan(10_000, false);
    bencher.bench(|| live(&plan));
}

#[divan::bench(args = [5, 100])]
fn fold(bencher: Bencher<'_, '_>, steps: usize) {
    let plan = plan(steps, true);
    let (_, journal) = live(&plan);
    bencher.bench(|| {
        let mut run = Run::new(plan.clone());
        for event in &journal {
            run.apply(event).unwrap();
        }
        run
    });
}

#[divan::bench(args = [5, 100])]
fn read_a_journal_row(bencher: Bencher<'_, '_>, steps: usize) {
    let (_, events) = live(&plan(steps, true));
    let body = serde_json::to_string(&JournalBody { events }).unwrap();
    bencher.bench(|| upcast(EVENT_VERSION, black_box(&body)).unwrap());
}

#[divan::bench(args = [5, 100])]
fn write_a_journal_row(bencher: Bencher<'_, '_>, steps: usize) {
    let (_, events) = live(&plan(steps, true));
    let body = JournalBody { events };
    bencher.bench(|| serde_json::to_string(black_box(&body)).unwrap());
}

#[divan::bench]
fn decide_once(bencher: Bencher<'_, '_>) {
    let plan = plan(5, true);
    let mut run = Run::new(plan.clone());
    run.apply(&created(&plan)).unwrap();
    bencher.bench(|| decide(black_box(&run), Time(1)));
}

#[divan::bench]
fn link_an_audit_record(bencher: Bencher<'_, '_>) {
    let draft = Draft {
        workspace: WorkspaceId::from_bits(1),
        at: Time(1),
        actor: Actor::User {
            id: UserId::from_bits(1),
            login: "ana".into(),
        },
        person: Some((UserId::from_bits(1), "ana".into())),
        connection: None,
        account: None,
        rule: None,
        record: None,
        entry: "api".into(),
        action: "run.ended".into(),
        object: Object {
            kind: "run".into(),
            id: RunId::from_bits(1).to_string(),
            version: Some("1".into()),
        },
        flow: Some("row".into()),
        run: Some(RunId::from_bits(1)),
        step: None,
        outcome: "ok".into(),
        reason: None,
        ip: None,
        agent: None,
    };
    bencher.bench(|| link(black_box(&draft), 1, GENESIS, &mut || [7; 16]));
}
