//! What hostile expressions take of the machine, in a process of their own: the memory at its highest, whole budgets.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use actas_core::expr::{Scope, Spent, Template};
use serde_json::Value;

#[path = "../src/expr/tests/generator.rs"]
mod generator;

use generator::{Dice, expression, inputs};

/// What one evaluation may take besides its data, in MB: its bytes, times what a map takes more than it counts for, and what its steps
/// hold of borrowed items.
const MOST: u64 = 200;

/// As long a list as may be gone through at all, and as many maps as may be copied: the smallest values, which take most for what they
/// count for.
const LONG: &[&str] = &[
    "inputs.numbers | sort | length",
    "inputs.numbers | sort | reverse | list",
    "inputs.numbers | unique | length",
    "inputs.numbers | batch(1) | length",
    "inputs.numbers | zip(inputs.numbers) | length",
    "inputs.numbers | map('string') | length",
    "inputs.numbers | tojson | from_json | length",
    "[inputs.numbers, inputs.numbers, inputs.numbers]",
    "inputs.maps | groupby('a') | length",
    "inputs.maps | map('items') | length",
    "inputs.maps | map('combine', {'b': 1}) | length",
    "[inputs.maps, inputs.maps, inputs.maps, inputs.maps]",
    "inputs.maps | tojson | from_json | length",
    "inputs.maps | index_by('a') | length",
    "inputs.maps | union(inputs.maps) | length",
];

/// A number of kB from what the kernel says of this process.
fn kilobytes(of: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(of)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn no_hostile_expression_takes_more_memory_than_its_budget_stands_for() {
    let scope = Scope {
        roots: vec![("inputs", Arc::new(inputs(2000)))],
        ..Scope::default()
    };
    let long = Scope {
        roots: vec![(
            "inputs",
            Arc::new(serde_json::json!({
                "numbers": (0..1_000_000).collect::<Vec<_>>(),
                "maps": (0..150_000).map(|n| serde_json::json!({"a": n})).collect::<Vec<_>>(),
            })),
        )],
        ..Scope::default()
    };
    let before = kilobytes("VmRSS");
    for text in LONG {
        let template = Template::compile(&Value::from(format!("{{{{ {text} }}}}"))).unwrap();
        let _ = template.evaluate(&long);
        let taken = (kilobytes("VmHWM") - before) / 1024;
        assert!(taken < MOST, "{taken} MB after {text}");
    }
    let mut bounded = 0;
    let texts = (1..).flat_map(|seed| expression(&mut Dice::new(seed)).pop());
    for text in texts.take(400) {
        let Ok(template) = Template::compile(&Value::from(format!("{{{{ {text} }}}}"))) else {
            continue;
        };
        let (outcome, _) = template.evaluate_within(&scope, Spent::most());
        bounded += u32::from(
            outcome.is_err_and(|error| error.code.as_deref() == Some("expression_budget")),
        );
        let taken = (kilobytes("VmHWM") - before) / 1024;
        assert!(taken < MOST, "{taken} MB after {text}");
    }
    assert!(bounded > 20, "{bounded} over budget");
}
