//! The flows that are simulated: a fixed set that has every construct, and small ones put together by dice. `tag` makes what they do their own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use actas_core::flow::{Flow, canonical, parse};

use crate::sky::Dice;
use crate::town;

const HEAD: &str = "trigger: {on_demand: {}}\ninputs: {tag: {type: string, default: t}}\n";

/// Name, text behind the head, and the flows it needs.
const FIXED: &[(&str, &str, &[&str])] = &[
    ("chain", "
steps:
  a: {uses: toy.touch, with: {word: '{{ inputs.tag }}/a'}}
  b: {uses: core.set, with: {word: '{{ steps.a.word }}'}}
  c: {uses: toy.touch, needs: [b], with: {word: '{{ inputs.tag }}/c'}, retry: {attempts: 4, first_delay: 1s, max_delay: 2s}}
  d: {uses: toy.touch, needs: [c], with: {word: '{{ inputs.tag }}/d'}, timeout: 2s}
", &[]),
    ("fan", "
steps:
  a: {uses: toy.look, with: {word: '{{ inputs.tag }}/a'}, retry: {attempts: 5, first_delay: 1s}}
  b: {uses: toy.touch, needs: [a], with: {word: '{{ inputs.tag }}/b'}, on_error: continue}
  c: {uses: toy.touch, needs: [a], with: {word: '{{ inputs.tag }}/c'}, retry: {attempts: 3, first_delay: 1s}}
  d: {uses: toy.touch, needs: [a], if: '{{ false }}', with: {word: '{{ inputs.tag }}/d'}}
  e: {uses: toy.touch, needs: [b, c, d], with: {word: '{{ inputs.tag }}/e'}}
", &[]),
    ("waits", "
steps:
  a: {uses: toy.touch, with: {word: '{{ inputs.tag }}/a', call_back: '{{ callbacks.back }}'}}
  nap: {uses: core.wait, needs: [a], with: {for: 4}}
  ok: {uses: core.approve, needs: [nap], with: {who: ben, title: Go on}}
  back: {uses: core.wait_for_callback, needs: [a]}
  b: {uses: toy.touch, needs: [ok, back], with: {word: '{{ inputs.tag }}/b'}}
", &[]),
    ("inner", "
steps:
  a: {uses: toy.touch, with: {word: '{{ inputs.tag }}/in'}}
  ok: {uses: core.approve, needs: [a], with: {who: ben, title: Go on}}
outputs: {word: '{{ steps.a.word }}'}
", &[]),
    ("outer", "
steps:
  one: {uses: core.run_flow, with: {flow: inner, inputs: {tag: '{{ inputs.tag }}1'}}}
  two: {uses: core.run_flow, with: {flow: chain, inputs: {tag: '{{ inputs.tag }}2'}}}
  last: {uses: toy.touch, needs: [one, two], with: {word: '{{ inputs.tag }}/last'}}
", &["inner", "chain"]),
    ("loops", "
steps:
  lines:
    for_each: '{{ [1, 2, 3] }}'
    parallel: 2
    steps:
      a: {uses: toy.touch, with: {word: '{{ inputs.tag }}/a{{ item }}'}}
      b: {uses: toy.touch, needs: [a], with: {word: '{{ inputs.tag }}/b{{ item }}'}}
    outputs: {word: '{{ steps.b.word }}'}
  poll:
    until: 'steps.n.n >= 2'
    max_rounds: 3
    needs: [lines]
    steps:
      get: {uses: toy.touch, with: {word: '{{ inputs.tag }}/round{{ index }}'}}
      n: {uses: core.set, needs: [get], with: {n: '{{ index + 1 }}'}}
  route:
    switch: '{{ steps.lines.count }}'
    needs: [poll]
    cases:
      '3': {steps: {one: {uses: toy.touch, with: {word: '{{ inputs.tag }}/three'}}}}
    default: {steps: {other: {uses: toy.touch, with: {word: '{{ inputs.tag }}/other'}}}}
", &[]),
    ("failing", "
steps:
  a:
    uses: toy.touch
    with: {word: '{{ inputs.tag }}/a'}
    undo: {uses: toy.back, with: {word: '{{ inputs.tag }}/undo'}}
  mend:
    uses: core.fail
    needs: [a]
    with: {message: broken}
    on_error:
      steps: {keep: {uses: toy.touch, with: {word: '{{ inputs.tag }}/kept'}}}
      outputs: {word: kept}
  last: {uses: core.fail, needs: [mend], with: {message: over}}
on_error: {steps: {report: {uses: toy.touch, with: {word: '{{ inputs.tag }}/report'}}}}
", &[]),
    ("once", "
steps:
  a: {uses: toy.touch, with: {word: '{{ inputs.tag }}/a'}}
  hit: {uses: toy.hit, needs: [a], with: {word: '{{ inputs.tag }}/hit'}}
  b: {uses: toy.touch, needs: [hit], with: {word: '{{ inputs.tag }}/b'}}
", &[]),
    ("line", "
concurrency: {limit: 1, when_full: queue}
steps:
  a: {uses: toy.touch, with: {word: '{{ inputs.tag }}/a'}}
  nap: {uses: core.wait, needs: [a], with: {for: 3}}
  b: {uses: toy.touch, needs: [nap], with: {word: '{{ inputs.tag }}/b'}}
", &[]),
    ("paced", "
steps:
  lines:
    for_each: '{{ range(4) }}'
    parallel: 4
    steps: {a: {uses: slow.touch, with: {word: '{{ inputs.tag }}/a{{ item }}'}, retry: {attempts: 3, first_delay: 1s}}}
", &[]),
    ("long", "
steps:
  lines:
    for_each: '{{ range(260) }}'
    on_item_error: continue
    steps: {told: {uses: toy.touch, if: '{{ item % 100 == 7 }}', with: {word: '{{ inputs.tag }}/{{ item }}'}}}
    outputs: {n: '{{ item }}'}
", &[]),
    ("mine", "
connections: {crm: {app: sandbox_crm, dynamic: {why: to act as you}}}
steps:
  a: {uses: toy.touch, with: {word: '{{ inputs.tag }}/a'}}
  b: {uses: sandbox_crm.create_record, needs: [a], with: {object: Thing, fields: {word: '{{ inputs.tag }}/b', for: '{{ run.user.name | lower }}'}}, retry: {attempts: 3, first_delay: 1s}}
  nap: {uses: core.wait, needs: [b], with: {for: 12}}
  c: {uses: sandbox_crm.create_record, needs: [nap], with: {object: Thing, fields: {word: '{{ inputs.tag }}/c', for: '{{ run.user.name | lower }}'}}, retry: {attempts: 3, first_delay: 1s}}
", &[]),
    ("when-needed", "
connections: {crm: {app: sandbox_crm, dynamic: {ask: when_needed, why: to act as you}}}
steps:
  a: {uses: toy.touch, with: {word: '{{ inputs.tag }}/a'}}
  b: {uses: sandbox_crm.create_record, needs: [a], with: {object: Thing, fields: {word: '{{ inputs.tag }}/b', for: '{{ run.user.name | lower }}'}}, retry: {attempts: 3, first_delay: 1s}}
  c: {uses: toy.touch, needs: [b], with: {word: '{{ inputs.tag }}/c'}}
", &[]),
    ("kept-once", "
connections: {crm: {app: sandbox_crm, dynamic: {keep: run, why: to act as you}}}
steps:
  b: {uses: sandbox_crm.create_record, with: {object: Thing, fields: {word: '{{ inputs.tag }}/b', for: '{{ run.user.name | lower }}'}}, retry: {attempts: 3, first_delay: 1s}}
", &[]),
    ("team", "
connections:
  mine: {app: sandbox_crm, dynamic: {why: to act as you}}
  team: {app: sandbox_crm, connection: team-crm}
steps:
  a: {uses: sandbox_crm.create_record, connection: mine, with: {object: Thing, fields: {word: '{{ inputs.tag }}/a', for: '{{ run.user.name | lower }}'}}}
  b: {uses: sandbox_crm.create_record, connection: team, needs: [a], with: {object: Thing, fields: {word: '{{ inputs.tag }}/b', for: team}}}
", &[]),
];

/// A flow as it is published.
#[derive(Debug)]
pub struct Text {
    pub flow: Flow,
    pub canonical: String,
}

thread_local! {
    static READ: RefCell<HashMap<String, Rc<Text>>> = RefCell::default();
}

/// A flow, read once per thread: that takes longer than to run it.
pub fn read(text: &str) -> Rc<Text> {
    READ.with(|known| {
        if let Some(read) = known.borrow().get(text) {
            return read.clone();
        }
        let parsed = parse(text, &town::apps().0);
        let flow = match parsed.draft {
            Some(draft) => draft.flow,
            None => panic!("{text}\n{:#?}", parsed.diagnostics),
        };
        let canonical = canonical(&flow);
        let read = Rc::new(Text { flow, canonical });
        known.borrow_mut().insert(text.to_owned(), read.clone());
        read
    })
}

pub fn fixed(name: &str) -> String {
    let (_, text, _) = FIXED.iter().find(|(other, ..)| *other == name).unwrap();
    format!("flow: {name}\n{HEAD}{text}")
}

/// One flow of the fixed set, with those it needs before it; or one of the dice's own.
pub fn pick(dice: &mut Dice) -> Vec<String> {
    if dice.one_in(3) {
        return vec![made(&mut Dice(dice.below(60)))];
    }
    let number = usize::try_from(dice.below(FIXED.len() as u64)).unwrap();
    let (name, _, needs) = FIXED[number];
    if name == "long" && !dice.one_in(6) {
        return vec![fixed("chain")];
    }
    needs
        .iter()
        .chain([&name])
        .map(|name| fixed(name))
        .collect()
}

/// The small ones: whose crashes are tried two by two.
pub fn small() -> Vec<Vec<String>> {
    ["chain", "failing", "once", "when-needed"]
        .map(|name| vec![fixed(name)])
        .to_vec()
}

/// A flow of some steps that need some of those before them.
fn made(dice: &mut Dice) -> String {
    let number = dice.0;
    let mut text = format!("flow: made-{number}\n{HEAD}steps:\n");
    let count = 2 + dice.below(5);
    for step in 0..count {
        let needs: Vec<String> = (0..step)
            .filter(|_| dice.one_in(2))
            .map(|n| format!("s{n}"))
            .collect();
        let needs = format!("needs: [{}]", needs.join(", "));
        let word = format!("word: '{{{{ inputs.tag }}}}/s{step}'");
        let line = match dice.below(9) {
            0 => format!("{{uses: core.set, {needs}, with: {{{word}}}}}"),
            1 => format!(
                "{{uses: toy.look, {needs}, with: {{{word}}}, retry: {{attempts: 3, first_delay: 1s}}}}"
            ),
            2 => format!("{{uses: toy.hit, {needs}, with: {{{word}}}, on_error: continue}}"),
            3 => format!(
                "{{uses: core.wait, {needs}, with: {{for: {}}}}}",
                1 + dice.below(5)
            ),
            4 => format!(
                "{{uses: toy.touch, {needs}, with: {{{word}}}, undo: {{uses: toy.back, with: {{word: '{{{{ inputs.tag }}}}/u{step}'}}}}}}"
            ),
            5 if step > 1 => {
                format!("{{uses: core.fail, {needs}, with: {{message: no}}, on_error: continue}}")
            }
            6 => format!("{{uses: core.approve, {needs}, with: {{who: ben, title: Go on}}}}"),
            _ => format!(
                "{{uses: toy.touch, {needs}, with: {{{word}}}, retry: {{attempts: 3, first_delay: 1s}}}}"
            ),
        };
        writeln!(text, "  s{step}: {line}").unwrap();
    }
    text
}

thread_local! {
    static PLANS: RefCell<HashMap<String, std::sync::Arc<actas_core::flow::Plan>>> = RefCell::default();
}

/// A flow compiled, once per thread.
pub fn plan(text: &str) -> std::sync::Arc<actas_core::flow::Plan> {
    let read = read(text);
    PLANS.with(|known| {
        known
            .borrow_mut()
            .entry(text.to_owned())
            .or_insert_with(|| {
                let plan = actas_core::flow::Plan::compile(&read.flow, &town::apps().0);
                std::sync::Arc::new(plan.unwrap())
            })
            .clone()
    })
}
