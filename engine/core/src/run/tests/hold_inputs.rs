//! What a held step waits for, as its input says.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::support::{START, user};
use crate::app::HoldKind;
use crate::run::approval::{self, Asked};
use crate::run::hold::{self, DEEPEST, HoldSpec, Holder};
use crate::run::{Person, Refused};

fn person(number: u128, login: &str, roles: &[&str]) -> Person {
    Person {
        id: user(number),
        login: login.into(),
        name: login.to_uppercase(),
        email: None,
        manager: None,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    }
}

fn ana() -> Person {
    person(1, "ana", &["builder"])
}

fn holder(invoker: &Person) -> Holder<'_> {
    Holder {
        now: START,
        invoker: Some(invoker),
        draft: false,
        depth: 0,
    }
}

fn check(kind: HoldKind, inputs: &[Value], expect: Expect) {
    let ana = ana();
    let mut told = String::new();
    for input in inputs {
        match hold::read(kind, input, holder(&ana)) {
            Ok(spec) => writeln!(told, "{input}\n  {}", show(&spec)),
            Err(error) => writeln!(
                told,
                "{input}\n  {} {}: {}",
                error.kind.as_str(),
                error.code.as_deref().unwrap_or("-"),
                error.message
            ),
        }
        .unwrap();
    }
    expect.assert_eq(&told);
}

fn show(spec: &HoldSpec) -> String {
    match spec {
        HoldSpec::Wait { at } => format!("wait {:?}", at.since(START)),
        HoldSpec::Callback { until, schema } => {
            format!("callback {:?} {schema:?}", until.since(START))
        }
        HoldSpec::Approval(spec) => format!(
            "ask {} not {:?} `{}` {} {:?}{}",
            json!(spec.who),
            spec.not_by,
            spec.title,
            spec.form,
            spec.until.since(START),
            if spec.on_reject_continue {
                ", goes on"
            } else {
                ""
            }
        ),
        HoldSpec::RunFlow(spec) => {
            format!("run {} {} {:?}", spec.flow, spec.inputs, spec.connections)
        }
    }
}

