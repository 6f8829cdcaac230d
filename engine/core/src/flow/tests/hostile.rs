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
        "while",
        "until",
        "max_rounds",
        "switch",
        "cases",
        "on_error",
        "error",
        "undo",
        "item",
        "schedule",
        "cron",
        "webhook",
        "verify",
        "concurrency",
        "key",
        "core.approve",
        "core.run_flow",
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
    fn no_tree_makes_it_panic(steps in any_value(), slots in any_value(), inputs in any_value(), rest in any_value(), trigger in any_value()) {
        let apps = super::apps();
        let plain = json!({"flow": "a", "trigger": {"on_demand": {}}, "steps": steps, "connections": slots, "inputs": inputs, "outputs": rest});
        let inside = json!({"a": {"for_each": steps, "steps": steps, "on_error": rest, "undo": inputs}, "b": {"switch": rest, "cases": steps, "default": slots}});
        let nested = json!({"flow": "a", "trigger": trigger, "steps": inside, "connections": slots, "inputs": inputs, "outputs": rest, "on_error": rest, "concurrency": trigger});
        for text in [plain.to_string(), nested.to_string()] {
        let parsed = parse(&text, &apps);
        prop_assert_eq!(parsed.draft.is_none(), parsed.diagnostics.iter().any(crate::diagnostic::Diagnostic::is_error));
        if let Some(draft) = parsed.draft {
            prop_assert!(Plan::compile(&draft.flow, &apps).is_ok());
        }
        let _ = without_build_time(&text);
        }
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

/// A chain as long as there may be, in the order of the file or against it, with a head of its own.
fn chain(steps: usize, indent: &str, backwards: bool) -> String {
    let step = |n: usize| {
        let n = if backwards { steps - 1 - n } else { n };
        match n.checked_sub(1) {
            None => format!("{indent}s0: {{uses: core.set, with: {{x: a}}}}\n"),
            Some(before) => format!(
                "{indent}s{n}: {{uses: core.set, with: {{x: \"{{{{ steps.s{before}.x }}}}\"}}}}\n"
            ),
        }
    };
    (0..steps).map(step).collect()
}

#[test]
fn ten_thousand_steps_are_checked_and_compiled_however_they_stand() {
    let head = "flow: a\ntrigger: {on_demand: {}}\nsteps:\n";
    let (forth, back) = (chain(10_000, "  ", false), chain(10_000, "  ", true));
    let inside = chain(9_999, "      ", false);
    for steps in [
        forth,
        back.clone(),
        format!("  a:\n    for_each: \"[1]\"\n    steps:\n{inside}"),
    ] {
        let parsed = parse(&format!("{head}{steps}"), &super::apps());
        let flow = parsed.draft.unwrap().flow;
        let plan = Plan::compile(&flow, &super::apps()).unwrap();
        assert_eq!(plan.steps.len(), 10_000);
        let later = plan.steps.iter().enumerate();
        assert!(
            later
                .into_iter()
                .all(|(n, step)| step.needs.iter().all(|need| *need < n))
        );
    }
    // The same with its ends tied together is one cycle.
    let tied = back.replace("x: a}", "x: \"{{ steps.s9999.x }}\"}");
    let parsed = parse(&format!("{head}{tied}"), &super::apps());
    let faults: Vec<_> = parsed.diagnostics.iter().map(|fault| fault.code).collect();
    assert_eq!(faults, ["cycle"]);
}
