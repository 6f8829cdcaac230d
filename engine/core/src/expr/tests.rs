//! Expressions as text in, value or error out.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "`expect!` reads best by value"
)]

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

mod data;
mod dates;
mod edges;
mod generator;
mod hostile;
mod manual;
mod patterns;

fn scope() -> Scope {
    let records = json!([
        {"Id": "a1", "amount": 10, "active": true, "name": "Bob"},
        {"Id": "a2", "amount": 32.5, "active": false, "name": "Ana"},
    ]);
    Scope {
        roots: vec![
            (
                "inputs",
                Arc::new(json!({
                    "customer": "ACME", "amount": 1000, "urgent": true, "none": null, "lines": [], "n": 2, "k": "amount",
                    "template": "{{ inputs.amount }}", "big": 9_007_199_254_740_992_i64,
                })),
            ),
            (
                "run",
                Arc::new(
                    json!({"id": "run_1", "user": {"name": "Ana", "email": "ana@example.com"}}),
                ),
            ),
        ],
        steps: vec![
            ("find".into(), Arc::new(json!({"records": records}))),
            ("one".into(), Arc::new(json!(null))),
        ],
        ..Scope::default()
    }
}

fn show(error: &StepError) -> String {
    let help = error
        .help
        .as_ref()
        .map(|help| format!(" ({help})"))
        .unwrap_or_default();
    format!(
        "{}/{}: {}{help}",
        error.kind.as_str(),
        error.code.as_deref().unwrap_or("-"),
        error.message
    )
}

/// One template text a line; the outcome of each.
fn check(texts: &str, expected: Expect) {
    let scope = scope();
    let mut out = String::new();
    for text in texts.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let outcome = match Template::compile(&Value::from(text)) {
            Ok(template) => match template.evaluate(&scope) {
                Ok(value) => value.to_string(),
                Err(error) => show(&error),
            },
            Err(faults) => faults
                .iter()
                .map(|(_, fault)| {
                    let help = fault
                        .help
                        .as_ref()
                        .map(|help| format!(" ({help})"))
                        .unwrap_or_default();
                    format!(
                        "FAULT at `{}`: {}{help}",
                        text.get(fault.start..fault.end).unwrap(),
                        fault.message
                    )
                })
                .collect::<Vec<_>>()
                .join("; "),
        };
        out.push_str(&format!("{text} => {outcome}\n"));
    }
    expected.assert_eq(&out);
}

