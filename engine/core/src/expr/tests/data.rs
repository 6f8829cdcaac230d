//! Data is never read as an expression, on whatever way it goes through one.

use super::*;

/// Texts full of what would be an expression if an author had written it.
fn braces() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(&[
        "{{",
        "}}",
        "{{ inputs.secret }}",
        "{{ 1 / 0 }}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{{ '{{' }}",
        "${inputs}",
        "$1",
        "\\",
        "\"",
        "'",
        "{",
        "}",
        "{{{{ run.id }}}}",
        "\n",
        " ",
        "a",
        "|upper",
        "{secret}",
        "é",
    ]);
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_text_with_braces_comes_out_as_it_went_in(text in braces(), key in braces()) {
        let list = Arc::new(json!([text, {"t": text}]));
        let scope = Scope {
            roots: vec![
                ("inputs", Arc::new(json!({"t": text, "key": key, "secret": "SECRET", "map": {key.as_str(): text}}))),
                ("run", Arc::new(json!({"id": "SECRET"}))),
                ("error", Arc::new(json!({"message": text}))),
            ],
            steps: vec![("a".into(), Arc::new(json!({"t": text})))],
            item: Some(Item::new(list, 1, 1)),
            failed: true,
        };
        let template = Template::compile(&json!({
            "whole": "{{ inputs.t }}",
            "mixed": "<{{ steps.a.t }}|{{ item.t }}|{{ error.message }}>",
            "again": ["{{ [inputs.t] | map('string') | join }}", "{{ inputs.t ~ '' }}", "{{ {'x': inputs.t}['x'] }}"],
            "json": "{{ inputs.t | tojson | from_json }}",
            "replaced": "{{ 'X' | replace('X', inputs.t) }}",
            "filled": "{{ inputs | fill('{t}') }}",
            "searched": "{{ inputs.t | regex_findall('(?s).*') | join }}",
            "coded": "{{ inputs.t | b64encode | b64decode }}{{ inputs.t | urlencode | urldecode }}",
            "kept": "{{ inputs.nothing | default(inputs.t) }}",
            "map": "{{ inputs.map }}",
            "items": "{{ inputs.map | items }}",
            "dynamic": "{{ inputs.map[inputs.key] }}",
        }))
        .unwrap();
        let value = template.evaluate(&scope).unwrap();
        prop_assert_eq!(
            &value,
            &json!({
                "whole": text,
                "mixed": format!("<{text}|{text}|{text}>"),
                "again": [text, text, text],
                "json": text,
                "replaced": text,
                "filled": text,
                "searched": text,
                "coded": format!("{text}{text}"),
                "kept": text,
                "map": {key.as_str(): text},
                "items": [[key, text]],
                "dynamic": text,
            })
        );
        prop_assert!(!value.to_string().contains("SECRET"));
        // Through twice is through once: what came out is data of the next scope.
        let scope = Scope { roots: vec![("inputs", Arc::new(value))], ..Scope::default() };
        let again = Template::compile(&json!("{{ inputs.whole }}")).unwrap().evaluate_shared(&scope).unwrap();
        prop_assert_eq!(&*again, &json!(text));
    }

    #[test]
    fn no_error_evaluates_or_shows_the_text_it_is_about(text in braces()) {
        let scope = Scope {
            roots: vec![("inputs", Arc::new(json!({"t": format!("PRIVATE!{text}"), "secret": "SECRET"})))],
            ..Scope::default()
        };
        for wrong in [
            "{{ inputs.t | int }}", "{{ inputs.t | from_json }}", "{{ inputs.t | parse_date }}", "{{ inputs.t | to_timezone('UTC') }}",
            "{{ 'x' is matching ('(' ~ inputs.t) }}", "{{ inputs.t | parse_number }}", "{{ inputs.t | b64decode }}", "{{ inputs.t | urlsplit }}",
            "{{ inputs.t + 1 }}", "{{ inputs.t | sum }}", "{{ '2026-01-01' | format_date('%Q' ~ inputs.t) }}", "{{ 'x' | hash(inputs.t) }}",
            "{{ '2026-01-01' | start_of(inputs.t) }}", "{{ inputs.t | bool }}", "{{ inputs.t | map(attribute='x') }}", "{{ 1.5 | round(1, inputs.t) }}",
        ] {
            let error = Template::compile(&json!(wrong)).unwrap().evaluate(&scope).unwrap_err();
            let shown = show(&error);
            prop_assert!(!shown.contains("SECRET") && !shown.contains("PRIVATE"), "{wrong}: {shown}");
        }
    }
}
