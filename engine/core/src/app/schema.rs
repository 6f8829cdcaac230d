//! The JSON Schema of a manifest, for editors: tables of keys with what they mean. The parser is the judge; a test holds the two together.

use serde_json::{Map, Value, json};

/// A key: its name (with `*` if it must be there), what it means, and its schema.
type Key = (&'static str, &'static str, fn() -> Value);

const TOP: &[Key] = &[
    (
        "app*",
        "The app's name, as flows use it: a-z, 0-9 and _.",
        || json!({"type": "string", "pattern": "^[a-z_][a-z0-9_]{0,62}$"}),
    ),
    ("title", "A title for people.", text),
    ("description", "What it is, in a sentence.", text),
    (
        "version*",
        "The author's version number.",
        || json!({"type": "integer", "minimum": 1}),
    ),
    ("logo", "The file of its logo, beside the manifest.", text),
    (
        "base_url",
        "What paths stand under; may use settings, as `{{ connection.NAME }}`.",
        text,
    ),
    (
        "hosts",
        "Credentials are attached to requests for these hosts only. The host of `base_url` if not said.",
        texts,
    ),
    (
        "settings",
        "Asked when an app client or a connection is set up; never part of a flow.",
        || map(|| object(SETTING)),
    ),
    (
        "auth",
        "How one signs in. An app without it needs no account.",
        || object(AUTH),
    ),
    (
        "errors",
        "What answers mean; the first entry that matches counts.",
        || json!({"type": "array", "items": object(ERROR)}),
    ),
    ("limits", "How much a connection bears.", || object(LIMITS)),
    ("modules*", "The operations of the app.", || {
        map(|| object(MODULE))
    }),
];

const SETTING: &[Key] = &[
    (
        "type*",
        "The type of its value.",
        || json!({"enum": ["string", "integer", "boolean"]}),
    ),
    ("title", "A title for people.", text),
    ("description", "What it is.", text),
    (
        "pattern",
        "What the whole value must look like. Needed where it is part of an address.",
        text,
    ),
    ("enum", "The values there are.", || json!({"type": "array"})),
    ("example", "A value such as people will give.", || {
        json!(true)
    }),
    ("default", "Its value if none is given.", || json!(true)),
    (
        "required",
        "False if it may be missing, for instance until the token answer brings it.",
        boolean,
    ),
];

const AUTH: &[Key] = &[
    (
        "oauth2",
        "OAuth 2 with the authorization code grant.",
        || object(OAUTH2),
    ),
    ("password", "User and password.", || object(PASSWORD)),
    ("api_key", "A key.", || object(API_KEY)),
    ("custom", "Fields of the app's own.", || object(CUSTOM)),
    (
        "account",
        "Whose account it is: shown, stored, audited.",
        || object(ACCOUNT),
    ),
    (
        "verify",
        "A request that only a good credential passes.",
        || object(VERIFY),
    ),
];

const OAUTH2: &[Key] = &[
    (
        "discovery",
        "The issuer whose metadata (RFC 8414, OpenID Connect) tells the addresses that are not said here.",
        text,
    ),
    (
        "authorize",
        "Where the person is sent; needed without `discovery`.",
        text,
    ),
    (
        "token",
        "Where the code is redeemed; needed without `discovery`.",
        text,
    ),
    ("refresh", "Where tokens are refreshed, if elsewhere.", text),
    ("revoke", "Where tokens are revoked (RFC 7009).", text),
    (
        "issuer",
        "What `iss` of the answer must be (RFC 9207).",
        text,
    ),
    ("pkce", "PKCE with S256; true unless switched off.", boolean),
    (
        "client_auth",
        "How the client shows who it is; basic unless said.",
        || json!({"enum": ["basic", "post", "none"]}),
    ),
    (
        "scope_separator",
        "Between scopes; a space unless said.",
        text,
    ),
    ("scopes", "Scope: what it lets a flow do, in words.", || {
        map(text)
    }),
    (
        "keep",
        "Fields of the token answer kept on the connection; each is a setting.",
        texts,
    ),
    (
        "authorize_parameters",
        "Extra parameters of the authorisation request.",
        || map(text),
    ),
    (
        "token_parameters",
        "Extra parameters of token requests.",
        || map(text),
    ),
    (
        "par",
        "Pushed requests (RFC 9126): auto, used where the metadata offers them, unless switched off.",
        || json!({"enum": ["auto", "off"]}),
    ),
    (
        "dpop",
        "Tokens bound to a key (RFC 9449): auto, used where the metadata offers them, unless switched off.",
        || json!({"enum": ["auto", "off"]}),
    ),
    (
        "client_credentials",
        "The app client may act as itself (RFC 6749, 4.4), for shared connections only; false unless said.",
        boolean,
    ),
];

