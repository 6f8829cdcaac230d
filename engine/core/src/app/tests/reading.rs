//! Manifests as values: the canonical document, the schema for editors, cases.

use std::collections::BTreeSet;
use std::sync::Arc;

use expect_test::expect;
use serde_json::{Value, json};

use super::manifest;
use crate::app::{Apps, Effect, Manifest, cases, manifest_schema, parse};
use crate::diagnostic::render;
use crate::run::Scheme;

/// Uses every key there is.
const EVERYTHING: &str = r#"
app: everything
title: Everything
description: Uses every key there is.
version: 3
logo: logo.svg
base_url: "{{ connection.url }}/v1"
hosts: ["{{ connection.url | host }}"]
settings:
  url:
    {type: string, title: Address, description: Where it is, pattern: "https://[a-z.]+", example: "https://a.example", default: "https://b.example", required: false}
  tier: {type: string, enum: [free, paid], default: free}
auth:
  oauth2:
    discovery: "{{ connection.url }}"
    authorize: "{{ connection.url }}/a"
    token: "{{ connection.url }}/t"
    refresh: "{{ connection.url }}/r"
    revoke: "{{ connection.url }}/x"
    issuer: "{{ connection.url }}"
    pkce: false
    client_auth: none
    scope_separator: ","
    scopes: {read: Read}
    keep: [url]
    authorize_parameters: {prompt: consent}
    par: auto
    dpop: off
    client_credentials: true
    token_parameters: {resource: api}
  password: {username: {title: User, description: As in the app, pattern: "[a-z]+", example: ada}, password: {title: Password, description: Not yours, pattern: ".+", example: word}, send: basic}
  api_key: {key: {title: Key, description: The key, pattern: "[a-z]+", example: k}, send: {header: X-Key, prefix: "Key "}}
  custom:
    fields: {tenant: {title: Tenant, description: Which, pattern: "[a-z]+", example: t}, user: {}, word: {secret: true}, pin: {title: PIN, secret: true}}
    send: [{header: X-Tenant, field: tenant}, {query: pin, field: pin}, {basic: {username: user, password: word}}]
  account: {request: {get: /me}, subject: "{{ response.body.id }}", name: "{{ response.body.name }}"}
  verify: {request: {head: /me}}
errors:
  - {status: [404, 4xx], when: "response.body.gone", kind: not_found, code: gone, message: "{{ response.body.why }}", after: 1}
limits: {concurrency: 5, rate: 100/1m}
modules:
  one:
    title: One
    description: The first.
    effect: read
    input: {q: {type: string}}
    request: {get: "/a/{{ input.q }}", query: {q: "{{ input.q }}"}, headers: {X-Q: "{{ input.q }}"}}
    pages: {cursor: "{{ response.body.next }}", send_as: {query: c}, items: "{{ response.body.items }}", at_most: 10}
    output: "{{ items }}"
    output_schema: {type: array}
    scopes: [read]
    rights: [READ]
  two:
    effect: idempotent
    idempotency: {header: Idempotency-Key}
    record: {type: Thing, id: "{{ response.body.id }}"}
    request: {post: /b, form: {a: 1}}
  three: {effect: read, request: {post: /c, json: {}}, pages: {offset: {size: 5, size_as: {json: n}}, send_as: {json: skip}, items: "{{ response.body }}"}}
  four: {effect: read, request: {get: /d}, pages: {link: header, items: "{{ response.body }}"}}
  five: {effect: idempotent, request: {put: /e, raw: text}}
  six: {effect: at_most_once, request: {patch: /f, json: {}}}
  seven: {effect: step, request: {delete: /g}}
  nine: {effect: read, request: {get: /h}, pages: {offset: {size: 5, size_as: {query: n}}, send_as: {query: skip}, items: "{{ response.body }}"}}
  ten: {effect: read, request: {get: /h}, pages: {link: "{{ response.body.next }}", items: "{{ response.body.items }}"}}
  eight: {effect: pure, native: core/set/1, input: {type: object}}
  held: {effect: read, hold: wait, input: {for: {type: string}}}
"#;