#[test]
fn one_expression_keeps_its_type_and_text_makes_a_text() {
    check(
        r#"
        {{ inputs.amount }}
        {{ steps.find.records[1] }}
        {{ steps.find.records | length == 2 }}
        amount: {{ inputs.amount }}, {{ inputs.urgent }}, {{ inputs.none }}, {{ inputs.lines }}
        no braces
        {{ "{{" }} and {{ {'a': {'b': 1}} }}
        {{ inputs.template }}
        {{ inputs['customer'] }}{{ inputs[inputs.k] }}
        {{ steps.find.records[-1].Id ~ "/" ~ inputs.n }}
        { not an expression } #{x}
        "#,
        expect![[r#"
            {{ inputs.amount }} => 1000
            {{ steps.find.records[1] }} => {"Id":"a2","active":false,"amount":32.5,"name":"Ana"}
            {{ steps.find.records | length == 2 }} => true
            amount: {{ inputs.amount }}, {{ inputs.urgent }}, {{ inputs.none }}, {{ inputs.lines }} => "amount: 1000, true, , []"
            no braces => "no braces"
            {{ "{{" }} and {{ {'a': {'b': 1}} }} => "{{ and {\"a\":{\"b\":1}}"
            {{ inputs.template }} => "{{ inputs.amount }}"
            {{ inputs['customer'] }}{{ inputs[inputs.k] }} => "ACME1000"
            {{ steps.find.records[-1].Id ~ "/" ~ inputs.n }} => "a2/2"
            { not an expression } #{x} => "{ not an expression } #{x}"
        "#]],
    );
}

#[test]
fn arithmetic_is_exact_or_refused() {
    check(
        r#"
        {{ 1 + 2 * 3 - 4 }}
        {{ 7 / 2 }} {{ 4 / 2 }}
        {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ -7 // -2 }}
        {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7 % -3 }} {{ 6 % -3 }}
        {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 0.5 }}
        {{ inputs.big + 1 }}
        {{ inputs.big * inputs.big }}
        {{ 2 ** 70 }}
        {{ 1 / 0 }}
        {{ 0.1 + 0.2 }}
        {{ -inputs.amount }}
        {{ 'x' * 3 }}
        {{ [1] * 3 }}
        {{ 'a' + 1 }}
        {{ 'a' + 'b' }} {{ [1] + [2] }}
        {{ 99999999999999999999 }}
        {{ 1 + true }}
        "#,
        expect![[r#"
            {{ 1 + 2 * 3 - 4 }} => 3
            {{ 7 / 2 }} {{ 4 / 2 }} => "3.5 2.0"
            {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ -7 // -2 }} => "3 -4 -4 3"
            {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7 % -3 }} {{ 6 % -3 }} => "1 2 -2 -1 0"
            {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 0.5 }} => "1024 0.5 1.4142135623730951"
            {{ inputs.big + 1 }} => invalid_input/expression: the number is too large to be exact (beyond ±2^53), or is none
            {{ inputs.big * inputs.big }} => invalid_input/expression: the number is too large to be exact (beyond ±2^53)
            {{ 2 ** 70 }} => invalid_input/expression: the number is too large to be exact (beyond ±2^53)
            {{ 1 / 0 }} => invalid_input/expression: `/` by zero
            {{ 0.1 + 0.2 }} => 0.30000000000000004
            {{ -inputs.amount }} => -1000
            {{ 'x' * 3 }} => invalid_input/expression: `*` cannot combine a text and a number
            {{ [1] * 3 }} => invalid_input/expression: `*` cannot combine a list and a number
            {{ 'a' + 1 }} => invalid_input/expression: `+` cannot combine a text and a number (`~` joins values to a text; `| int` and `| float` make numbers of texts)
            {{ 'a' + 'b' }} {{ [1] + [2] }} => "ab [1,2]"
            {{ 99999999999999999999 }} => FAULT at `99999999999999999999`: the number is beyond ±2^53, which JSON does not carry exactly
            {{ 1 + true }} => invalid_input/expression: `+` cannot combine a number and true or false
        "#]],
    );
}

#[test]
fn comparisons_and_logic() {
    check(
        r#"
        {{ 1 == 1.0 }} {{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }}
        {{ 'a' < 'b' }} {{ 'a' == 1 }}
        {{ 'a' < 1 }}
        {{ inputs.urgent and inputs.amount > 500 }}
        {{ not inputs.lines }} {{ inputs.lines or 'none' }}
        {{ 'CM' in inputs.customer }} {{ 3 not in [1, 2] }} {{ 'k' in inputs }}
        {{ 1 in 5 }}
        {{ 'yes' if inputs.urgent else 'no' }}
        {{ 'yes' if inputs.urgent }}
        {{ inputs.none is none }} {{ inputs.amount is number }} {{ 3 is odd }} {{ inputs.n is in [1, 2] }}
        {{ 'abc' is startingwith 'a' }} {{ [1,2] == [1,2] }} {{ {'a':1} == {'a':1.0} }}
        {{ inputs.n is eq 2 and inputs.n is not eq(3) }}
        "#,
        expect![[r#"
            {{ 1 == 1.0 }} {{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} => "true true false"
            {{ 'a' < 'b' }} {{ 'a' == 1 }} => "true false"
            {{ 'a' < 1 }} => invalid_input/expression: a text and a number have no order
            {{ inputs.urgent and inputs.amount > 500 }} => true
            {{ not inputs.lines }} {{ inputs.lines or 'none' }} => "true none"
            {{ 'CM' in inputs.customer }} {{ 3 not in [1, 2] }} {{ 'k' in inputs }} => "true true true"
            {{ 1 in 5 }} => invalid_input/expression: `in` cannot look for a number in a number
            {{ 'yes' if inputs.urgent else 'no' }} => "yes"
            {{ 'yes' if inputs.urgent }} => FAULT at `'yes' if inputs.urgent`: `a if b` needs an `else` (write `a if b else none`)
            {{ inputs.none is none }} {{ inputs.amount is number }} {{ 3 is odd }} {{ inputs.n is in [1, 2] }} => "true true true true"
            {{ 'abc' is startingwith 'a' }} {{ [1,2] == [1,2] }} {{ {'a':1} == {'a':1.0} }} => "true true true"
            {{ inputs.n is eq 2 and inputs.n is not eq(3) }} => true
        "#]],
    );
}

#[test]
fn what_is_missing_is_named() {
    check(
        r#"
        {{ inputs.customr }}
        {{ steps.find.records[5].Id }}
        {{ steps.find.records[0].Idd }}
        {{ steps.gone.id }}
        {{ inputs.amount.deep }}
        {{ inputs.x == 1 }}
        {{ inputs.x and true }}
        {{ inputs.x | upper }}
        {{ [inputs.x] }}
        {{ inputs.lines | first }}
        {{ nothing }}
        {{ inputs.x | default('d') }} {{ inputs.x.y.z | default(1) }} {{ inputs.none | default(2) }} {{ steps.gone.a[0] | d(3) }}
        {{ inputs.x is defined }} {{ inputs.x.y is undefined }} {{ inputs.none is defined }} {{ steps.gone is defined }}
        {{ inputs.x is defined and inputs.x.y == 1 }}
        {{ '' | default('empty', true) }}
        {{ (steps.find.records | first).nope }}
        {{ dict(a=1).b }}
        "#,
        expect![[r#"
            {{ inputs.customr }} => invalid_input/missing_field: `inputs.customr` is missing (did you mean `customer`?)
            {{ steps.find.records[5].Id }} => invalid_input/missing_field: `steps.find.records[5]` is missing (the list has 2 items; give it a value with `| default(…)`)
            {{ steps.find.records[0].Idd }} => invalid_input/missing_field: `steps.find.records[0].Idd` is missing (did you mean `Id`?)
            {{ steps.gone.id }} => invalid_input/missing_field: `steps.gone` is missing (the step `gone` was skipped or has not run; ask `steps.gone is defined` or give a `default(…)`)
            {{ inputs.amount.deep }} => invalid_input/missing_field: `inputs.amount.deep` is missing (it was looked for in a number; give it a value with `| default(…)`)
            {{ inputs.x == 1 }} => invalid_input/missing_field: `inputs.x` is missing (give it a value with `| default(…)`)
            {{ inputs.x and true }} => invalid_input/missing_field: `inputs.x` is missing (give it a value with `| default(…)`)
            {{ inputs.x | upper }} => invalid_input/missing_field: `inputs.x` is missing (give it a value with `| default(…)`)
            {{ [inputs.x] }} => invalid_input/missing_field: `inputs.x` is missing (give it a value with `| default(…)`)
            {{ inputs.lines | first }} => invalid_input/missing_field: the list has no first item: it is empty (ask `list | length > 0` before)
            {{ nothing }} => invalid_input/missing_field: `nothing` is missing (give it a value with `| default(…)`)
            {{ inputs.x | default('d') }} {{ inputs.x.y.z | default(1) }} {{ inputs.none | default(2) }} {{ steps.gone.a[0] | d(3) }} => "d 1 2 3"
            {{ inputs.x is defined }} {{ inputs.x.y is undefined }} {{ inputs.none is defined }} {{ steps.gone is defined }} => "false true true false"
            {{ inputs.x is defined and inputs.x.y == 1 }} => false
            {{ '' | default('empty', true) }} => "empty"
            {{ (steps.find.records | first).nope }} => invalid_input/missing_field: `steps.find.records | first).nope` is missing (give it a value with `| default(…)`)
            {{ dict(a=1).b }} => invalid_input/missing_field: `dict(a=1).b` is missing (give it a value with `| default(…)`)
        "#]],
    );
}

#[test]
fn filters_do_what_they_say() {
    check(
        r#"
        {{ steps.find.records | map(attribute='Id') | join(', ') }}
        {{ steps.find.records | selectattr('active') | map(attribute='name') | list }}
        {{ steps.find.records | rejectattr('amount', 'gt', 20) | map(attribute='Id') }}
        {{ steps.find.records | selectattr('nope', 'defined') }}
        {{ steps.find.records | selectattr('nope') }}
        {{ steps.find.records | sum(attribute='amount') }}
        {{ steps.find.records | sort(attribute='name') | map(attribute='name') }}
        {{ steps.find.records | sort(attribute='amount', reverse=true) | map(attribute='Id') }}
        {{ steps.find.records | max(attribute='amount') }}
        {{ [3, 1, 2] | sort }} {{ [3, 1, 2] | min }} {{ ['b', 1] | sort }}
        {{ [1, 1.0, 'a', 'a', 'A'] | unique }}
        {{ [1, 2, 3, 4] | select('even') }} {{ [1, 2, 3][1:] }} {{ 'hello'[:-1] }} {{ [1,2,3][-2:] }}
        {{ ['a', 'b'] | map('upper') }} {{ ['a'] | map('join') }} {{ ['a'] | map('nope') }}
        {{ {'a': 1, 'b': 2} | keys }} {{ {'a': 1} | values }} {{ {'a': 1} | items }}
        {{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ -2.5 | round }} {{ 1234 | round(-2) }} {{ 12.5 | fixed(2) }}
        {{ '42' | int }} {{ '4.5' | float }} {{ 'x' | int(0) }} {{ 3.9 | int }}
        {{ 'x' | int }}
        {{ ' a b ' | trim }} {{ 'a,b' | split(',') }} {{ 'a  b' | split }} {{ 'aXbX' | replace('X', '-') }}
        {{ inputs.customer | lower | capitalize }} {{ 'long text' | truncate(5) }} {{ 'a b&c' | urlencode }}
        {{ {'a': [1, 'x']} | tojson }} {{ 5 | string }}
        {{ 'https://crm.example:8443/x' | host }} {{ 'https://crm.example/x' | host }}
        {{ 'crm' | host }}
        {{ inputs | length }} {{ 5 | length }}
        {{ [1,2,3] | reverse }} {{ [1,2] | last }}
        {{ 5 | upper }}
        "#,
        expect![[r#"
            {{ steps.find.records | map(attribute='Id') | join(', ') }} => "a1, a2"
            {{ steps.find.records | selectattr('active') | map(attribute='name') | list }} => ["Bob"]
            {{ steps.find.records | rejectattr('amount', 'gt', 20) | map(attribute='Id') }} => ["a1"]
            {{ steps.find.records | selectattr('nope', 'defined') }} => []
            {{ steps.find.records | selectattr('nope') }} => invalid_input/missing_field: `nope` is missing in item 0 of the list
            {{ steps.find.records | sum(attribute='amount') }} => 42.5
            {{ steps.find.records | sort(attribute='name') | map(attribute='name') }} => ["Ana","Bob"]
            {{ steps.find.records | sort(attribute='amount', reverse=true) | map(attribute='Id') }} => ["a2","a1"]
            {{ steps.find.records | max(attribute='amount') }} => {"Id":"a2","active":false,"amount":32.5,"name":"Ana"}
            {{ [3, 1, 2] | sort }} {{ [3, 1, 2] | min }} {{ ['b', 1] | sort }} => invalid_input/expression: a number and a text have no order
            {{ [1, 1.0, 'a', 'a', 'A'] | unique }} => [1,1.0,"a","A"]
            {{ [1, 2, 3, 4] | select('even') }} {{ [1, 2, 3][1:] }} {{ 'hello'[:-1] }} {{ [1,2,3][-2:] }} => "[2,4] [2,3] hell [2,3]"
            {{ ['a', 'b'] | map('upper') }} {{ ['a'] | map('join') }} {{ ['a'] | map('nope') }} => invalid_input/expression: `join` needs a list, not a text
            {{ {'a': 1, 'b': 2} | keys }} {{ {'a': 1} | values }} {{ {'a': 1} | items }} => "[\"a\",\"b\"] [1] [[\"a\",1]]"
            {{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ -2.5 | round }} {{ 1234 | round(-2) }} {{ 12.5 | fixed(2) }} => "3 3.14 -3 1200 12.50"
            {{ '42' | int }} {{ '4.5' | float }} {{ 'x' | int(0) }} {{ 3.9 | int }} => "42 4.5 0 3"
            {{ 'x' | int }} => invalid_input/expression: `int` cannot make a whole number of this (a text) (`int(0)` gives 0 instead)
            {{ ' a b ' | trim }} {{ 'a,b' | split(',') }} {{ 'a  b' | split }} {{ 'aXbX' | replace('X', '-') }} => "a b [\"a\",\"b\"] [\"a\",\"b\"] a-b-"
            {{ inputs.customer | lower | capitalize }} {{ 'long text' | truncate(5) }} {{ 'a b&c' | urlencode }} => "Acme long… a+b%26c"
            {{ {'a': [1, 'x']} | tojson }} {{ 5 | string }} => "{\"a\":[1,\"x\"]} 5"
            {{ 'https://crm.example:8443/x' | host }} {{ 'https://crm.example/x' | host }} => "crm.example:8443 crm.example"
            {{ 'crm' | host }} => invalid_input/expression: `host` needs an address such as `https://crm.example`, not this (a text)
            {{ inputs | length }} {{ 5 | length }} => invalid_input/expression: `length` needs a list, a map or a text, not a number
            {{ [1,2,3] | reverse }} {{ [1,2] | last }} => "[3,2,1] 2"
            {{ 5 | upper }} => invalid_input/expression: `upper` needs a text, not a number
        "#]],
    );
}

#[test]
fn functions_are_few() {
    check(
        r#"
        {{ dict(steps.find.records[0], amount=1, extra='x') }}
        {{ dict([['a', 1], ['b', 2]]) }} {{ dict() }} {{ dict(5) }}
        {{ range(3) }} {{ range(5, 0, -2) }} {{ range(100000) }} {{ range(1, 2, 0) }}
        {{ always() }} {{ failure() }}
        "#,
        expect![[r#"
            {{ dict(steps.find.records[0], amount=1, extra='x') }} => {"Id":"a1","active":true,"amount":1,"extra":"x","name":"Bob"}
            {{ dict([['a', 1], ['b', 2]]) }} {{ dict() }} {{ dict(5) }} => invalid_input/expression: `dict` needs a map, not a number
            {{ range(3) }} {{ range(5, 0, -2) }} {{ range(100000) }} {{ range(1, 2, 0) }} => invalid_input/expression: `range` makes at most 10000 numbers
            {{ always() }} {{ failure() }} => "true false"
        "#]],
    );
}

#[test]
fn what_is_not_in_the_language_is_refused_before_anything_runs() {
    check(
        r#"
        {% for x in y %}
        {{ inputs.amount
        {{ }}
        {{ 1 + }}
        {{ inputs.a b }}
        {{ inputs.customer.upper() }}
        {{ now() }} and {{ now }}
        {{ env.PATH }} {{ secrets.x }}
        {{ length(inputs.lines) }}
        {{ inputs.x | uper }} {{ inputs.x is defind }} {{ dct() }}
        {{ inputs.x | round(1, 2, 3) }} {{ inputs.x | replace('a') }} {{ inputs.x | sort(atribute='x') }}
        {{ steps[inputs.k] }}
        {{ always }}
        {{ f(*x) }}
        {{ inputs.l[::2] }}
        "#,
        expect![[r#"
            {% for x in y %} => FAULT at `{%`: statements (`{% … %}`) are not part of the language (use an expression: `{{ a if condition else b }}`, filters such as `map` and `selectattr`, or the step's `if`)
            {{ inputs.amount => FAULT at `{{`: `{{` is never closed by `}}` (for two literal braces write {{ "{{" }})
            {{ }} => FAULT at ` `: an expression is missing between the braces
            {{ 1 + }} => FAULT at `+`: unexpected end of input, expected expression (expressions are those of Jinja: `inputs.amount * 2`, `steps.find.id`, `a if b else c`, `x | default(1)`)
            {{ inputs.a b }} => FAULT at `b`: unexpected input after expression (expressions are those of Jinja: `inputs.amount * 2`, `steps.find.id`, `a if b else c`, `x | default(1)`)
            {{ inputs.customer.upper() }} => FAULT at `.upper()`: values have no methods: `.upper(…)` (use the filter: `value | upper`)
            {{ now() }} and {{ now }} => FAULT at `now()`: there is no function `now` (expressions have no clock; `run.started_at` is the time the run began); FAULT at `now`: there is no `now`: expressions have no clock (`run.started_at` is the time the run began)
            {{ env.PATH }} {{ secrets.x }} => FAULT at `env`: there is no `env`: expressions see no secrets and no environment (credentials come in through `connections`); FAULT at `secrets`: there is no `secrets`: expressions see no secrets and no environment (credentials come in through `connections`)
            {{ length(inputs.lines) }} => FAULT at `length(inputs.lines)`: there is no function `length` (`length` is a filter: write `value | length`)
            {{ inputs.x | uper }} {{ inputs.x is defind }} {{ dct() }} => FAULT at `uper`: there is no filter `uper` (did you mean `upper`?); FAULT at `defind`: there is no test `defind` (did you mean `defined`?); FAULT at `dct()`: there is no function `dct` (did you mean `dict`?)
            {{ inputs.x | round(1, 2, 3) }} {{ inputs.x | replace('a') }} {{ inputs.x | sort(atribute='x') }} => FAULT at `round(1, 2, 3)`: the filter `round` takes 0 to 2 arguments, not 3; FAULT at `replace('a')`: the filter `replace` takes 2 to 3 arguments, not 1; FAULT at `'x'`: the filter `sort` has no argument `atribute` (did you mean `attribute`?)
            {{ steps[inputs.k] }} => FAULT at `steps[inputs.k]`: a step must be named literally: `steps.<id>`
            {{ always }} => FAULT at `always`: `always` is a function: write `always()`
            {{ f(*x) }} => FAULT at `f(*x)`: there is no function `f` (there are `always`, `failure`, `dict`, `range`, `coalesce`)
            {{ inputs.l[::2] }} => FAULT at `.l[::2]`: a slice has no third number; use `| reverse` to turn a list round
        "#]],
    );
}

fn condition(texts: &str, expected: Expect) {
    let scope = scope();
    let mut out = String::new();
    for text in texts.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let outcome = match Condition::compile(text) {
            Ok(condition) => match condition.evaluate(&scope) {
                Ok(value) => value.to_string(),
                Err(error) => show(&error),
            },
            Err(fault) => format!(
                "FAULT at `{}`: {}",
                text.get(fault.start..fault.end).unwrap(),
                fault.message
            ),
        };
        out.push_str(&format!("{text} => {outcome}\n"));
    }
    expected.assert_eq(&out);
}

#[test]
fn a_loop_lends_its_items_by_place_and_an_inner_step_is_found_before_an_outer_one() {
    let list = Arc::new(json!([{"name": "a"}, {"name": "b"}]));
    let mut scope = scope();
    scope.item = Some(Item::new(Arc::clone(&list), 1, 257));
    scope
        .steps
        .insert(0, ("one".into(), Arc::new(json!("inner"))));
    let template = Template::compile(&json!(
        "{{ item.name }}{{ index }} {{ steps.one }} {{ item.nam | default('-') }}"
    ))
    .unwrap();
    assert_eq!(template.evaluate(&scope).unwrap(), json!("b257 inner -"));
    scope.item = Some(Item::new(list, 2, 2));
    let error = Condition::compile("item.name == 'c'")
        .unwrap()
        .evaluate(&scope)
        .unwrap_err();
    assert_eq!(
        show(&error),
        "invalid_input/missing_field: `item` is missing (give it a value with `| default(…)`)"
    );
}

#[test]
fn a_condition_is_one_expression_and_a_boolean() {
    condition(
        r#"
        inputs.amount > 500
        {{ inputs.amount > 500 }}
        {{ inputs.amount }} > 500
        {{ inputs.urgent }} and {{ inputs.urgent }}
        inputs.customer
        steps.gone is defined or always()
        inputs.nope > 1
        {{ }}
        "#,
        expect![[r#"
            inputs.amount > 500 => true
            {{ inputs.amount > 500 }} => true
            {{ inputs.amount }} > 500 => FAULT at `{{ inputs.amount }}`: text and braces are mixed where one expression must stand
            {{ inputs.urgent }} and {{ inputs.urgent }} => FAULT at `{{ inputs.urgent }}`: text and braces are mixed where one expression must stand
            inputs.customer => invalid_input/expression: the condition `inputs.customer` gives a text, not true or false
            steps.gone is defined or always() => true
            inputs.nope > 1 => invalid_input/missing_field: `inputs.nope` is missing (did you mean `none`?)
            {{ }} => FAULT at ` `: an expression is missing between the braces
        "#]],
    );
}

#[test]
fn references_are_found_without_running() {
    let template = Template::compile(&json!({
        "a": "{{ steps.find.records[inputs.n].Id }} {{ run.user.name | default('x') }}",
        "b": ["{{ steps.gone.id if steps.gone is defined else inputs['customer'] }}"],
        "c": "{{ dict(item, x=steps.other.y) | tojson }}",
    }))
    .unwrap();
    expect![[r#"
        References {
            paths: {
                "inputs.customer",
                "inputs.n",
                "item",
                "run.user.name",
                "steps.find.records",
                "steps.gone",
                "steps.gone.id",
                "steps.other.y",
            },
            asks_of_failure: false,
            guarded: {
                "gone",
            },
        }
    "#]]
    .assert_debug_eq(&template.references());
    let condition = Condition::compile("failure() and steps.a.b | default(1) == 1").unwrap();
    expect![[r#"
        References {
            paths: {
                "steps.a.b",
            },
            asks_of_failure: true,
            guarded: {
                "a",
            },
        }
    "#]]
    .assert_debug_eq(&condition.references());
    let places = Condition::compile(" {{ steps.aa.b }}")
        .unwrap()
        .references_with_places();
    assert_eq!(places[0].range, 4..14);
}

#[test]
fn no_expression_outspends_its_budget() {
    let long: Vec<Value> = (0..100_000)
        .map(|n| json!({"n": n, "t": "x".repeat(50)}))
        .collect();
    let scope = Scope {
        roots: vec![(
            "inputs",
            Arc::new(json!({"long": long, "text": "x".repeat(4_000_000)})),
        )],
        ..Scope::default()
    };
    for text in [
        "{{ inputs.text ~ inputs.text ~ inputs.text ~ inputs.text ~ inputs.text ~ inputs.text }}",
        "{{ inputs.text | replace('x', inputs.text) }}",
        "{{ inputs.long | map(attribute='t') | join(inputs.text) }}",
        "{{ [inputs.long, inputs.long, inputs.long, inputs.long, inputs.long] }}",
        "{{ inputs.text | split('x') | length }}",
        "{{ inputs.long | map('tojson') | map('tojson') | map('tojson') | map('tojson') | list }}",
        "{{ range(10000) | map(attribute='x', default=inputs.text | upper) | list }}",
        "{{ range(10000) | map(attribute='x', default=inputs.text) | list }}",
    ] {
        let outcome = Template::compile(&json!(text))
            .unwrap()
            .evaluate(&scope)
            .map(drop);
        let code = outcome
            .as_ref()
            .err()
            .and_then(|error| error.code.as_deref());
        assert_eq!(code, Some("expression_budget"), "{text}: {outcome:?}");
    }
    for text in [
        "{{ inputs.long | selectattr('n', 'gt', 99990) | length }}",
        "{{ inputs.long | sum(attribute='n') }}",
    ] {
        assert!(
            Template::compile(&json!(text))
                .unwrap()
                .evaluate(&scope)
                .is_ok(),
            "{text}"
        );
    }
}

#[test]
fn nesting_is_bounded_before_the_parser_recurses() {
    for text in [
        format!("{}1{}", "(".repeat(3000), ")".repeat(3000)),
        "-".repeat(3000) + "1",
        "not ".repeat(1500) + "1",
        "1 if 1 else ".repeat(300) + "1",
        "a".to_owned() + &".b".repeat(3000),
        "[".repeat(150) + &"]".repeat(150),
        "1+".repeat(480) + "1",
        "x|upper".to_owned() + &"|upper".repeat(400),
    ] {
        assert!(Condition::compile(&text).is_err(), "{}", &text[..20]);
    }
}

#[test]
fn a_result_is_never_nested_too_deep_for_the_journal() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let scope = Scope {
        roots: vec![("inputs", Arc::new(deep))],
        ..Scope::default()
    };
    let error = Template::compile(&json!("{{ inputs }}"))
        .unwrap()
        .evaluate(&scope)
        .unwrap_err();
    assert_eq!(error.code.as_deref(), Some("expression_budget"));
}

#[test]
fn every_fault_of_a_template_comes_with_its_pointer() {
    let faults = Template::compile(
        &json!({"a/b": ["{{ 1 + }}", "{{ ok }}"], "{{ k }}": "{{ x | nope }} {{ y | no }}"}),
    )
    .unwrap_err();
    let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/a~1b/0", "/{{ k }}", "/{{ k }}", "/{{ k }}"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9.\\[\\](){}|'\"+*/%~<>=!,: -]{0,80}") {
        let _ = Condition::compile(&text).map(|condition| condition.evaluate(&scope()));
        if let Ok(template) = Template::compile(&Value::from(format!("{{{{ {text} }}}}"))) {
            let _ = template.references();
            let _ = template.evaluate(&scope());
        }
    }

    #[test]
    fn pieces_of_the_language_in_any_order_do_no_harm(words in proptest::collection::vec(proptest::sample::select(WORDS), 1..14)) {
        let text = words.join(" ");
        let template = Template::compile(&Value::from(format!("{{{{ {text} }}}}")));
        if let Ok(Ok(value)) = template.map(|template| template.evaluate(&scope())) {
            prop_assert!(value.to_string().len() < usize::try_from(MAX_BYTES).unwrap() * 2);
        }
    }
}

const WORDS: &[&str] = &[
    "inputs",
    ".amount",
    ".lines",
    "steps.find.records",
    "[0]",
    "[-1]",
    "| length",
    "| first",
    "| sort",
    "| map(attribute='Id')",
    "+",
    "-",
    "*",
    "//",
    "%",
    "**",
    "~",
    "==",
    "<",
    "in",
    "not",
    "and",
    "or",
    "1",
    "-3",
    "2.5",
    "9007199254740992",
    "'x'",
    "[1, 2]",
    "{'a': 1}",
    "if",
    "else",
    "is defined",
    "| default(1)",
    "| int",
    "| round(2)",
    "| tojson",
    "| sum",
    "| unique",
    "| items",
    "range(5)",
    "dict(a=1)",
    "| join('x')",
    "| max",
    "[1:]",
    "| replace('a', 'b')",
    "| split",
    "| reverse",
    "| string",
    "(",
    ")",
    "is odd",
    "| select('odd')",
    "| upper",
    "| truncate(2)",
    "| fixed(3)",
    "| abs",
    "| keys",
    "| values",
    "| groupby",
    "| from_json",
    "| regex_findall('[a-z]')",
    "| parse_date",
    "| flatten",
    "| zip([1])",
    "coalesce(",
    "| combine({'a': 2})",
    "is matching('x')",
    "| fill('{a}')",
];