const PASSWORD: &[Key] = &[
    ("username", "The user's name, which is no secret.", || {
        object(TYPED)
    }),
    ("password", "The password.", || object(TYPED)),
    (
        "send",
        "How it is sent; basic unless said.",
        || json!({"enum": ["basic"]}),
    ),
];

const API_KEY: &[Key] = &[
    ("key", "The key.", || object(TYPED)),
    (
        "send",
        "Where it goes; `Authorization: Bearer …` unless said.",
        || object(&SEND[..3]),
    ),
];

const CUSTOM: &[Key] = &[
    ("fields*", "What is asked for.", || map(|| object(FIELD))),
    (
        "send*",
        "Where the values go in each request. No expression ever sees a secret.",
        || json!({"type": "array", "items": object(SEND)}),
    ),
];

const TYPED: &[Key] = &FIELD_KEYS;

const FIELD_KEYS: [Key; 4] = [
    ("title", "What people call it.", text),
    ("description", "What it is, in a sentence.", text),
    ("pattern", "A regular expression for the whole value.", text),
    ("example", "An example.", text),
];

const FIELD: &[Key] = &[
    FIELD_KEYS[0],
    FIELD_KEYS[1],
    FIELD_KEYS[2],
    FIELD_KEYS[3],
    (
        "secret",
        "Goes to the vault and is never shown; what is none is a fact, as `{{ connection.NAME }}`.",
        boolean,
    ),
];

const SEND: &[Key] = &[
    ("header", "A header.", text),
    (
        "prefix",
        "What stands before the value in the header.",
        text,
    ),
    ("query", "A parameter of the address.", text),
    ("field", "The field whose value it is.", text),
    ("basic", "`Authorization: Basic …` of two fields.", || {
        object(BASIC)
    }),
];

const BASIC: &[Key] = &[
    ("username*", "The field with the user's name.", text),
    ("password*", "The field with the password.", text),
];

const ACCOUNT: &[Key] = &[
    ("request*", "What to ask.", || object(REQUEST)),
    (
        "subject*",
        "The app's stable id for the account, in the answer.",
        text,
    ),
    ("name", "What people call it, in the answer.", text),
];

const VERIFY: &[Key] = &[("request*", "What to ask.", || object(REQUEST))];

const ERROR: &[Key] = &[
    (
        "status",
        "A status, a class such as 4xx, or a list of them.",
        || {
            let one = json!({"type": ["integer", "string"]});
            json!({"anyOf": [one, {"type": "array", "items": one}]})
        },
    ),
    ("when", "A condition over `response`.", text),
    ("kind*", "What the engine makes of it.", || {
        json!({"enum": ["invalid_input", "permission_denied", "not_found", "conflict", "rate_limited", "unavailable", "timeout",
            "sign_in_needed", "rejected", "internal"]})
    }),
    ("code", "The app's own code.", text),
    ("message", "The app's own words.", text),
    (
        "after",
        "How long to wait: seconds or an HTTP date.",
        || json!({"type": ["string", "number"]}),
    ),
];

const LIMITS: &[Key] = &[
    (
        "concurrency",
        "Requests under way at once.",
        || json!({"type": "integer", "minimum": 1}),
    ),
    ("rate", "Requests in a time, such as 100/1m.", text),
];

