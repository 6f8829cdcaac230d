//! No file, however strange, makes the language panic; and files of any size are read in bounded work.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::flow::{Plan, parse, without_build_time};

/// JSON of any shape, with words of the language in it.
fn any_value() -> impl Strategy<Value = Value> {
    let words = [
        "flow",
        "trigger",
        "on_demand",
        "steps",
        "uses",
        "core.set",
        "sandbox_crm.get_me",
        "with",
        "if",
        "needs",
        "connections",
        "app",
        "sandbox_crm",
        "dynamic",
        "connection",
        "inputs",
        "type",
        "string",
        "default",
        "{{ inputs.a }}",
        "{{ steps.a.b }}",
        "steps.a is defined",
        "always()",
        "{{",
        "retry",
        "timeout",
        "30s",
        "a",
        "b",
        "outputs",
        "limits",
        "run",
        "effect",
        "read",
        "build_time",
        "scopes",
        "required",
        "from",
        "cli",
        "for_each",
        "",
    ];
    let word = proptest::sample::select(words.to_vec());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..2000).prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(word.clone(), inner, 0..6).prop_map(|fields| fields
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_tree_makes_it_panic(steps in any_value(), slots in any_value(), inputs in any_value(), rest in any_value()) {
        let apps = super::apps();
        let text = json!({"flow": "a", "trigger": {"on_demand": {}}, "steps": steps, "connections": slots, "inputs": inputs, "outputs": rest}).to_string();
        let parsed = parse(&text, &apps);
        prop_assert_eq!(parsed.draft.is_none(), parsed.diagnostics.iter().any(crate::diagnostic::Diagnostic::is_error));
        if let Some(draft) = parsed.draft {
            prop_assert!(Plan::compile(&draft.flow, &apps).is_ok());
        }
        let _ = without_build_time(&text);
    }
}

#[test]
fn a_flow_has_a_bounded_number_of_steps() {
    let steps: String = (0..10_001)
        .map(|n| format!("  s{n}: {{uses: core.set}}\n"))
        .collect();
    let parsed = parse(
        &format!("flow: a\ntrigger: {{on_demand: {{}}}}\nsteps:\n{steps}"),
        &super::apps(),
    );
    assert_eq!(
        parsed
            .diagnostics
            .iter()
            .map(|fault| fault.code)
            .collect::<Vec<_>>(),
        ["too_many_steps"]
    );
}

#[test]
fn a_thousand_effects_in_no_order_are_checked_quickly() {
    let steps: String = (0..1000)
        .map(|n| format!("  s{n}: {{uses: sandbox_crm.create_record, with: {{object: T}}}}\n"))
        .collect();
    let text = format!(
        "flow: a\ntrigger: {{on_demand: {{}}}}\nconnections: {{crm: {{app: sandbox_crm, dynamic: {{}}}}}}\nsteps:\n{steps}"
    );
    let parsed = parse(&text, &super::apps());
    assert_eq!(parsed.diagnostics.len(), 999);
    let longest = parsed
        .diagnostics
        .iter()
        .map(|fault| fault.message.len())
        .max();
    assert!(longest < Some(500), "{longest:?}");
}

#[test]
fn zz_time() {
    let apps = super::apps();
    let time = |name: &str, text: String| {
        let t = std::time::Instant::now();
        let parsed = parse(&text, &apps);
        let a = t.elapsed();
        let n = parsed.diagnostics.len();
        let code = parsed.diagnostics.first().map(|d| d.code);
        let (mut b, mut c) = (a, a);
        if let Some(draft) = parsed.draft {
            let t = std::time::Instant::now();
            let doc = crate::flow::canonical(&draft.flow);
            let _f: crate::flow::Flow = serde_json::from_str(&doc).unwrap();
            b = t.elapsed();
            let t = std::time::Instant::now();
            let p = Plan::compile(&draft.flow, &apps);
            c = t.elapsed();
            assert!(p.is_ok());
        }
        eprintln!("{name}: {} KB parse {a:?} ({n} diags {code:?}) canonical {b:?} compile {c:?}", text.len() / 1024);
    };
    let head = "flow: a\ntrigger: {on_demand: {}}\nconnections: {crm: {app: sandbox_crm, dynamic: {}}}\nsteps:\n";
    let chain = |n: usize, indent: &str, rev: bool| -> String {
        (0..n).map(|k| {
            let k = if rev { n - 1 - k } else { k };
            if k == 0 { format!("{indent}s0: {{uses: core.set, with: {{x: a}}}}\n") } else { format!("{indent}s{k}: {{uses: core.set, with: {{x: \"{{{{ steps.s{}.x }}}}\"}}}}\n", k - 1) }
        }).collect()
    };
    time("chain", format!("{head}{}", chain(10_000, "  ", false)));
    time("reverse", format!("{head}{}", chain(10_000, "  ", true)));
    time("nested", format!("{head}  a:\n    for_each: \"[1]\"\n    steps:\n{}", chain(9_999, "      ", false)));
    let wide: String = (0..9_000).map(|n| format!("  s{n}: {{uses: sandbox_crm.create_record, with: {{object: T}}}}\n")).collect();
    time("unordered", format!("{head}{wide}"));
    let unknown: String = (0..9_000).map(|n| format!("  s{n}: {{uses: core.set, with: {{x: \"{{{{ steps.t{n} }}}}\"}}}}\n")).collect();
    time("unknown", format!("{head}{unknown}"));
    let cases: String = (0..9_000).map(|n| format!("      c{n}: {{steps: {{}}}}\n")).collect();
    time("cases", format!("{head}  a:\n    switch: \"'c1'\"\n    cases:\n{cases}"));
    let inputs: String = (0..20_000).map(|n| format!("  i{n}: {{}}\n")).collect();
    time("inputs", format!("flow: a\ntrigger: {{on_demand: {{}}}}\ninputs:\n{inputs}steps: {{a: {{uses: core.set}}}}\n"));
    let slots: String = (0..9_000).map(|n| format!("  i{n}: {{app: sandbox_crm, dynamic: {{}}}}\n")).collect();
    time("slots", format!("flow: a\ntrigger: {{on_demand: {{}}}}\nconnections:\n{slots}steps: {{a: {{uses: core.set}}}}\n"));
    let outs: String = (0..20_000).map(|n| format!("  i{n}: 1\n")).collect();
    time("outputs", format!("{head}  a: {{uses: core.set}}\noutputs:\n{outs}"));
}
