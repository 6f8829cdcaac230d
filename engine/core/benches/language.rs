//! What the language costs: reading and checking a file, making a version ready, evaluating.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

use std::fmt::Write;
use std::sync::Arc;

use actas_core::app::{self, Apps};
use actas_core::expr::{Condition, Scope, Template};
use actas_core::flow::{Flow, Plan, canonical, parse};
use actas_core::yaml;
use divan::{Bencher, black_box};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn apps() -> Apps {
    let manifests = ["core", "sandbox_crm"].map(|name| {
        let path = format!(
            "{}/../../modules/{name}/app.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        Arc::new(
            app::parse(&std::fs::read_to_string(path).unwrap())
                .manifest
                .unwrap(),
        )
    });
    Apps::new(manifests)
}

/// A flow of two hundred steps: every other one acts, each uses the one before.
fn text() -> String {
    let mut text = String::from(
        "flow: long\ntrigger: {on_demand: {}}\ninputs: {customer: {type: string}}\nconnections: {crm: {app: sandbox_crm, dynamic: {}}}\nsteps:\n",
    );
    for n in 0..100 {
        let before = if n == 0 {
            "{{ inputs.customer }}".to_owned()
        } else {
            format!("{{{{ steps.act{}.id }}}}", n - 1)
        };
        let _ = write!(
            text,
            "  set{n}:\n    uses: core.set\n    with: {{before: \"{before}\", note: \"step {n} of {{{{ inputs.customer }}}}\"}}\n  act{n}:\n    uses: sandbox_crm.create_record\n    if: steps.set{n}.before != ''\n    with:\n      object: Task\n      fields: {{Subject: \"{{{{ steps.set{n}.note }}}}\", Number: {n}}}\n"
        );
    }
    text
}

fn flow() -> Flow {
    parse(&text(), &apps()).draft.unwrap().flow
}

#[divan::bench]
fn yaml_of_200_steps(bencher: Bencher) {
    let text = text();
    bencher.bench(|| yaml::parse(black_box(&text)).unwrap());
}

#[divan::bench]
fn parse_and_check_200_steps(bencher: Bencher) {
    let (text, apps) = (text(), apps());
    bencher.bench(|| parse(black_box(&text), &apps).draft.unwrap());
}

#[divan::bench]
fn read_and_compile_a_version_of_200_steps(bencher: Bencher) {
    let (document, apps) = (canonical(&flow()), apps());
    bencher.bench(|| {
        Plan::compile(&serde_json::from_str(black_box(&document)).unwrap(), &apps).unwrap()
    });
}

#[divan::bench]
fn canonical_form_of_200_steps(bencher: Bencher) {
    let flow = flow();
    bencher.bench(|| canonical(black_box(&flow)));
}

#[divan::bench]
fn a_hostile_megabyte(bencher: Bencher) {
    let text = format!("[{}]", "1,".repeat(yaml::MAX_BYTES / 2 - 8));
    bencher.bench(|| yaml::parse(black_box(&text)).unwrap_err());
}

fn scope() -> Scope {
    let items: Vec<Value> = (0..5000)
        .map(|n| json!({"id": format!("id-{n}"), "amount": n, "active": n % 2 == 0, "customer": {"email": format!("c{n}@example.com")}}))
        .collect();
    Scope {
        roots: vec![("inputs", Arc::new(json!({"customer": "ACME", "limit": 7})))],
        steps: vec![("a".into(), Arc::new(json!({"items": items, "count": 5000})))],
        ..Scope::default()
    }
}

#[divan::bench(args = [
    "{{ steps.a.items[0].id }}",
    "{{ steps.a.items[4999].customer.email }}",
    "{{ {'id': steps.a.items[0].id, 'who': steps.a.items[1].customer} }}",
    "Dear {{ inputs.customer }}, {{ steps.a.count }} items, first {{ steps.a.items[0].id }}",
    "{{ steps.a.items | selectattr('active') | map(attribute='amount') | sum }}",
])]
fn evaluate(bencher: Bencher, text: &str) {
    let (scope, template) = (scope(), Template::compile(&json!(text)).unwrap());
    bencher.bench(|| template.evaluate(black_box(&scope)).unwrap());
}

#[divan::bench]
fn a_condition(bencher: Bencher) {
    let (scope, condition) = (
        scope(),
        Condition::compile("inputs.limit > 5 and steps.a.count == 5000").unwrap(),
    );
    bencher.bench(|| condition.evaluate(black_box(&scope)).unwrap());
}

#[divan::bench]
fn compile_an_expression() -> Condition {
    Condition::compile(black_box("inputs.limit > 5 and steps.a.count == 5000")).unwrap()
}