#[test]
fn the_canonical_document_does_not_depend_on_how_it_was_written() {
    let one = manifest(
        "{app: demo, version: 1, modules: {a: {effect: pure, native: core/set/1}}} # a comment",
    );
    let two =
        manifest("modules:\n  a: {native: core/set/1, effect: pure}\nversion: 1\napp: demo\n");
    assert_eq!((&one.document, &one.digest), (&two.document, &two.digest));
    expect![[
        r#"{"app":"demo","modules":{"a":{"effect":"pure","native":"core/set/1"}},"version":1}"#
    ]]
    .assert_eq(&one.document);
    assert!(one.digest.starts_with("sha256:") && one.digest.len() == 71);
    let other =
        manifest("{app: demo, version: 2, modules: {a: {effect: pure, native: core/set/1}}}");
    assert_ne!(one.digest, other.digest);
}

#[test]
fn a_stored_document_is_read_back_whole() {
    let written = manifest(EVERYTHING);
    let read = Manifest::from_document(&written.document).expect("its own document");
    assert_eq!(
        (&read.document, &read.digest, read.version),
        (&written.document, &written.digest, 3)
    );
    let names = |m: &Manifest| {
        m.modules
            .values()
            .map(|m| (m.name.clone(), m.effect))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(names(&read), names(&written));
    assert!(Manifest::from_document("{").is_err());
    assert!(Manifest::from_document("{}").is_err());
}

#[test]
fn what_a_module_takes_and_gives_is_known_to_flows() {
    let app = manifest(EVERYTHING);
    let apps = Apps::new([app]);
    let (manifest, one) = apps
        .module(&"everything.one".parse().expect("a module"))
        .expect("it is there");
    assert_eq!(
        (one.effect, one.needs_connection, manifest.auth.none),
        (Effect::Read, true, false)
    );
    assert_eq!(
        one.input_schema,
        json!({"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": false})
    );
    assert_eq!(one.output_schema, Some(json!({"type": "array"})));
    let oauth2 = manifest.auth.oauth2.as_ref().expect("OAuth 2");
    assert_eq!(
        (
            oauth2.pkce,
            oauth2.scope_separator.as_str(),
            oauth2.keep.as_slice()
        ),
        (false, ",", &["url".to_owned()][..])
    );
    assert_eq!(
        (manifest.limits.concurrency, manifest.limits.rate),
        (Some(5), Some((100, 60_000)))
    );
    assert_eq!(
        manifest.auth.schemes(),
        [
            Scheme::Oauth2,
            Scheme::Password,
            Scheme::ApiKey,
            Scheme::Custom
        ]
    );
    assert!(oauth2.client_credentials);
}

#[test]
fn the_schema_for_editors_and_the_parser_know_the_same_keys() {
    let schema = manifest_schema();
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let value = crate::yaml::parse(EVERYTHING).expect("YAML").to_json();
    let faults: Vec<_> = validator
        .iter_errors(&value)
        .map(|e| e.to_string())
        .collect();
    assert_eq!(faults, [""; 0]);
    // The parser has accepted `EVERYTHING`, so a key of the schema that stands in it is a key of the parser.
    let (mut used, mut missing) = (BTreeSet::new(), BTreeSet::new());
    keys(&schema, &[&value], "top", &mut used, &mut missing);
    let never: Vec<_> = missing.difference(&used).collect();
    assert!(never.is_empty(), "{never:?}");
    assert!(used.len() > 80);
    for unknown in ["hooks", "titel"] {
        let mut value = value.clone();
        value[unknown] = json!({});
        assert!(!validator.is_valid(&value), "{unknown}");
    }
}

/// Keys of a schema, with the key they stand under: those that some value has, and those that none has.
fn keys(
    schema: &Value,
    values: &[&Value],
    under: &str,
    used: &mut BTreeSet<String>,
    missing: &mut BTreeSet<String>,
) {
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let found: Vec<_> = values.iter().filter_map(|v| v.get(key)).collect();
        let place = format!("{under}/{key}");
        if found.is_empty() {
            missing.insert(place);
        } else {
            used.insert(place);
            keys(below, &found, key, used, missing);
        }
    }
    if let Some(items) = schema.get("items") {
        let found: Vec<_> = values
            .iter()
            .filter_map(|v| v.as_array())
            .flatten()
            .collect();
        keys(items, &found, under, used, missing);
    }
    if let Some(items) = schema.get("additionalProperties") {
        let found: Vec<_> = values
            .iter()
            .filter_map(|v| v.as_object())
            .flat_map(serde_json::Map::values)
            .collect();
        keys(items, &found, under, used, missing);
    }
}

