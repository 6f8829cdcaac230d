//! What the language costs: reading and checking a file, making a version ready, evaluating.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

use std::fmt::Write;
use std::sync::Arc;

use actas_core::app::{self, Apps};
use actas_core::expr::{Condition, Item, Scope, Template};
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

/// The most steps there may be: a chain, and a loop in which there is another.
fn texts_of_10_000_steps() -> [String; 2] {
    let head = "flow: long\ntrigger: {on_demand: {}}\nsteps:\n";
    let step = |n: usize| {
        if n == 0 {
            "s0: {uses: core.set, with: {x: a}}\n".to_owned()
        } else {
            format!(
                "s{n}: {{uses: core.set, with: {{x: \"{{{{ steps.s{}.x }}}}\"}}}}\n",
                n - 1
            )
        }
    };
    let chain: String = (0..10_000).map(|n| format!("  {}", step(n))).collect();
    let nested: String = (0..9_998)
        .map(|n| format!("          {}", step(n)))
        .collect();
    let loops = "  a:\n    for_each: \"[1]\"\n    steps:\n      b:\n        for_each: \"[1]\"\n        steps:\n";
    [format!("{head}{chain}"), format!("{head}{loops}{nested}")]
}

#[divan::bench(args = [0, 1])]
fn parse_and_check_10_000_steps(bencher: Bencher, which: usize) {
    let (text, apps) = (&texts_of_10_000_steps()[which], apps());
    bencher.bench(|| parse(black_box(text), &apps).draft.unwrap());
}

#[divan::bench(args = [0, 1])]
fn read_and_compile_a_version_of_10_000_steps(bencher: Bencher, which: usize) {
    let apps = apps();
    let flow = parse(&texts_of_10_000_steps()[which], &apps)
        .draft
        .unwrap()
        .flow;
    let document = canonical(&flow);
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

/// A context of one megabyte: ten thousand items of a hundred bytes, and a field deep down.
fn megabyte() -> Scope {
    let items: Vec<Value> = (0..10_000)
        .map(|n| json!({"id": format!("id-{n:06}"), "amount": n, "active": n % 2 == 0, "day": "2026-03-31", "who": {"mail": format!("c{n}@a.example")}}))
        .collect();
    let mut deep = json!({"found": 1});
    for _ in 0..20 {
        deep = json!({"below": deep, "beside": [1, 2, 3]});
    }
    let output =
        json!({"items": items, "deep": deep, "subject": "Re: order INV-1042 of 2026-03-31"});
    assert!((900_000..1_300_000).contains(&output.to_string().len()));
    Scope {
        steps: vec![("a".into(), Arc::new(output))],
        ..Scope::default()
    }
}

/// Expressions over a megabyte; what most of them cost has nothing to do with its size.
#[divan::bench(args = [
    "one field: {{ steps.a.deep.below.below.below.below.below.below.below.below.below.below.below.below.below.below.below.below.below.below.below.below.found }}",
    "{{ steps.a.items[9999].who.mail }}",
    "{{ steps.a.items | selectattr('active') | map(attribute='amount') | sum }}",
    "{{ steps.a.items | selectattr('id', 'eq', 'id-005000') | first }}",
    "{{ steps.a.items | map(attribute='day') | map('date_add', days=1) | last }}",
    "{{ steps.a.items | map(attribute='who.mail') | select('matching', '^c99.*example$') | length }}",
    "{{ (steps.a.items | groupby('active'))[0].list | length }}",
    "{{ steps.a.subject | regex_search('INV-([0-9]+)', 1) }}",
    "{{ steps.a }}",
])]
fn over_a_megabyte(bencher: Bencher, text: &str) {
    let (scope, template) = (megabyte(), Template::compile(&json!(text)).unwrap());
    bencher.bench(|| template.evaluate(black_box(&scope)).unwrap());
}

/// The whole megabyte handed on, without a copy.
#[divan::bench]
fn a_megabyte_shared(bencher: Bencher) {
    let (scope, template) = (
        megabyte(),
        Template::compile(&json!("{{ steps.a }}")).unwrap(),
    );
    bencher.bench(|| template.evaluate_shared(black_box(&scope)).unwrap());
}

/// A loop's scope and an expression over its item: what one of many items costs.
#[divan::bench]
fn an_item_of_ten_thousand(bencher: Bencher) {
    let scope = megabyte();
    let items = Arc::new(scope.steps[0].1["items"].clone());
    let template = Template::compile(&json!("{{ item.who.mail }} {{ index }}")).unwrap();
    bencher.bench(|| {
        let scope = Scope {
            item: Some(Item::new(Arc::clone(&items), 5000, 5000)),
            ..scope.clone()
        };
        template.evaluate(black_box(&scope)).unwrap()
    });
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
