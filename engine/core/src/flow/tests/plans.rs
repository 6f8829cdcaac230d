//! Plans, digests and inputs.

use expect_test::expect;
use serde_json::json;

use crate::flow::{Flow, Plan, canonical, digest, parse};
use crate::schema;

fn flow(text: &str) -> Flow {
    let parsed = parse(
        &format!("flow: a\ntrigger: {{on_demand: {{}}}}\n{text}"),
        &super::apps(),
    );
    parsed
        .draft
        .unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics))
        .flow
}

const CRM: &str = "connections: {crm: {app: sandbox_crm, dynamic: {}}}\n";

#[test]
fn steps_are_numbered_so_that_each_comes_after_all_it_needs() {
    let flow = flow(
        r#"steps:
  last: {uses: core.set, needs: [mid, side], if: "steps.mid is defined or failure()"}
  mid: {uses: core.set, with: {x: "{{ steps.first.a }}"}}
  side: {uses: core.set, if: "steps.first is defined"}
  first: {uses: core.set, with: {a: 1}}
"#,
    );
    let plan = Plan::compile(&flow, &super::apps()).unwrap();
    let shown: Vec<String> = plan
        .steps
        .iter()
        .map(|s| {
            format!(
                "{} needs {:?} guarded {:?} failure {} effect {}",
                s.id,
                s.needs,
                s.guarded,
                s.asks_of_failure,
                s.effect.as_str()
            )
        })
        .collect();
    expect![[r#"
        first needs [] guarded [] failure false effect pure
        mid needs [0] guarded [] failure false effect pure
        side needs [0] guarded [0] failure false effect pure
        last needs [1, 2] guarded [1] failure true effect pure"#]]
    .assert_eq(&shown.join("\n"));
    expect!["[[first], [mid, side], [last]]"].assert_eq(&format!("{:?}", plan.waves()));
}

#[test]
fn a_slot_knows_who_uses_it_and_whether_it_may_be_left_out() {
    let flow = flow(
        r#"inputs: {big: {type: boolean}}
connections:
  a: {app: sandbox_crm, dynamic: {}}
  b: {app: sandbox_crm, dynamic: {scopes: [records.write, records.read]}}
steps:
  check: {uses: core.set, if: inputs.big}
  read: {uses: sandbox_crm.list_accounts, connection: a, needs: [check]}
  write: {uses: sandbox_crm.create_record, connection: b, with: {object: Task}}
"#,
    );
    let plan = Plan::compile(&flow, &super::apps()).unwrap();
    let shown: Vec<String> = plan
        .slots
        .iter()
        .map(|s| {
            format!(
                "{} used by {:?} may be needed {} scopes {:?}",
                s.name, s.used_by, s.may_be_needed, s.scopes
            )
        })
        .collect();
    expect![[r#"
        a used by [1] may be needed true scopes ["records.read"]
        b used by [2] may be needed false scopes ["records.read", "records.write"]"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn the_only_fitting_connection_is_filled_in() {
    let flow = flow(&format!(
        "{CRM}steps: {{me: {{uses: sandbox_crm.get_me}}}}\n"
    ));
    assert_eq!(flow.steps[0].connection.as_ref().unwrap().as_str(), "crm");
    expect![[r#"{"connections":{"crm":{"app":"sandbox_crm","dynamic":{"ask":"up_front","keep":"always"}}},"flow":"a","language":1,"steps":{"me":{"connection":"crm","uses":"sandbox_crm.get_me"}},"trigger":{"on_demand":{}}}"#]].assert_eq(&canonical(&flow));
}

#[test]
fn a_flow_whose_module_is_gone_does_not_compile() {
    let flow = flow(&format!(
        "{CRM}steps: {{me: {{uses: sandbox_crm.get_me}}}}\n"
    ));
    let faults = Plan::compile(&flow, &crate::app::Apps::default()).unwrap_err();
    assert!(
        faults.iter().any(|fault| fault.code == "unknown_app"),
        "{faults:?}"
    );
}

#[test]
fn a_digest_is_of_meaning_and_manifests_not_of_writing() {
    let one = flow("steps: {a: {uses: core.set, with: {x: 1, y: 2}}}\n");
    let other = flow("# comment\nsteps:\n  a:\n    with: {y: 2, x: 1}\n    uses: core.set\n");
    let manifests = ["sha256:b".to_owned(), "sha256:a".to_owned()];
    let turned = ["sha256:a".to_owned(), "sha256:b".to_owned()];
    assert_eq!(digest(&one, &manifests), digest(&other, &turned));
    assert_ne!(digest(&one, &manifests), digest(&one, &turned[..1]));
    assert_ne!(
        digest(&one, &[]),
        digest(
            &flow("steps: {a: {uses: core.set, with: {x: 1, y: 3}}}\n"),
            &[]
        )
    );
    assert!(digest(&one, &[]).starts_with("sha256:") && digest(&one, &[]).len() == 71);
}

#[test]
fn the_order_written_survives_the_canonical_form() {
    let flow = flow(
        "inputs: {z: {default: 1}, a: {default: 2}}\nsteps: {z: {uses: core.set, with: {x: \"{{ inputs }}\"}}, b: {uses: core.set}}\n",
    );
    let read: Flow = serde_json::from_str(&canonical(&flow)).unwrap();
    assert_eq!(read.inputs.keys().collect::<Vec<_>>(), ["z", "a"]);
    assert_eq!(canonical(&read), canonical(&flow));
}

/// What an earlier version of the program froze means the same now, byte by byte.
#[test]
fn a_version_frozen_before_reads_back_and_digests_the_same() {
    let frozen = include_str!("frozen.json").trim_end();
    let flow: Flow = serde_json::from_str(frozen).unwrap();
    assert_eq!(canonical(&flow), frozen);
    expect!["sha256:ec75172b3af052c8fda1145f4f4a9f6ccb1716ab3bcd82224940d0f103435928"]
        .assert_eq(&digest(&flow, &["sha256:a".to_owned()]));
    assert_eq!(flow.steps.keys().collect::<Vec<_>>().len(), 4);
    let plan = Plan::compile(&flow, &super::apps()).unwrap();
    assert_eq!((plan.steps.len(), plan.blocks.len()), (4, 1));
}

fn with_inputs() -> Flow {
    flow(
        r#"inputs:
  name: {type: string, title: Customer, minLength: 2}
  amount: {type: number, minimum: 0, default: 1000}
  note: {type: string, required: false}
  lines: {type: array, items: {type: object, required: [sku]}, default: []}
  flag: {type: [boolean, "null"], required: false}
  free: {required: false}
steps: {a: {uses: core.set, with: {x: "{{ inputs }}"}}}
"#,
    )
}

#[test]
fn inputs_get_defaults_or_faults() {
    let flow = with_inputs();
    assert_eq!(
        flow.check_inputs(json!({"name": "ACME"})).unwrap(),
        json!({"name": "ACME", "amount": 1000, "lines": []})
    );
    let faults = flow
        .check_inputs(json!({"amount": -1, "nam": "x", "note": 5, "lines": [{"sku": 1}, {}], "free": 9_007_199_254_740_993_i64}))
        .unwrap_err();
    let shown: Vec<String> = faults
        .iter()
        .map(|fault| format!("{}: {}", fault.path, fault.message))
        .collect();
    expect![[r#"
        /name: the input `name` is missing (Customer)
        /amount: the input `amount`: must be at least 0
        /note: the input `note`: must be a text, not a number
        /lines/1: the input `lines.1`: `sku` is missing
        /free: the input `free` holds an integer beyond ±2^53: give it as a text
        /nam: there is no input `nam` (did you mean `name`?)"#]]
    .assert_eq(&shown.join("\n"));
    assert!(flow.check_inputs(json!([1])).is_err());
    assert_eq!(flow.check_inputs(json!(null)).unwrap_err()[0].path, "/name");
}

#[test]
fn inputs_of_a_command_line_get_their_types() {
    let pairs = [
        ("name", "123"),
        ("amount", "12.5"),
        ("lines", "[{\"sku\": \"a\"}]"),
        ("flag", "true"),
        ("free", "[1]"),
        ("note", "[1]"),
        ("odd", "x"),
    ];
    let pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    expect![[r#"{"amount":12.5,"flag":true,"free":[1],"lines":[{"sku":"a"}],"name":"123","note":"[1]","odd":"x"}"#]].assert_eq(&with_inputs().read_inputs(&pairs).to_string());
    let bad = with_inputs().read_inputs(&[("amount".to_owned(), "much".to_owned())]);
    assert_eq!(bad, json!({"amount": "much"}));
}

#[test]
fn the_schema_for_editors_refuses_what_the_parser_refuses() {
    let schema = schema::Schema::compile(&schema::flow_schema()).unwrap();
    for wrong in [
        json!({"flow": "A b", "trigger": {}, "steps": {}}),
        json!({"flow": "a", "trigger": {}, "steps": {"a": {}}}),
        json!({"flow": "a", "trigger": {}, "steps": {}, "x": 1}),
    ] {
        assert!(!schema.is_valid(&wrong), "{wrong}");
    }
    let flow = schema::flow_schema();
    assert_eq!(
        flow["properties"]["steps"]["additionalProperties"]["$ref"],
        json!("#/$defs/step")
    );
    let step = flow["$defs"]["step"]["properties"]["uses"]["description"].clone();
    assert_eq!(
        step,
        json!("The module: app and module joined by a point, such as `core.set`.")
    );
}