#[test]
fn cases_that_come_out_differently_are_named_with_their_place() {
    let app = Arc::clone(&manifest(
        "{app: demo, version: 1, base_url: 'https://a.example', modules: {get: {effect: read, input: {id: {}}, request: {get: '/x/{{ input.id }}'}}, put: {effect: step, request: {put: /x, json: {a: 1}}}}}",
    ));
    let text = r#"cases:
  - case: right
    module: get
    input: {id: 1}
    exchanges: [{request: {get: "https://a.example/x/1"}, response: {body: {n: 1.0}}}]
    output: {n: 1}
  - case: another address, another answer
    module: get
    input: {id: 2}
    exchanges: [{request: {post: "https://a.example/x/1", headers: {accept: text/csv}}, response: {body: 1}}]
    output: 2
  - case: another body
    module: put
    exchanges: [{request: {put: "https://a.example/x", json: {a: 2}}, response: {status: 500}}]
    output: 2
  - case: too few
    module: put
    output: 1
  - case: too many
    module: get
    input: {id: 1}
    exchanges: [{request: {get: "https://a.example/x/1"}, response: {}}, {request: {get: "https://a.example/x/2"}, response: {}}]
    error: {kind: not_found}
  - case: unknown
    module: gett
    outptu: 1
"#;
    let ran = cases::run(&app, &Default::default(), text);
    assert_eq!((ran.cases.len(), ran.modules.len()), (6, 6));
    expect![[r#"
        cases.yaml:10:27: error[case_failed]: the request is `GET https://a.example/x/2`, not `POST https://a.example/x/1`
          10 |     exchanges: [{request: {post: "https://a.example/x/1", headers: {accept: text/csv}}, response: {body: 1}}]
             |                           ^

        cases.yaml:10:27: error[case_failed]: the header `accept` is `application/json`, not `text/csv`
          10 |     exchanges: [{request: {post: "https://a.example/x/1", headers: {accept: text/csv}}, response: {body: 1}}]
             |                           ^

        cases.yaml:11:13: error[case_failed]: the output is 1, not 2
          11 |     output: 2
             |             ^

        cases.yaml:12:5: error[case_failed]: it failed: {"kind":"unavailable","message":"the app answered with status 500"}
          12 |   - case: another body
             |     ^

        cases.yaml:14:62: error[case_failed]: the body is {"a":1}, not {"a":2}
          14 |     exchanges: [{request: {put: "https://a.example/x", json: {a: 2}}, response: {status: 500}}]
             |                                                              ^

        cases.yaml:16:5: error[case_failed]: this request was not recorded: PUT https://a.example/x
          16 |   - case: too few
             |     ^

        cases.yaml:19:5: error[case_failed]: an error was expected, and the output is null
          19 |   - case: too many
             |     ^

        cases.yaml:22:84: error[case_failed]: this request was never made: GET https://a.example/x/2
          22 |     exchanges: [{request: {get: "https://a.example/x/1"}, response: {}}, {request: {get: "https://a.example/x/2"}, response: {}}]
             |                                                                                    ^

        cases.yaml:24:5: error[missing_key]: a case expects one of `output` and `error`
          24 |   - case: unknown
             |     ^

        cases.yaml:25:13: error[unknown_module]: `gett` is not a module of this app
          25 |     module: gett
             |             ^^^^
             = help: did you mean `get`?

        cases.yaml:26:5: error[unknown_key]: `outptu` is not a key of a case
          26 |     outptu: 1
             |     ^^^^^^
             = help: did you mean `output`?
    "#]].assert_eq(&render("cases.yaml", text, &ran.diagnostics, false));
}

#[test]
fn no_text_makes_the_parser_panic() {
    for end in 0..EVERYTHING.len() {
        if let Some(text) = EVERYTHING.get(..end) {
            let _ = parse(text);
        }
    }
}