#[test]
fn a_wait_is_so_long_or_until_then() {
    check(
        HoldKind::Wait,
        &[
            json!({"for": "1h30m"}),
            json!({"for": 1.5}),
            json!({"for": 0}),
            json!({"until": "2026-11-20T14:06:41+01:00", "for": null}),
            json!({"until": "2020-01-01T00:00:00Z"}),
            json!({"until": "tomorrow"}),
            json!({"until": 7}),
            json!({"until": "9026-11-20T14:06:41Z"}),
            json!({"for": "1h", "until": "2026-11-20T14:06:41Z"}),
            json!({}),
            json!(null),
            json!("1h"),
            json!({"for": "1 hour"}),
            json!({"for": ""}),
            json!({"for": "h"}),
            json!({"for": "5"}),
            json!({"for": -1}),
            json!({"for": 1e300}),
            json!({"for": "3650d1ms"}),
            json!({"for": "1h", "til": "x"}),
        ],
        expect![[r#"
            {"for":"1h30m"}
              wait 5400s
            {"for":1.5}
              wait 1.5s
            {"for":0}
              wait 0ns
            {"for":null,"until":"2026-11-20T14:06:41+01:00"}
              wait 1s
            {"until":"2020-01-01T00:00:00Z"}
              wait 0ns
            {"until":"tomorrow"}
              invalid_input bad_input: `wait` does not take this input: `until` is not a time such as `2026-11-20T13:00:00Z`
            {"until":7}
              invalid_input bad_input: `wait` does not take this input: `until` is not a time such as `2026-11-20T13:00:00Z`
            {"until":"9026-11-20T14:06:41Z"}
              invalid_input bad_input: `wait` does not take this input: `until` is more than ten years away
            {"for":"1h","until":"2026-11-20T14:06:41Z"}
              invalid_input bad_input: `wait` does not take this input: give either `for` or `until`
            {}
              invalid_input bad_input: `wait` does not take this input: give either `for` or `until`
            null
              invalid_input bad_input: `wait` does not take this input: give either `for` or `until`
            "1h"
              invalid_input bad_input: `wait` does not take this input: the input is not a map
            {"for":"1 hour"}
              invalid_input bad_input: `wait` does not take this input: `for` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds
            {"for":""}
              invalid_input bad_input: `wait` does not take this input: `for` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds
            {"for":"h"}
              invalid_input bad_input: `wait` does not take this input: `for` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds
            {"for":"5"}
              invalid_input bad_input: `wait` does not take this input: `for` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds
            {"for":-1}
              invalid_input bad_input: `wait` does not take this input: `for` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds
            {"for":1e+300}
              invalid_input bad_input: `wait` does not take this input: `for` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds
            {"for":"3650d1ms"}
              invalid_input bad_input: `wait` does not take this input: `for` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds
            {"for":"1h","til":"x"}
              invalid_input bad_input: `wait` does not take this input: `til` is not known here
        "#]],
    );
}

#[test]
fn a_callback_has_a_deadline_and_perhaps_a_schema() {
    check(
        HoldKind::Callback,
        &[
            json!(null),
            json!({"expires": "2h", "payload": {"type": "object", "required": ["id"]}}),
            json!({"payload": {"type": "nonsense"}}),
            json!({"payload": {"$ref": "https://elsewhere.example/schema"}}),
            json!({"expires": "soon"}),
        ],
        expect![[r#"
            null
              callback 86400s None
            {"expires":"2h","payload":{"required":["id"],"type":"object"}}
              callback 7200s Some(Object {"required": Array [String("id")], "type": String("object")})
            {"payload":{"type":"nonsense"}}
              invalid_input bad_input: `wait_for_callback` does not take this input: `payload` is not a JSON Schema: "nonsense" is not valid under any of the schemas listed in the 'anyOf' keyword
            {"payload":{"$ref":"https://elsewhere.example/schema"}}
              invalid_input bad_input: `wait_for_callback` does not take this input: `payload` is not a JSON Schema: Resource 'https://elsewhere.example/schema' is not present in a registry and retrieving it failed: Retrieval is disabled, cannot fetch https://elsewhere.example/schema
            {"expires":"soon"}
              invalid_input bad_input: `wait_for_callback` does not take this input: `expires` is not a duration of at most ten years, such as `90s`, `1h30m` or a number of seconds
        "#]],
    );
}

#[test]
fn an_approval_is_asked_of_somebody_who_may_give_it() {
    check(
        HoldKind::Approve,
        &[
            json!({"who": "ben"}),
            json!({"who": ["ben", "role:admin", " ben ", null, ""], "title": "Pay 7", "form": {"discount": {"type": "number"}}, "expires": "2d", "on_reject": "continue"}),
            json!({"who": "ana"}),
            json!({"who": ["ana", "ana"]}),
            json!({"who": "ana", "self": true}),
            json!({"who": ["ana", "ben"]}),
            json!({"who": "role:admin"}),
            json!({}),
            json!({"who": null}),
            json!({"who": []}),
            json!({"who": ""}),
            json!({"who": "role:"}),
            json!({"who": [7]}),
            json!({"who": "ben", "form": ["discount"]}),
            json!({"who": "ben", "form": {"discount": "number"}}),
            json!({"who": "ben", "form": {"discount": {"type": "money"}}}),
            json!({"who": "ben", "on_reject": "retry"}),
            json!({"who": "ben", "on_reject": true}),
            json!({"who": "ben", "self": "yes"}),
            json!({"who": "ben", "title": 7}),
            json!({"who": "ben", "whom": "ana"}),
        ],
        expect![[r#"
            {"who":"ben"}
              ask ["ben"] not Some(usr_00000000000000000000000001) `Approve` {} 604800s
            {"expires":"2d","form":{"discount":{"type":"number"}},"on_reject":"continue","title":"Pay 7","who":["ben","role:admin"," ben ",null,""]}
              ask ["ben","role:admin"] not Some(usr_00000000000000000000000001) `Pay 7` {"discount":{"type":"number"}} 172800s, goes on
            {"who":"ana"}
              invalid_input nobody_to_decide: `who` is only the person who runs the flow, who may not decide it themselves
            {"who":["ana","ana"]}
              invalid_input nobody_to_decide: `who` is only the person who runs the flow, who may not decide it themselves
            {"self":true,"who":"ana"}
              ask ["ana"] not None `Approve` {} 604800s
            {"who":["ana","ben"]}
              ask ["ana","ben"] not Some(usr_00000000000000000000000001) `Approve` {} 604800s
            {"who":"role:admin"}
              ask ["role:admin"] not Some(usr_00000000000000000000000001) `Approve` {} 604800s
            {}
              invalid_input nobody_to_decide: `who` is empty: nobody could decide
            {"who":null}
              invalid_input nobody_to_decide: `who` is empty: nobody could decide
            {"who":[]}
              invalid_input nobody_to_decide: `who` is empty: nobody could decide
            {"who":""}
              invalid_input nobody_to_decide: `who` is empty: nobody could decide
            {"who":"role:"}
              invalid_input nobody_to_decide: `who` is empty: nobody could decide
            {"who":[7]}
              invalid_input bad_input: `approve` does not take this input: `who` is not a login, `role:NAME` or a list of these
            {"form":["discount"],"who":"ben"}
              invalid_input bad_input: `approve` does not take this input: `form` is not a map of field to JSON Schema
            {"form":{"discount":"number"},"who":"ben"}
              invalid_input bad_input: `approve` does not take this input: the form's field `discount` is not a JSON Schema, such as `{type: number}`
            {"form":{"discount":{"type":"money"}},"who":"ben"}
              invalid_input bad_input: `approve` does not take this input: the form's field `discount` is not a JSON Schema: "money" is not valid under any of the schemas listed in the 'anyOf' keyword
            {"on_reject":"retry","who":"ben"}
              invalid_input bad_input: `approve` does not take this input: `on_reject` is `fail` or `continue`
            {"on_reject":true,"who":"ben"}
              invalid_input bad_input: `approve` does not take this input: `on_reject` is `fail` or `continue`
            {"self":"yes","who":"ben"}
              invalid_input bad_input: `approve` does not take this input: `self` is neither true nor false
            {"title":7,"who":"ben"}
              invalid_input bad_input: `approve` does not take this input: `title` is not a text
            {"who":"ben","whom":"ana"}
              invalid_input bad_input: `approve` does not take this input: `whom` is not known here
        "#]],
    );
}

#[test]
fn a_called_flow_is_named_and_has_a_bound_depth() {
    check(
        HoldKind::RunFlow,
        &[
            json!({"flow": "order-hardware"}),
            json!({"flow": "order-hardware", "inputs": {"n": 1}, "connections": {"itsm": "crm"}}),
            json!({"flow": "Order Hardware"}),
            json!({}),
            json!({"flow": "order", "inputs": [1]}),
            json!({"flow": "order", "connections": {"itsm": "no slot"}}),
            json!({"flow": "order", "connections": ["itsm"]}),
        ],
        expect![[r#"
            {"flow":"order-hardware"}
              run order-hardware {} {}
            {"connections":{"itsm":"crm"},"flow":"order-hardware","inputs":{"n":1}}
              run order-hardware {"n":1} {itsm: crm}
            {"flow":"Order Hardware"}
              invalid_input bad_input: `run_flow` does not take this input: `flow` is not the name of a flow
            {}
              invalid_input bad_input: `run_flow` does not take this input: `flow` is not the name of a flow
            {"flow":"order","inputs":[1]}
              invalid_input bad_input: `run_flow` does not take this input: `inputs` is not a map of name to value
            {"connections":{"itsm":"no slot"},"flow":"order"}
              invalid_input bad_input: `run_flow` does not take this input: `connections` is not a map of the called flow's slot to one of this flow
            {"connections":["itsm"],"flow":"order"}
              invalid_input bad_input: `run_flow` does not take this input: `connections` is not a map of the called flow's slot to one of this flow
        "#]],
    );
    let ana = ana();
    let at = |depth| {
        let holder = Holder {
            depth,
            ..holder(&ana)
        };
        hold::read(HoldKind::RunFlow, &json!({"flow": "order"}), holder).map_err(|error| error.code)
    };
    assert!(at(DEEPEST - 1).is_ok());
    assert_eq!(at(DEEPEST), Err(Some("too_deep".into())));
}

#[test]
fn in_the_run_of_a_draft_its_author_decides() {
    let ana = ana();
    let draft = Holder {
        draft: true,
        ..holder(&ana)
    };
    for who in [json!("ben"), json!(null), json!("ana")] {
        let HoldSpec::Approval(spec) =
            hold::read(HoldKind::Approve, &json!({"who": who}), draft).unwrap()
        else {
            panic!("an approval is something else");
        };
        assert_eq!(spec.may_decide(&ana), Ok(()));
        assert_eq!(
            spec.may_decide(&person(2, "ben", &["admin"])),
            Err(Refused::NotAsked)
        );
    }
}

#[test]
fn in_a_run_without_an_invoker_nobody_is_left_out() {
    let ana = ana();
    let nobody = Holder {
        invoker: None,
        ..holder(&ana)
    };
    let HoldSpec::Approval(spec) =
        hold::read(HoldKind::Approve, &json!({"who": "ana"}), nobody).unwrap()
    else {
        panic!("an approval is something else");
    };
    assert_eq!((spec.may_decide(&ana), spec.not_by), (Ok(()), None));
    assert!(hold::read(HoldKind::Approve, &json!({"who": []}), nobody).is_err());
}

#[test]
fn whoever_runs_the_flow_does_not_decide_and_nobody_does_who_is_not_asked() {
    let who = [Asked::Login("ben".into()), Asked::Role("admin".into())];
    let ana = user(1);
    let may =
        |person: &Person| approval::may_decide(&who, Some(&ana), person).map_err(|r| r.code());
    assert_eq!(may(&person(2, "ben", &[])), Ok(()));
    assert_eq!(may(&person(3, "carl", &["admin"])), Ok(()));
    assert_eq!(may(&person(3, "Ben", &["administrator"])), Err("not_asked"));
    assert_eq!(may(&person(3, "role:admin", &[])), Err("not_asked"));
    assert_eq!(may(&person(3, "admin", &["ben"])), Err("not_asked"));
    assert_eq!(may(&person(1, "ana", &["builder"])), Err("not_asked"));
    assert_eq!(
        may(&person(1, "ana", &["admin"])),
        Err("invoker_may_not_decide")
    );
    // By the name of another: it is the id that counts.
    assert_eq!(may(&person(1, "ben", &[])), Err("invoker_may_not_decide"));
}

#[test]
fn a_form_is_filled_in_as_it_was_asked_for() {
    let form = json!({
        "discount": {"type": "number", "maximum": 10},
        "note": {"type": "string", "required": false},
        "level": {"enum": ["a", "b"], "default": "a"},
        "more": {"type": "object", "required": ["x"], "default": {"x": 1}},
    });
    let mut told = String::new();
    for (approved, given) in [
        (true, json!({"discount": 5})),
        (
            true,
            json!({"discount": 5, "note": "ok", "level": "b", "more": {"x": 2}}),
        ),
        (true, json!(null)),
        (
            true,
            json!({"discount": 50, "level": "c", "more": {}, "secret": "s3cret"}),
        ),
        (true, json!({"discount": 9_007_199_254_740_993_i64})),
        (true, json!([5])),
        (false, json!(null)),
        (false, json!({"discount": 50})),
        (false, json!({"note": "too expensive"})),
    ] {
        let found = approval::check(&form, approved, None, &given);
        writeln!(told, "{approved} {given}\n  {found:?}").unwrap();
    }
    expect![[r#"
        true {"discount":5}
          Ok(Object {"discount": Number(5), "level": String("a"), "more": Object {"x": Number(1)}})
        true {"discount":5,"level":"b","more":{"x":2},"note":"ok"}
          Ok(Object {"discount": Number(5), "level": String("b"), "more": Object {"x": Number(2)}, "note": String("ok")})
        true null
          Err(DoesNotFit("the field `discount` is missing"))
        true {"discount":50,"level":"c","more":{},"secret":"s3cret"}
          Err(DoesNotFit("the field `discount`: must be at most 10; the field `level`: must be one of `a`, `b`; the field `more`: `x` is missing; the form has no field `secret`"))
        true {"discount":9007199254740993}
          Err(DoesNotFit("the field `discount` holds an integer beyond ±2^53: give it as a text; the field `discount`: must be at most 10"))
        true [5]
          Err(DoesNotFit("the form is a map of field to value"))
        false null
          Ok(Object {})
        false {"discount":50}
          Err(DoesNotFit("the field `discount`: must be at most 10"))
        false {"note":"too expensive"}
          Ok(Object {"note": String("too expensive")})
    "#]].assert_eq(&told);
    let long = "ö".repeat(approval::LONGEST_COMMENT);
    let form = json!({});
    assert!(approval::check(&form, true, Some(&long), &json!({})).is_ok());
    assert!(approval::check(&form, true, Some(&format!("{long}!")), &json!({})).is_err());
}