const MODULE: &[Key] = &[
    ("title", "A title for people.", text),
    ("description", "What it does, in a sentence.", text),
    (
        "effect*",
        "What may be done when it is interrupted.",
        || json!({"enum": ["pure", "read", "idempotent", "at_most_once", "step"]}),
    ),
    (
        "input",
        "Its inputs by name, each a JSON Schema (`required: false` or a `default` makes it optional); or one schema.",
        || json!({"type": "object"}),
    ),
    (
        "native",
        "The code that performs it, such as core/set/1.",
        text,
    ),
    (
        "hold",
        "For a module that only waits: for a time, a call, a person, another run.",
        || json!({"enum": ["wait", "callback", "approve", "run_flow"]}),
    ),
    ("request", "What it asks.", || object(REQUEST)),
    ("pages", "How its answer is cut into pages.", || {
        object(PAGES)
    }),
    (
        "output",
        "What it gives, over `response`; the answer's body unless said.",
        || json!(true),
    ),
    (
        "output_schema",
        "The fields of what it gives, or one JSON Schema.",
        || json!({"type": "object"}),
    ),
    (
        "record",
        "What was touched: audited, never its content.",
        || object(RECORD),
    ),
    ("idempotency", "Where the step's key is sent.", || {
        object(IDEMPOTENCY)
    }),
    ("scopes", "Scopes it needs.", texts),
    (
        "rights",
        "Rights it needs in the app itself; named when the app refuses.",
        texts,
    ),
];

const REQUEST: &[Key] = &[
    ("get", "GET of a path under `base_url`.", text),
    ("head", "HEAD of a path.", text),
    ("post", "POST to a path.", text),
    ("put", "PUT to a path.", text),
    ("patch", "PATCH of a path.", text),
    ("delete", "DELETE of a path.", text),
    (
        "query",
        "Parameters; null leaves one out, a list repeats it.",
        || json!({"type": "object"}),
    ),
    (
        "headers",
        "Headers; never credentials.",
        || json!({"type": "object"}),
    ),
    ("json", "A JSON body.", || json!(true)),
    (
        "form",
        "A body of form fields.",
        || json!({"type": "object"}),
    ),
    ("raw", "A body as it is.", text),
];

const PAGES: &[Key] = &[
    ("cursor", "The mark of the next page in the answer.", text),
    (
        "link",
        "The address of the next page in the answer, or `header` for the Link header.",
        text,
    ),
    (
        "offset",
        "Pages are asked for by the number of items so far.",
        || object(OFFSET),
    ),
    ("send_as", "Where the mark or the number is sent.", || {
        object(PLACE)
    }),
    ("items*", "The list in the answer.", text),
    (
        "at_most",
        "Items gathered at most; 1000 unless said.",
        || json!({"type": "integer", "minimum": 1}),
    ),
];

const OFFSET: &[Key] = &[
    (
        "size*",
        "Items to a page.",
        || json!({"type": "integer", "minimum": 1}),
    ),
    ("size_as", "Where the page size is sent.", || object(PLACE)),
];

const PLACE: &[Key] = &[
    ("query", "A parameter of the query.", text),
    ("json", "A field of the JSON body.", text),
];

const RECORD: &[Key] = &[
    ("type*", "The app's type.", text),
    ("id*", "The app's id.", text),
];

const IDEMPOTENCY: &[Key] = &[("header*", "The header it is sent in.", text)];

/// The JSON Schema (draft 2020-12) of `app.yaml`.
pub fn manifest_schema() -> Value {
    let mut schema = object(TOP);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("An app of Actas");
    schema
}

fn object(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, meaning, schema) in keys {
        let plain = name.trim_end_matches('*');
        if plain != *name {
            required.push(plain);
        }
        let schema = match schema() {
            Value::Object(mut map) => {
                map.insert("description".into(), (*meaning).into());
                Value::Object(map)
            }
            _ => json!({"description": meaning}),
        };
        properties.insert(plain.to_owned(), schema);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn map(value: fn() -> Value) -> Value {
    json!({"type": "object", "additionalProperties": value()})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn texts() -> Value {
    json!({"type": "array", "items": text()})
}
