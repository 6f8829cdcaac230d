//! The keys of the flow language: what may stand where, with the words editors show. Keys of the language that this version cannot run are
//! here too, so that they are told apart from mistakes.

use crate::flow::shape::{Form, Key, NameForm, Shape, key, must};
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

/// A key of a later part of the language.
const fn later(name: &'static str) -> Key {
    key(
        name,
        Form::Later,
        "Part of the language, but not yet of this version.",
    )
}

/// Modules of the language that this version does not have.
pub(crate) const LATER_MODULES: &[&str] = &["core.parse_json", "core.parse_csv", "core.render"];

/// Names of the language that expressions cannot see yet, and where they come from.
pub(crate) const LATER_ROOTS: &[(&str, &str)] = &[
    ("vars", "workspace variables"),
    ("item", "loops (`for_each`)"),
    ("index", "loops (`for_each`)"),
    ("error", "error handlers (`on_error`)"),
];

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

/// The whole file.
pub(crate) const FLOW: Shape = Shape {
    what: "a flow",
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
            "How long a run and a pause may last.",
        ),
        later("on_error"),
        later("concurrency"),
    ],
};

const TRIGGER: Shape = Shape {
    what: "a trigger",
    keys: &[
        key(
            "on_demand",
            Form::Shape(&ON_DEMAND),
            "A person starts it and is then its invoker.",
        ),
        // Told by the check of triggers, which knows what a dynamic connection means for them.
        key("schedule", Form::Any, "The clock starts it."),
        key("webhook", Form::Any, "Another system starts it."),
    ],
};

const ON_DEMAND: Shape = Shape {
    what: "an on-demand trigger",
    keys: &[key(
        "from",
        Form::Words(ENTRIES),
        "The entry points allowed; all if not said.",
    )],
};

/// Entry points, those of later versions included.
pub(crate) const ENTRIES: &[&str] = &["button", "run_once", "api", "cli", "chat", "mcp"];

const SLOT: Shape = Shape {
    what: "a connection",
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

const DYNAMIC: Shape = Shape {
    what: "a dynamic connection",
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
        later("of"),
        later("enabled"),
    ],
};

const STEP: Shape = Shape {
    what: "a step",
    keys: &[
        key("title", Form::Text, "A title for people."),
        must(
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
            "Steps that must have ended before, beside those its expressions name. `[]` says that none is meant.",
        ),
        key(
            "retry",
            Form::IntegerOr(1, 100, &RETRY),
            "What to do about transient errors: attempts in all, or a map.",
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
        later("for_each"),
        later("parallel"),
        later("on_item_error"),
        later("while"),
        later("until"),
        later("every"),
        later("max_rounds"),
        later("switch"),
        later("cases"),
        later("default"),
        later("steps"),
        later("outputs"),
        later("on_error"),
        later("undo"),
    ],
};

const RETRY: Shape = Shape {
    what: "a retry rule",
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
            "The delay doubles each time up to this; 1m if not said.",
        ),
    ],
};

const LIMITS: Shape = Shape {
    what: "the limits",
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
        later("items"),
    ],
};
