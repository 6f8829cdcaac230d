//! The flows of the loads. Every one gives back `customer` in capitals with `/5` behind it, so that one generator can check them all.

use std::fmt::Write as _;

/// The loads that post one run after the other: the name, and how many steps a run has.
pub const LOADS: [(&str, usize); 6] = [
    ("P", 5),
    ("J", 5),
    ("CP", WIDE),
    ("CJ", WIDE),
    ("FP", WIDE),
    ("FJ", WIDE),
];

/// The steps of a chain and of a fan-out.
const WIDE: usize = 40;

/// How many items the long loop has.
pub const ITEMS: usize = 100_000;

/// The flow of the long loop.
pub const LONG: &str = "bench-e";

/// The name of a load's flow.
pub fn name(load: &str) -> String {
    format!("bench-{}", load.to_lowercase())
}

/// All of them: name and text.
pub fn all() -> Vec<(String, String)> {
    let mut flows = vec![
        (name("P"), PURE.to_owned()),
        (name("J"), JOURNALED.to_owned()),
        (LONG.to_owned(), long()),
    ];
    for (kind, module) in [("P", "set"), ("J", "touch")] {
        for (shape, chained) in [("C", true), ("F", false)] {
            let name = name(&format!("{shape}{kind}"));
            let text = steps(&name, module, chained);
            flows.push((name, text));
        }
    }
    flows
}

const INPUTS: &str = "trigger: {on_demand: {}}
inputs:
  customer: {type: string, minLength: 1}
  amount: {type: integer, minimum: 1}
  note: {type: string, maxLength: 200}
";

/// *C*: each step after the one before. *F*: one step, then all others side by side.
fn steps(name: &str, module: &str, chained: bool) -> String {
    let mut text = format!(
        "flow: {name}\n{INPUTS}steps:\n  s0:\n    uses: bench.{module}\n    with: {{customer: '{{{{ inputs.customer | upper }}}}', amount: '{{{{ inputs.amount * 2 }}}}'}}\n"
    );
    for step in 1..WIDE {
        let before = if chained { step - 1 } else { 0 };
        // Writing to memory does not fail.
        let _ = write!(
            text,
            "  s{step}:\n    uses: bench.{module}\n    with: {{customer: '{{{{ steps.s{before}.customer }}}}', amount: '{{{{ steps.s{before}.amount + {step} }}}}'}}\n"
        );
    }
    let last = WIDE - 1;
    let _ = writeln!(
        text,
        "outputs: {{customer: '{{{{ steps.s{last}.customer }}}}/5'}}"
    );
    text
}

/// *E*: a list of items, two expressions for each, in batches.
fn long() -> String {
    format!(
        "flow: {LONG}
trigger: {{on_demand: {{}}}}
inputs: {{items: {{type: array}}}}
steps:
  each:
    for_each: inputs.items
    parallel: 16
    steps:
      one:
        uses: bench.set
        with: {{n: '{{{{ item + 1 }}}}', index: '{{{{ index }}}}'}}
    outputs: {{n: '{{{{ steps.one.n }}}}'}}
outputs: {{count: '{{{{ steps.each.count }}}}'}}
"
    )
}

/// *P*: five pure steps, a → (b, c) → d → e, two expressions each.
const PURE: &str = "
flow: bench-p
trigger: {on_demand: {}}
inputs:
  customer: {type: string, minLength: 1}
  amount: {type: integer, minimum: 1}
  note: {type: string, maxLength: 200}
steps:
  a:
    uses: bench.set
    with: {customer: '{{ inputs.customer | upper }}', amount: '{{ inputs.amount * 2 }}'}
  b:
    uses: bench.set
    with: {customer: '{{ steps.a.customer }}', amount: '{{ steps.a.amount + 1 }}'}
  c:
    uses: bench.set
    with: {note: '{{ inputs.note }}!', amount: '{{ steps.a.amount - 1 }}'}
  d:
    uses: bench.set
    with: {customer: '{{ steps.b.customer }}', amount: '{{ steps.b.amount + steps.c.amount }}'}
  e:
    uses: bench.set
    with: {customer: '{{ steps.d.customer }}/5', amount: '{{ steps.d.amount + 1 }}'}
outputs: {customer: '{{ steps.e.customer }}', amount: '{{ steps.e.amount }}'}
";

/// *J*: five idempotent effects in a row, each committed before the next begins.
const JOURNALED: &str = "
flow: bench-j
trigger: {on_demand: {}}
inputs:
  customer: {type: string, minLength: 1}
  amount: {type: integer, minimum: 1}
  note: {type: string, maxLength: 200}
steps:
  a:
    uses: bench.touch
    with: {customer: '{{ inputs.customer | upper }}', amount: '{{ inputs.amount * 2 }}'}
  b:
    uses: bench.touch
    with: {customer: '{{ steps.a.customer }}', amount: '{{ steps.a.amount + 1 }}'}
  c:
    uses: bench.touch
    with: {customer: '{{ steps.b.customer }}', amount: '{{ steps.b.amount + 1 }}'}
  d:
    uses: bench.touch
    with: {customer: '{{ steps.c.customer }}', amount: '{{ steps.c.amount + 1 }}'}
  e:
    uses: bench.touch
    with: {customer: '{{ steps.d.customer }}/5', amount: '{{ steps.d.amount + 1 }}'}
outputs: {customer: '{{ steps.e.customer }}', amount: '{{ steps.e.amount }}'}
";
