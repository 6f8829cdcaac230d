//! The keys of the flow language: what may stand where, with the words editors show. Which keys go together is not said here, but where
//! flows are checked.

use crate::flow::shape::{Form, NameForm, Shape, key, must};
use crate::ids::{AppName, FlowName, ModuleRef, Name, SlotName, StepId};

fn read<T: std::str::FromStr>(text: &str) -> Result<(), String>
where
    T::Err: std::fmt::Display,
{
    text.parse::<T>()
        .map(drop)
        .map_err(|error| error.to_string())
}

fn input_name(text: &str) -> Result<(), String> {
    let good = text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if good {
        Ok(())
    } else {
        Err(format!(
            "`{text}` is not a name: 1 to 63 letters, digits and _, not beginning with a digit"
        ))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the form of all checks of names")]
fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

const FLOW_NAME: NameForm = NameForm {
    pattern: "^[a-z0-9-]{1,63}$",
    check: read::<FlowName>,
    joint: '-',
};
const STEP_ID: NameForm = NameForm {
    pattern: "^[a-z_][a-z0-9_]{0,62}$",
    check: read::<StepId>,
    joint: '_',
};
const SLOT_NAME: NameForm = NameForm {
    pattern: "^[a-z_][a-z0-9_]{0,62}$",
    check: read::<SlotName>,
    joint: '_',
};
const APP_NAME: NameForm = NameForm {
    pattern: "^[a-z_][a-z0-9_]{0,62}$",
    check: read::<AppName>,
    joint: '_',
};
const MODULE: NameForm = NameForm {
    pattern: "^[a-z_][a-z0-9_]{0,62}\\.[a-z_][a-z0-9_]{0,62}$",
    check: read::<ModuleRef>,
    joint: '_',
};
const CONNECTION: NameForm = NameForm {
    pattern: "^[a-z0-9-]{1,63}$",
    check: read::<Name>,
    joint: '-',
};
const DATA_NAME: NameForm = NameForm {
    pattern: "^[A-Za-z_][A-Za-z0-9_]{0,62}$",
    check: input_name,
    joint: '_',
};

/// What `run` holds: a flow can name nothing else of it.
pub(crate) const RUN_FIELDS: &[&str] = &[
    "run.id",
    "run.flow",
    "run.version",
    "run.started_at",
    "run.user.id",
    "run.user.name",
    "run.user.email",
    "run.user.manager",
    "run.user.roles",
];
/// The form is for editors; a header that is none is told where webhooks are checked.
const HEADER: NameForm = NameForm {
    pattern: "^[A-Za-z0-9_-]{1,100}$",
    check: anything,
    joint: '-',
};
const CASE: NameForm = NameForm {
    pattern: "",
    check: anything,
    joint: ' ',
};

/// The whole file.
pub(crate) static FLOW: Shape = Shape {
    what: "a flow",
    def: None,
    any_of: &[],
    keys: &[
        key(
            "language",
            Form::Integer(1, 1),
            "The version of the language, 1.",
        ),
        must(
            "flow",
            Form::Name(&FLOW_NAME),
            "The flow's name, unique in its workspace: a-z, 0-9 and -.",
        ),
        key("title", Form::Text, "A title for people."),
        key("description", Form::Text, "What it is for."),
        must(
            "trigger",
            Form::Shape(&TRIGGER),
            "What starts it, such as `{on_demand: {}}`.",
        ),
        key(
            "inputs",
            Form::Map(&DATA_NAME, &Form::Input),
            "What a run is given: name to JSON Schema. Without a default an input is required, unless `required: false`.",
        ),
        key(
            "connections",
            Form::Map(&SLOT_NAME, &Form::Shape(&SLOT)),
            "The accounts its steps act through, by name.",
        ),
        must(
            "steps",
            Form::Map(&STEP_ID, &Form::Shape(&STEP)),
            "What it does, step by step.",
        ),
        key(
            "outputs",
            Form::Map(&DATA_NAME, &Form::Any),
            "What a run gives back: name to value; texts may be expressions.",
        ),
        key(
            "limits",
            Form::Shape(&LIMITS),
            "How long a run and a pause may last, and how many items a loop may have.",
        ),
        key(
            "on_error",
            Form::WordOr(ON_ERROR, &BODY),
            "What happens when a run fails, after finished steps were undone: `fail` (default), `continue`, or steps that run; with `outputs` the run then ends well with them.",
        ),
        key(
            "concurrency",
            Form::Shape(&CONCURRENCY),
            "How many runs of it there may be at once.",
        ),
    ],
};

static TRIGGER: Shape = Shape {
    what: "a trigger",
    def: None,
    any_of: &[],
    keys: &[
        key(
            "on_demand",
            Form::Shape(&ON_DEMAND),
            "A person starts it and is then its invoker.",
        ),
        key(
            "schedule",
            Form::Shape(&SCHEDULE),
            "The clock starts it; nobody is then its invoker, so no connection can be dynamic.",
        ),
        key(
            "webhook",
            Form::Shape(&WEBHOOK),
            "Another system starts it; nobody is then its invoker, so no connection can be dynamic.",
        ),
    ],
};

static ON_DEMAND: Shape = Shape {
    what: "an on-demand trigger",
    def: None,
    any_of: &[],
    keys: &[key(
        "from",
        Form::Words(ENTRIES),
        "The entry points allowed; all if not said.",
    )],
};

/// The ways in which a person may start a flow.
pub(crate) const ENTRIES: &[&str] = &["button", "run_once", "api", "cli", "chat", "mcp"];

static SLOT: Shape = Shape {
    what: "a connection",
    def: None,
    any_of: &[],
    keys: &[
        must("app", Form::Name(&APP_NAME), "The app."),
        key(
            "dynamic",
            Form::Shape(&DYNAMIC),
            "The account of whoever runs the flow; `{}` for the defaults.",
        ),
        key(
            "connection",
            Form::Name(&CONNECTION),
            "A shared connection, by name.",
        ),
        key(
            "build_time",
            Form::Text,
            "One of your own connections, for your draft runs only. Never part of a version.",
        ),
    ],
};

static DYNAMIC: Shape = Shape {
    what: "a dynamic connection",
    def: None,
    any_of: &[],
    keys: &[
        key(
            "ask",
            Form::Word(&["up_front", "when_needed"]),
            "When the person is asked to sign in: before the first step (default), or at the step.",
        ),
        key(
            "keep",
            Form::Word(&["always", "run"]),
            "How long the sign-in is kept: for the next runs too (default), or for this run only.",
        ),
        key(
            "scopes",
            Form::Texts,
            "The scopes wanted; those its modules need if not said.",
        ),
        key(
            "parent",
            Form::Name(&CONNECTION),
            "A shared connection that gives address and app client.",
        ),
        key(
            "why",
            Form::Text,
            "Shown on the connect page: why the account is needed.",
        ),
        key(
            "of",
            Form::Name(&STEP_ID),
            "A `core.approve` step: the account of whoever decides it, instead of whoever runs the flow.",
        ),
        key(
            "enabled",
            Form::Boolean,
            "`false` acts through `parent` for everybody and asks nobody.",
        ),
    ],
};

static STEP: Shape = Shape {
    what: "a step",
    def: Some("step"),
    any_of: &["uses", "for_each", "while", "until", "switch"],
    keys: &[
        key("title", Form::Text, "A title for people."),
        key(
            "uses",
            Form::Name(&MODULE),
            "The module: app and module joined by a point, such as `core.set`.",
        ),
        key(
            "connection",
            Form::Name(&SLOT_NAME),
            "The connection it acts through; may be left out where only one fits the app.",
        ),
        key(
            "with",
            Form::AnyMap,
            "The module's input; texts may be expressions: `\"{{ steps.find.id }}\"`.",
        ),
        key(
            "if",
            Form::Condition,
            "One expression, braces optional; false skips the step.",
        ),
        key(
            "needs",
            Form::Names(&STEP_ID),
            "Steps beside it that must have ended before, besides those its expressions name. `[]` says that none is meant.",
        ),
        key(
            "retry",
            Form::IntegerOr(1, 100, &RETRY),
            "What to do about errors that may pass: attempts in all, or a map.",
        ),
        key(
            "timeout",
            Form::Duration,
            "How long one attempt may take, such as `30s`.",
        ),
        key(
            "effect",
            Form::Word(&["read", "idempotent", "at_most_once"]),
            "What may be done when it is interrupted, where the module leaves it open.",
        ),
        key(
            "for_each",
            Form::Expression,
            "One expression that gives a list, such as `inputs.lines`: `steps`, or the module beside it, run once for each `item`. Gives `items`, `failed` and `count`.",
        ),
        key(
            "parallel",
            Form::Integer(1, 256),
            "With `for_each`: how many items may be under way at once; 1 if not said.",
        ),
        key(
            "on_item_error",
            Form::Word(&["fail", "continue"]),
            "With `for_each`: whether an item that fails stops the others (`fail`, default) or is only listed under `failed`.",
        ),
        key(
            "while",
            Form::Condition,
            "A condition tested before each round; `steps` run again and again while it holds. It sees the steps of the last round.",
        ),
        key(
            "until",
            Form::Condition,
            "A condition tested after each round; `steps` run again and again until it holds. It sees the steps of the last round.",
        ),
        key(
            "every",
            Form::Duration,
            "With `while` or `until`: what lies between the rounds, such as `10s`.",
        ),
        key(
            "max_rounds",
            Form::Integer(1, 10_000),
            "With `while` or `until`: the most rounds; the step fails after them.",
        ),
        key(
            "switch",
            Form::Expression,
            "One expression whose value chooses one of the `cases`.",
        ),
        key(
            "cases",
            Form::Map(&CASE, &Form::Shape(&BODY)),
            "With `switch`: the steps to run, by value.",
        ),
        key(
            "default",
            Form::Shape(&BODY),
            "With `switch`: what runs where no case fits; without it the step fails then.",
        ),
        key(
            "steps",
            Form::Map(&STEP_ID, &Form::Shape(&STEP)),
            "The steps of a loop. They see each other and the steps around.",
        ),
        key(
            "outputs",
            Form::Map(&DATA_NAME, &Form::Any),
            "What one pass of a loop gives to the steps around; its steps by id if not said.",
        ),
        key(
            "on_error",
            Form::WordOr(ON_ERROR, &BODY),
            "What happens when it fails for good: `fail` (default), `continue` as if it was skipped, or steps that run; with `outputs` it then counts as done.",
        ),
        key(
            "undo",
            Form::Shape(&UNDO),
            "What takes it back when the run fails later: one use of a module, which may name this step's output.",
        ),
    ],
};

/// The two words beside steps.
pub(crate) const ON_ERROR: &[&str] = &["fail", "continue"];

static BODY: Shape = Shape {
    what: "a map of `steps` and `outputs`",
    def: Some("body"),
    any_of: &["steps", "outputs"],
    keys: &[
        key(
            "steps",
            Form::Map(&STEP_ID, &Form::Shape(&STEP)),
            "The steps. They see each other and the steps around.",
        ),
        key(
            "outputs",
            Form::Map(&DATA_NAME, &Form::Any),
            "What they give to the steps around; the steps by id if not said.",
        ),
    ],
};

static UNDO: Shape = Shape {
    what: "an undo",
    def: Some("undo"),
    any_of: &[],
    keys: &[
        key("title", Form::Text, "A title for people."),
        must(
            "uses",
            Form::Name(&MODULE),
            "The module that takes the step back.",
        ),
        key(
            "connection",
            Form::Name(&SLOT_NAME),
            "The connection it acts through; may be left out where only one fits the app.",
        ),
        key(
            "with",
            Form::AnyMap,
            "The module's input; it may name the step's own output.",
        ),
        key(
            "if",
            Form::Condition,
            "One expression, braces optional; false leaves the step as it is.",
        ),
        key(
            "retry",
            Form::IntegerOr(1, 100, &RETRY),
            "What to do about errors that may pass.",
        ),
        key(
            "timeout",
            Form::Duration,
            "How long one attempt may take, such as `30s`.",
        ),
        key(
            "effect",
            Form::Word(&["read", "idempotent", "at_most_once"]),
            "What may be done when it is interrupted, where the module leaves it open.",
        ),
    ],
};

static RETRY: Shape = Shape {
    what: "a retry rule",
    def: None,
    any_of: &[],
    keys: &[
        must(
            "attempts",
            Form::Integer(1, 100),
            "Attempts in all, the first included.",
        ),
        key(
            "first_delay",
            Form::Duration,
            "Before the second attempt; 1s if not said.",
        ),
        key(
            "max_delay",
            Form::Duration,
            "The delay grows up to this; 1m if not said.",
        ),
        key(
            "backoff",
            Form::Word(&["constant", "exponential"]),
            "Always the first delay, or doubled each time (default).",
        ),
        key(
            "on",
            Form::Words(ERROR_KINDS),
            "The kinds of error that are tried again; `rate_limited`, `unavailable` and `timeout` if not said.",
        ),
    ],
};

static LIMITS: Shape = Shape {
    what: "the limits",
    def: None,
    any_of: &[],
    keys: &[
        key(
            "run",
            Form::Duration,
            "The longest a run may take while it does not only wait for people; 1d if not said.",
        ),
        key(
            "pause",
            Form::Duration,
            "The longest a pause may last; 7d if not said.",
        ),
        key(
            "items",
            Form::Integer(1, 1_000_000),
            "The most items of one `for_each`; 100000 if not said.",
        ),
    ],
};

/// The kinds of error, as [`crate::ErrorKind`] has them.
pub(crate) const ERROR_KINDS: &[&str] = &[
    "invalid_input",
    "permission_denied",
    "not_found",
    "conflict",
    "rate_limited",
    "unavailable",
    "timeout",
    "sign_in_needed",
    "rejected",
    "internal",
];

static CONCURRENCY: Shape = Shape {
    what: "a rule of concurrency",
    def: None,
    any_of: &["limit", "key"],
    keys: &[
        key(
            "limit",
            Form::Integer(1, 100_000),
            "At most so many runs active at once. One that waits or is paused gives its place back.",
        ),
        key(
            "key",
            Form::Text,
            "A text such as `\"{{ inputs.customer }}\"`: at most one run with one value of it, also while it waits or is paused.",
        ),
        key(
            "when_full",
            Form::Word(&["queue", "refuse"]),
            "Whether a run for which there is no place waits for its turn (default) or is not created.",
        ),
    ],
};

static SCHEDULE: Shape = Shape {
    what: "a schedule",
    def: None,
    any_of: &[],
    keys: &[
        must(
            "cron",
            Form::Text,
            "Minute, hour, day of the month, month, day of the week: `0 9 * * MON-FRI`; six fields have the second first.",
        ),
        key(
            "timezone",
            Form::Text,
            "The name of an IANA time zone, such as `Europe/Berlin`; UTC if not said.",
        ),
        key(
            "catchup",
            Form::Word(&["none", "last", "all"]),
            "What becomes of times that passed while nothing could start: left out (default), one run for the last, or one for each.",
        ),
        key(
            "dst",
            Form::Shape(&DST),
            "What happens where clocks are put forward or back.",
        ),
    ],
};

static DST: Shape = Shape {
    what: "a rule for changed clocks",
    def: None,
    any_of: &[],
    keys: &[
        key(
            "gap",
            Form::Word(&["run", "skip"]),
            "A time that the day does not have: at the first instant after the gap (default), or not at all.",
        ),
        key(
            "overlap",
            Form::Word(&["first", "both"]),
            "A time that the day has twice: the first time (default), or both.",
        ),
    ],
};

static WEBHOOK: Shape = Shape {
    what: "a webhook",
    def: None,
    any_of: &[],
    keys: &[
        must(
            "verify",
            Form::WordOr(&["none"], &VERIFY),
            "How the caller is known: `{hmac_sha256: {secret: NAME, header: X-Signature}}`, or `none`, written out, for anybody who knows the address.",
        ),
        key(
            "delivery",
            Form::Name(&HEADER),
            "The header that names a delivery, so that one that comes twice within a week starts one run.",
        ),
    ],
};

static VERIFY: Shape = Shape {
    what: "a way to know the caller",
    def: None,
    any_of: &[],
    keys: &[must(
        "hmac_sha256",
        Form::Shape(&HMAC_SHA256),
        "A signature over the bytes sent.",
    )],
};

static HMAC_SHA256: Shape = Shape {
    what: "a signature",
    def: None,
    any_of: &[],
    keys: &[
        must(
            "secret",
            Form::Names(&CONNECTION),
            "The name of one of the workspace's secrets (`actas secrets`), or several, any of which may have signed.",
        ),
        must(
            "header",
            Form::Name(&HEADER),
            "The header with the signature.",
        ),
        key(
            "prefix",
            Form::Text,
            "What stands before the signature, such as `sha256=`.",
        ),
        key(
            "encoding",
            Form::Word(&["hex", "base64"]),
            "How the signature is written; hex if not said.",
        ),
        key(
            "timestamp",
            Form::Shape(&TIMESTAMP),
            "The header with the time of signing, and how old it may be.",
        ),
        key(
            "signed",
            Form::Text,
            "What is signed, made of `{body}`, `{timestamp}` and `{delivery}`; the body alone if not said.",
        ),
    ],
};

static TIMESTAMP: Shape = Shape {
    what: "a time of signing",
    def: None,
    any_of: &[],
    keys: &[
        must("header", Form::Name(&HEADER), "The header that holds it."),
        key(
            "tolerance",
            Form::Duration,
            "How far from now it may be; 5m if not said.",
        ),
    ],
};
