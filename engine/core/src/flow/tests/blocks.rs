//! Flows with steps inside steps, made into plans: blocks, numbers, needs that reach further out.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use crate::flow::plan::{BlockOutputs, OnErrorPlan, Work};
use crate::flow::{Flow, Plan, SlotKind, canonical, digest, parse};

fn flow(text: &str) -> Flow {
    let text = format!("flow: a\ntrigger: {{on_demand: {{}}}}\n{text}");
    let parsed = parse(&text, &super::apps());
    parsed
        .draft
        .unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics))
        .flow
}

/// The plan as a person reads it; a flow that was read back gives the same.
fn plan(text: &str, expected: Expect) {
    let flow = flow(text);
    let plan = Plan::compile(&flow, &super::apps()).unwrap();
    let shown = show(&plan);
    let read: Flow = serde_json::from_str(&canonical(&flow)).unwrap();
    assert_eq!(
        (canonical(&read), digest(&read, &[])),
        (canonical(&flow), digest(&flow, &[]))
    );
    assert_eq!(show(&Plan::compile(&read, &super::apps()).unwrap()), shown);
    expected.assert_eq(&shown);
}

fn show(plan: &Plan) -> String {
    let mut text = String::new();
    for (number, block) in plan.blocks.iter().enumerate() {
        let outputs = match &block.outputs {
            BlockOutputs::ByStep => "by step".to_owned(),
            BlockOutputs::Named(named) => {
                format!("{:?}", named.iter().map(|(n, _)| n).collect::<Vec<_>>())
            }
            BlockOutputs::Whole(step) => format!("all of {step}"),
        };
        let owner = block
            .owner
            .map_or_else(String::new, |owner| format!(" of {owner}"));
        writeln!(text, "{number} {:?}{owner}: gives {outputs}", block.role).unwrap();
        for step in block.steps.clone() {
            let planned = &plan.steps[step];
            assert_eq!(planned.block, number);
            assert!(
                planned
                    .needs
                    .iter()
                    .all(|need| block.steps.contains(need) && *need < step)
            );
            let work = match &planned.work {
                Work::Module(module) => module.module.name.clone(),
                Work::Hold { kind, .. } => format!("hold {kind:?}"),
                Work::Each {
                    parallel,
                    body,
                    on_item_error,
                    ..
                } => {
                    format!("each {parallel} at once in {body} ({on_item_error:?})")
                }
                Work::Repeat {
                    until,
                    max_rounds,
                    body,
                    every,
                    ..
                } => {
                    format!("repeat {body} until {until} at most {max_rounds} every {every:?}")
                }
                Work::Switch { cases, default, .. } => format!("switch {cases:?} or {default:?}"),
            };
            write!(
                text,
                "  {step} {}: {work}, needs {:?}",
                planned.path, planned.needs
            )
            .unwrap();
            if !planned.outer.is_empty() {
                write!(text, ", outer {:?}", planned.outer).unwrap();
            }
            if !planned.guarded.is_empty() {
                write!(text, ", guarded {:?}", planned.guarded).unwrap();
            }
            if planned.on_error != OnErrorPlan::Fail {
                write!(text, ", {:?}", planned.on_error).unwrap();
            }
            if planned.has_undo {
                write!(text, ", undo {:?}", planned.undo).unwrap();
            }
            text.push('\n');
        }
    }
    for slot in &plan.slots {
        writeln!(
            text,
            "{} used by {:?}, may be needed {}, of {:?}",
            slot.name, slot.used_by, slot.may_be_needed, slot.of
        )
        .unwrap();
    }
    text
}

