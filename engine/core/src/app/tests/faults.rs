//! Faults of manifests: all at once, each with its place and what to do.

use expect_test::{Expect, expect};

use crate::app::parse;
use crate::diagnostic::render;

#[expect(
    clippy::needless_pass_by_value,
    reason = "an expectation stands last, as it is written"
)]
fn check(text: &str, expected: Expect) {
    let parsed = parse(text);
    let has_errors = parsed
        .diagnostics
        .iter()
        .any(crate::diagnostic::Diagnostic::is_error);
    assert_eq!(parsed.manifest.is_none(), has_errors);
    expected.assert_eq(&render("app.yaml", text, &parsed.diagnostics, false));
}

#[test]
fn every_fault_of_a_manifest_comes_at_once() {
    check(
        r#"
app: Demo
titel: A demo
version: 0
base_url: "{{ connection.url }}/v1"
hosts: ["*.example", "https://api.example"]
settings:
  url: {type: string, titel: Address}
  region: {type: string, pattern: "[a-z", example: EU}
auth:
  oauth2:
    authorize: /authorize
    token: "{{ connection.ulr }}/token"
    client_auth: secret
    keep: [instance]
    authorize_parameters: {state: x, prompt: consent}
    scopes: {read: Read your things}
hooks: {}
errors:
  - {status: 2xx, kind: invalid_input}
  - {status: 999, kind: invalid_inputs}
  - {kind: conflict, wen: "{{ response.body.ok }}"}
limits: {rate: often}
modules:
  Create: {effect: read, request: {get: /things}}
  change:
    effect: read
    scopes: [raed]
    input: {id: {type: string}}
    request: {put: "/things/{{ input.ident }}?x=1", get: /x, query: {a: "{{ response.body.a }}"}, headers: {Authorization: x}}
  remove:
    effect: at_most_once
    request: {delete: "/things/../{{ inputs.id }}", json: {a: "{{ }}"}, form: {}, xml: <a/>}
    pages: {cursor: "{{ response.bdy.next }}", items: 1}
  code:
    effect: pure
    native: set
    request: {get: /}
"#,
        expect![[r#"
            app.yaml:2:6: error[bad_name]: `Demo` is not an app name: 1 to 63 of a-z, 0-9 and _, not beginning with a digit
              2 | app: Demo
                |      ^^^^

            app.yaml:3:1: error[unknown_key]: `titel` is not a key of an app
              3 | titel: A demo
                | ^^^^^
                = help: did you mean `title`?

            app.yaml:4:10: error[wrong_type]: expected a whole number from 1 to 4294967295, found the number `0`
              4 | version: 0
                |          ^

            app.yaml:6:9: error[bad_host]: `*.example` is not a host
              6 | hosts: ["*.example", "https://api.example"]
                |         ^^^^^^^^^^^
                = help: write `host` or `host:port`, without wildcards: a credential goes to these hosts only

            app.yaml:6:22: error[bad_host]: `https://api.example` is not a host
              6 | hosts: ["*.example", "https://api.example"]
                |                      ^^^^^^^^^^^^^^^^^^^^^
                = help: write `host` or `host:port`, without wildcards: a credential goes to these hosts only

            app.yaml:8:3: error[setting_without_pattern]: `url` is part of an address and has no `pattern`
              5 | base_url: "{{ connection.url }}/v1"
                |               -------------- it is used here
              8 |   url: {type: string, titel: Address}
                |   ^^^
                = help: say what it may look like, such as pattern: "https://[a-z0-9.-]+"

            app.yaml:8:23: error[unknown_key]: `titel` is not a key of a setting
              8 |   url: {type: string, titel: Address}
                |                       ^^^^^
                = help: did you mean `title`?

            app.yaml:9:11: error[bad_setting]: the setting `region` cannot be checked: "[a-z" is not a "regex"
              9 |   region: {type: string, pattern: "[a-z", example: EU}
                |           ^

            app.yaml:10:1: error[missing_key]: `account` is missing in `auth`
              10 | auth:
                 | ^^^^
                 = help: say whose account it is: account: {request: {get: /me}, subject: "{{ response.body.id }}"}

            app.yaml:12:16: error[bad_address]: `/authorize` is not a whole address
              12 |     authorize: /authorize
                 |                ^^^^^^^^^^
                 = help: begin with https:// or with a setting that does

            app.yaml:13:16: error[unknown_name]: `ulr` is not a setting of this app
              13 |     token: "{{ connection.ulr }}/token"
                 |                ^^^^^^^^^^^^^^
                 = help: did you mean `url`?

            app.yaml:14:18: error[unknown_word]: `secret` is not one of the words that may stand here
              14 |     client_auth: secret
                 |                  ^^^^^^
                 = help: there are `basic`, `post`, `none`

            app.yaml:15:12: error[unknown_name]: `instance` is kept from the token answer but is not a setting
              15 |     keep: [instance]
                 |            ^^^^^^^^
                 = help: say under `settings` what it may look like: an answer must not point a connection elsewhere

            app.yaml:16:28: error[reserved_parameter]: `state` is set by the sign-in itself
              16 |     authorize_parameters: {state: x, prompt: consent}
                 |                            ^^^^^

            app.yaml:18:1: error[not_yet_supported]: `hooks` is known, but not supported yet
              18 | hooks: {}
                 | ^^^^^
                 = help: remove it; this version cannot do what it asks for

            app.yaml:20:5: error[rule_for_good_answers]: this rule makes every good answer an error
              20 |   - {status: 2xx, kind: invalid_input}
                 |     ^
                 = help: say for which `status`, or `when`

            app.yaml:21:14: error[bad_status]: `999` is not a status
              21 |   - {status: 999, kind: invalid_inputs}
                 |              ^^^
                 = help: write a number such as 404, a class such as 4xx, or a list of them

            app.yaml:21:25: error[unknown_word]: `invalid_inputs` is not one of the words that may stand here
              21 |   - {status: 999, kind: invalid_inputs}
                 |                         ^^^^^^^^^^^^^^
                 = help: did you mean `invalid_input`?

            app.yaml:22:5: error[rule_for_good_answers]: this rule makes every good answer an error
              22 |   - {kind: conflict, wen: "{{ response.body.ok }}"}
                 |     ^
                 = help: say for which `status`, or `when`

            app.yaml:22:22: error[unknown_key]: `wen` is not a key of an entry of `errors`
              22 |   - {kind: conflict, wen: "{{ response.body.ok }}"}
                 |                      ^^^
                 = help: did you mean `when`?

            app.yaml:23:16: error[bad_rate]: `often` is not a rate
              23 | limits: {rate: often}
                 |                ^^^^^
                 = help: write requests and a time: `100/1m`

            app.yaml:25:3: error[bad_name]: `Create` is not a name
              25 |   Create: {effect: read, request: {get: /things}}
                 |   ^^^^^^
                 = help: use 1 to 63 of a-z, 0-9 and _, not beginning with a digit

            app.yaml:28:14: error[unknown_scope]: `raed` is not a scope of this app's sign-in
              28 |     scopes: [raed]
                 |              ^^^^
                 = help: did you mean `read`?

            app.yaml:30:15: error[two_methods]: a request has one method
              30 |     request: {put: "/things/{{ input.ident }}?x=1", get: /x, query: {a: "{{ response.body.a }}"}, headers: {Authorization: x}}
                 |               ^^^

            app.yaml:30:77: error[unknown_name]: `response` is not there in this place
              30 |     request: {put: "/things/{{ input.ident }}?x=1", get: /x, query: {a: "{{ response.body.a }}"}, headers: {Authorization: x}}
                 |                                                                             ^^^^^^^^^^^^^^^
                 = help: there are `connection`, `input`

            app.yaml:30:109: error[bad_header]: `Authorization` is for credentials, which only a connection brings
              30 |     request: {put: "/things/{{ input.ident }}?x=1", get: /x, query: {a: "{{ response.body.a }}"}, headers: {Authorization: x}}
                 |                                                                                                             ^^^^^^^^^^^^^

            app.yaml:33:14: error[two_bodies]: a request has one body: `json`, `form` or `raw`
              33 |     request: {delete: "/things/../{{ inputs.id }}", json: {a: "{{ }}"}, form: {}, xml: <a/>}
                 |              ^

            app.yaml:33:24: error[bad_address]: a path cannot climb with `.` or `..`
              33 |     request: {delete: "/things/../{{ inputs.id }}", json: {a: "{{ }}"}, form: {}, xml: <a/>}
                 |                        ^^^^^^^^^^^^^^^^^^^^^^^^^^

            app.yaml:33:66: error[bad_expression]: an expression is missing between the braces
              33 |     request: {delete: "/things/../{{ inputs.id }}", json: {a: "{{ }}"}, form: {}, xml: <a/>}
                 |                                                                  ^

            app.yaml:33:83: error[not_yet_supported]: `xml` is known, but not supported yet
              33 |     request: {delete: "/things/../{{ inputs.id }}", json: {a: "{{ }}"}, form: {}, xml: <a/>}
                 |                                                                                   ^^^
                 = help: remove it; this version cannot do what it asks for

            app.yaml:34:12: error[missing_key]: `send_as` is missing in `pages`
              34 |     pages: {cursor: "{{ response.bdy.next }}", items: 1}
                 |            ^
                 = help: say where it is sent: `send_as: {query: cursor}`

            app.yaml:34:25: error[unknown_name]: `bdy` is not a part of an answer
              34 |     pages: {cursor: "{{ response.bdy.next }}", items: 1}
                 |                         ^^^^^^^^^^^^^^^^^
                 = help: did you mean `body`?

            app.yaml:34:55: error[wrong_type]: expected a text, found the number `1`
              34 |     pages: {cursor: "{{ response.bdy.next }}", items: 1}
                 |                                                       ^

            app.yaml:37:13: error[bad_native]: `set` is not the name of a native module
              37 |     native: set
                 |             ^^^
                 = help: write app, module and version: `core/set/1`

            app.yaml:38:5: error[useless_key]: `request` has no meaning beside `native` or `hold`
              38 |     request: {get: /}
                 |     ^^^^^^^
        "#]],
    );
}

#[test]
fn an_effect_class_is_held_against_the_request() {
    check(
        r#"
app: demo
version: 1
base_url: https://api.example
modules:
  a: {effect: pure, request: {get: /a}}
  b: {effect: read, request: {delete: /a}}
  c: {effect: idempotent, request: {post: /a}}
  d: {effect: at_most_once, request: {post: /a}, idempotency: {header: Idempotency-Key}}
  e: {effect: at_most_once, request: {post: /a}, pages: {link: header, items: "{{ response.body }}"}}
  f: {effect: idempotent, request: {put: /a}}
  g: {effect: read, request: {post: /search, json: {}}}
  h: {effect: step, request: {post: /a}}
"#,
        expect![[r#"
            app.yaml:6:15: error[effect_does_not_fit]: a module with a request is not `pure`
              6 |   a: {effect: pure, request: {get: /a}}
                |               ^^^^

            app.yaml:7:15: error[effect_does_not_fit]: a module that sends DELETE is not a `read`
              7 |   b: {effect: read, request: {delete: /a}}
                |               ^^^^

            app.yaml:8:15: warning[no_idempotency_key]: a POST without an idempotency key is seldom idempotent
              8 |   c: {effect: idempotent, request: {post: /a}}
                |               ^^^^^^^^^^
                = help: say where the key is sent, `idempotency: {header: Idempotency-Key}`, or use `effect: at_most_once`

            app.yaml:9:15: error[effect_does_not_fit]: a module that sends an idempotency key is `idempotent`
              9 |   d: {effect: at_most_once, request: {post: /a}, idempotency: {header: Idempotency-Key}}
                |               ^^^^^^^^^^^^

            app.yaml:10:15: error[effect_does_not_fit]: only a `read` can have pages
              10 |   e: {effect: at_most_once, request: {post: /a}, pages: {link: header, items: "{{ response.body }}"}}
                 |               ^^^^^^^^^^^^
        "#]],
    );
}

#[test]
fn an_app_that_is_signed_in_to_must_say_whose_account_it_is() {
    check(
        r#"
app: demo
version: 1
base_url: https://api.example
auth:
  oauth2: {authorize: "https://id.example/a", token: "https://id.example/t"}
modules:
  a: {effect: read, request: {get: /a}}
"#,
        expect![[r#"
            app.yaml:5:1: error[missing_key]: `account` is missing in `auth`
              5 | auth:
                | ^^^^
                = help: say whose account it is: account: {request: {get: /me}, subject: "{{ response.body.id }}"}
        "#]],
    );
}

#[test]
fn a_manifest_without_anything_says_what_is_missing() {
    check(
        "app: demo",
        expect![[r#"
        app.yaml:1:1: error[missing_key]: `version` is missing in an app
          1 | app: demo
            | ^

        app.yaml:1:1: error[missing_key]: `modules` is missing in an app
          1 | app: demo
            | ^
    "#]],
    );
    check(
        "[]",
        expect![[r#"
        app.yaml:1:1: error[wrong_type]: expected an app, which is a map, found a list
          1 | []
            | ^
    "#]],
    );
    check(
        "{app: demo, version: 1, modules: {a: {effect: read, request: {get: /a}}}}",
        expect![[r#"
            app.yaml:1:68: error[bad_address]: `/a` stands under no address
              1 | {app: demo, version: 1, modules: {a: {effect: read, request: {get: /a}}}}
                |                                                                    ^^
                = help: give the app a `base_url`
        "#]],
    );
}

#[test]
fn a_setting_whose_example_does_not_fit_its_pattern_is_refused() {
    check(
        r#"
app: demo
version: 1
settings: {url: {type: string, pattern: "https://[a-z.]+", example: "http://a.example"}}
modules: {}
"#,
        expect![[r#"
            app.yaml:4:17: error[bad_setting]: the setting `url` cannot be checked: the example does not fit the setting's own schema
              4 | settings: {url: {type: string, pattern: "https://[a-z.]+", example: "http://a.example"}}
                |                 ^
        "#]],
    );
}

#[test]
fn kinds_of_sign_in_that_are_typed_say_where_each_secret_goes() {
    check(
        r#"
app: demo
version: 1
base_url: https://demo.example
settings: {tenant: {type: string}}
auth:
  password: {username: {titel: User}, passwort: {}, send: digest}
  api_key: {send: {header: Cookie, query: key}}
  custom:
    fields: {tenant: {pattern: "[a-z"}, pin: {secret: true}, Word: {secret: true}}
    send: [{header: X-Tenant, field: tenannt}, {query: t, field: tenant}, {basic: {username: tenant, password: Word}}]
modules: {a: {effect: read, request: {get: "/{{ connection.tenant }}/{{ connection.pin }}"}}}
"#,
        expect![[r#"
            app.yaml:7:3: warning[no_verify]: what is typed cannot be tried when it is saved
              7 |   password: {username: {titel: User}, passwort: {}, send: digest}
                |   ^^^^^^^^
                = help: name a request that only a good credential passes: verify: {request: {get: /me}}

            app.yaml:7:25: error[unknown_key]: `titel` is not a key of a field
              7 |   password: {username: {titel: User}, passwort: {}, send: digest}
                |                         ^^^^^
                = help: did you mean `title`?

            app.yaml:7:39: error[unknown_key]: `passwort` is not a key of `password`
              7 |   password: {username: {titel: User}, passwort: {}, send: digest}
                |                                       ^^^^^^^^
                = help: did you mean `password`?

            app.yaml:7:59: error[unknown_word]: `digest` is not one of the words that may stand here
              7 |   password: {username: {titel: User}, passwort: {}, send: digest}
                |                                                           ^^^^^^
                = help: there is only `basic`

            app.yaml:8:19: error[bad_send]: `send` says not in one way where the value goes
              8 |   api_key: {send: {header: Cookie, query: key}}
                |                   ^
                = help: write `header: NAME`, `query: NAME`, or in `custom` also `basic: {username: FIELD, password: FIELD}`

            app.yaml:10:14: error[double_name]: `tenant` is a setting too
              10 |     fields: {tenant: {pattern: "[a-z"}, pin: {secret: true}, Word: {secret: true}}
                 |              ^^^^^^
                 = help: give the field another name: both are `connection.NAME`

            app.yaml:10:14: error[bad_setting]: the field `tenant` cannot be checked: "[a-z" is not a "regex"
              10 |     fields: {tenant: {pattern: "[a-z"}, pin: {secret: true}, Word: {secret: true}}
                 |              ^^^^^^

            app.yaml:10:41: error[useless_key]: `pin` is never sent
              10 |     fields: {tenant: {pattern: "[a-z"}, pin: {secret: true}, Word: {secret: true}}
                 |                                         ^^^
                 = help: name it under `send`: a secret can be seen nowhere else

            app.yaml:10:62: error[bad_name]: `Word` is not a name
              10 |     fields: {tenant: {pattern: "[a-z"}, pin: {secret: true}, Word: {secret: true}}
                 |                                                              ^^^^
                 = help: use 1 to 63 of a-z, 0-9 and _, not beginning with a digit

            app.yaml:11:38: error[unknown_name]: there is no field `tenannt`
              11 |     send: [{header: X-Tenant, field: tenannt}, {query: t, field: tenant}, {basic: {username: tenant, password: Word}}]
                 |                                      ^^^^^^^
                 = help: did you mean `tenant`?

            app.yaml:11:56: error[bad_send]: `tenant` is no secret
              11 |     send: [{header: X-Tenant, field: tenannt}, {query: t, field: tenant}, {basic: {username: tenant, password: Word}}]
                 |                                                        ^
                 = help: write it in the requests: query: {name: "{{ connection.tenant }}"}

            app.yaml:12:73: error[unknown_name]: `pin` is not a setting of this app
              12 | modules: {a: {effect: read, request: {get: "/{{ connection.tenant }}/{{ connection.pin }}"}}}
                 |                                                                         ^^^^^^^^^^^^^^
                 = help: there are `tenant`, `username`
        "#]],
    );
}

#[test]
fn what_is_typed_and_no_secret_can_be_looked_at_and_decides_no_address() {
    check(
        r#"
app: demo
version: 1
auth:
  custom:
    fields: {tenant: {pattern: "[a-z]+"}, pin: {secret: true}}
    send: [{header: authorization, prefix: "Pin ", field: pin}]
modules:
  a: {effect: read, request: {get: "https://{{ connection.tenant }}.example/x"}}
  b: {effect: read, request: {get: "https://demo.example/{{ connection.tenant }}"}}
"#,
        expect![[r#"
            app.yaml:5:3: warning[no_verify]: what is typed cannot be tried when it is saved
              5 |   custom:
                |   ^^^^^^
                = help: name a request that only a good credential passes: verify: {request: {get: /me}}

            app.yaml:6:14: error[setting_without_pattern]: `tenant` is part of an address and has no `pattern`
              6 |     fields: {tenant: {pattern: "[a-z]+"}, pin: {secret: true}}
                |              ^^^^^^
              9 |   a: {effect: read, request: {get: "https://{{ connection.tenant }}.example/x"}}
                |                                                ----------------- it is used here
                = help: say what it may look like, such as pattern: "https://[a-z0-9.-]+"
        "#]],
    );
}