#[test]
fn a_loop_is_one_step_outside_and_its_steps_look_further_out() {
    plan(
        r#"inputs: {lines: {type: array, items: {type: object, properties: {n: {type: integer}}}}}
steps:
  after: {uses: core.set, with: {x: "{{ steps.lines.items }}"}}
  lines:
    for_each: inputs.lines
    parallel: 8
    on_item_error: continue
    steps:
      second: {uses: core.set, with: {x: "{{ steps.first.n + steps.base.n }}", i: "{{ index }}"}}
      first: {uses: core.set, with: {n: "{{ item.n }}"}}
      inner:
        for_each: "{{ range(3) | list }}"
        uses: core.set
        with: {x: "{{ steps.deep.x }} {{ item }}"}
    outputs: {x: "{{ steps.second.x }}", y: "{{ steps.inner.items }}"}
  base: {uses: core.set, with: {n: 1}}
  deep: {uses: core.set, with: {x: 2}}
"#,
        expect![[r#"
            0 Root: gives []
              0 base: set, needs []
              1 deep: set, needs []
              2 lines: each 8 at once in 1 (Continue), needs [0, 1]
              3 after: set, needs [2]
            1 Item of 2: gives ["x", "y"]
              4 lines/first: set, needs []
              5 lines/second: set, needs [4], outer [0]
              6 lines/inner: each 1 at once in 2 (Fail), needs [], outer [1]
            2 Item of 6: gives all of 7
              7 lines/inner/do: set, needs [], outer [1]
        "#]],
    );
}

#[test]
fn rounds_cases_handlers_and_undo_are_blocks() {
    plan(
        r##"connections: {crm: {app: sandbox_crm, dynamic: {}}, late: {app: sandbox_crm, dynamic: {}}}
steps:
  poll:
    until: steps.get.done and index < 3
    every: 10s
    max_rounds: 60
    steps: {get: {uses: core.set, with: {done: true}}}
  route:
    switch: steps.create.object
    cases:
      Task: {steps: {tell: {uses: core.log, with: {message: task}}}, outputs: {said: true}}
      Case: {steps: {tell: {uses: sandbox_crm.post_message, connection: late, with: {channel: "#a", text: "done: {{ steps.poll.get.done }}"}}}}
    default: {steps: {}}
  create:
    needs: [poll]
    uses: sandbox_crm.create_record
    connection: crm
    with: {object: Task}
    undo: {uses: sandbox_crm.delete_record, connection: crm, with: {object: Task, id: "{{ steps.create.id }}", }}
    on_error: {steps: {keep: {uses: core.set, with: {x: "{{ error.message }}"}}}, outputs: {id: none, object: "{{ steps.keep.x }}"}}
  soft: {uses: core.check, with: {that: false}, on_error: continue}
on_error: {steps: {report: {uses: core.log, with: {message: "{{ error.step }} {{ steps.create.id | default('') }}"}}}, outputs: {id: none}}
outputs: {id: "{{ steps.create.id }}"}
"##,
        expect![[r#"
            0 Root: gives ["id"]
              0 poll: repeat 2 until true at most 60 every Some(10s), needs []
              1 create: create_record, needs [0], Handle(3, true), undo Some(4)
              2 route: switch [("Task", 5), ("Case", 6)] or Some(7), needs [0, 1]
              3 soft: check, needs [], Continue
            1 FlowHandler: gives ["id"]
              4 on_error/report: log, needs [], outer [1]
            2 Round of 0: gives by step
              5 poll/get: set, needs []
            3 Handler of 1: gives ["id", "object"]
              6 create/on_error/keep: set, needs []
            4 Undo of 1: gives all of 7
              7 create/undo: delete_record, needs [], outer [1]
            5 Case of 2: gives ["said"]
              8 route/tell: log, needs []
            6 Case of 2: gives by step
              9 route/tell: post_message, needs [], outer [0]
            7 Case of 2: gives by step
            crm used by [1, 7], may be needed false, of None
            late used by [9], may be needed true, of None
        "#]],
    );
}

#[test]
fn whoever_acts_as_an_approver_waits_for_the_approval() {
    plan(
        r#"connections:
  crm: {app: sandbox_crm, dynamic: {}}
  boss: {app: sandbox_crm, dynamic: {of: approve}}
steps:
  lines:
    for_each: "[1, 2]"
    steps: {sign: {uses: sandbox_crm.create_record, connection: boss, with: {object: "Note"}}}
  child: {uses: core.run_flow, needs: [lines], with: {flow: other, connections: {itsm: crm}}}
  approve: {uses: core.approve, with: {who: ben}}
outputs: {a: "{{ steps.lines.items }}"}
"#,
        expect![[r#"
            0 Root: gives ["a"]
              0 approve: hold Approve, needs []
              1 lines: each 1 at once in 1 (Fail), needs [0]
              2 child: hold RunFlow, needs [1]
            1 Item of 1: gives by step
              3 lines/sign: create_record, needs [], outer [0]
            crm used by [2], may be needed false, of None
            boss used by [3], may be needed false, of Some(0)
        "#]],
    );
}

#[test]
fn asking_whether_something_further_out_is_there_does_not_need_it() {
    plan(
        r#"inputs: {go: {type: boolean}}
steps:
  maybe: {uses: core.set, if: inputs.go, with: {x: 1}}
  soft:
    for_each: "[1]"
    steps: {a: {uses: core.log, if: steps.maybe is defined, with: {message: "x {{ steps.maybe.x }}"}}}
  hard:
    for_each: "[1]"
    steps:
      a: {uses: core.log, if: steps.maybe is defined, with: {message: "x {{ steps.maybe.x }}"}}
      b: {uses: core.log, with: {message: "x {{ steps.maybe.x }}"}}
  itself:
    for_each: "[1]"
    if: steps.maybe is defined
    steps: {b: {uses: core.log, with: {message: "x {{ steps.maybe.x }}"}}}
"#,
        expect![[r#"
            0 Root: gives []
              0 maybe: set, needs []
              1 soft: each 1 at once in 1 (Fail), needs [0], guarded [0]
              2 hard: each 1 at once in 2 (Fail), needs [0]
              3 itself: each 1 at once in 3 (Fail), needs [0], guarded [0]
            1 Item of 1: gives by step
              4 soft/a: log, needs [], outer [0]
            2 Item of 2: gives by step
              5 hard/a: log, needs [], outer [0]
              6 hard/b: log, needs [], outer [0]
            3 Item of 3: gives by step
              7 itself/b: log, needs [], outer [0]
        "#]],
    );
}

#[test]
fn the_order_of_steps_inside_steps_survives_the_canonical_form() {
    let flow = flow(
        "steps:\n  r:\n    switch: \"'x'\"\n    cases: {z: {steps: {}}, x: {steps: {b: {uses: core.log, with: {message: a}}, a: {uses: core.log, with: {message: a}}}, outputs: {q: 1, p: 2}}}\n",
    );
    let text = canonical(&flow);
    let read: Flow = serde_json::from_str(&text).unwrap();
    let cases: Vec<&String> = read.steps[0].cases.keys().collect();
    assert_eq!(cases, ["z", "x"]);
    let body = &read.steps[0].cases["x"];
    assert_eq!(
        body.steps
            .keys()
            .map(crate::ids::StepId::as_str)
            .collect::<Vec<_>>(),
        ["b", "a"]
    );
    assert_eq!(
        body.outputs.as_ref().unwrap().keys().collect::<Vec<_>>(),
        ["q", "p"]
    );
    expect![[r#"{"flow":"a","language":1,"steps":{"r":{"cases":[{"z":{"steps":{}}},{"x":{"outputs":[{"q":1},{"p":2}],"steps":[{"b":{"uses":"core.log","with":{"message":"a"}}},{"a":{"uses":"core.log","with":{"message":"a"}}}]}}],"switch":"'x'"}},"trigger":{"on_demand":{}}}"#]].assert_eq(&text);
}

#[test]
fn a_name_means_the_nearest_step_around_it() {
    let flow = flow(
        "steps:\n  out: {uses: core.set, with: {x: 1}}\n  l:\n    for_each: \"[1]\"\n    steps: {in: {uses: core.log, with: {message: \"x {{ steps.out.x }}\"}}}\n",
    );
    let plan = Plan::compile(&flow, &super::apps()).unwrap();
    let body = plan.steps[plan.step(&"l/in".parse().unwrap()).unwrap()].block;
    assert_eq!(
        plan.steps[plan.find(body, "out").unwrap()].id.as_str(),
        "out"
    );
    assert_eq!(plan.find(0, "in"), None);
    assert_eq!(plan.find(body, "in"), plan.step(&"l/in".parse().unwrap()));
}

#[test]
fn a_connection_that_was_switched_off_is_the_shared_one_it_names() {
    let flow = flow(
        "connections: {crm: {app: sandbox_crm, dynamic: {enabled: false, parent: team, of: nobody}}}\nsteps: {a: {uses: sandbox_crm.get_me}}\n",
    );
    let plan = Plan::compile(&flow, &super::apps()).unwrap();
    let SlotKind::Connection(name) = &plan.slots[0].slot.kind else {
        panic!("{:?}", plan.slots[0]);
    };
    assert_eq!((name.as_str(), plan.slots[0].of), ("team", None));
    assert!(matches!(&flow.connections[0].kind, SlotKind::Dynamic(_)));
}
