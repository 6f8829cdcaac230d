//! Approvals: who is asked, who may decide, what they fill in, and what the step gives. It asks nobody and keeps nothing.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::flow::inputs::carries;
use crate::ids::UserId;
use crate::run::parts::Person;
use crate::run::refused::Refused;
use crate::schema::Schema;
use crate::time::Time;

/// One of those who are asked. As text: a login, or `role:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// The person with this login.
    Login(String),
    /// Everybody who has this role when they decide.
    Role(String),
}

impl Asked {
    /// Reads a login or `role:NAME`; none for an empty one. No login can look like a role.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_prefix("role:").map(str::trim) {
            Some("") => None,
            Some(role) => Some(Self::Role(role.to_owned())),
            None if text.is_empty() => None,
            None => Some(Self::Login(text.to_owned())),
        }
    }

    /// Whether this person is meant, with the roles they have now.
    pub fn means(&self, person: &Person) -> bool {
        match self {
            Self::Login(login) => person.login == *login,
            Self::Role(role) => person.roles.contains(role),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(login) => f.write_str(login),
            Self::Role(role) => write!(f, "role:{role}"),
        }
    }
}

impl Serialize for Asked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is neither a login nor `role:NAME`"))
        })
    }
}

/// What `core.approve` asks for, read from its input.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalSpec {
    /// Who is asked; never empty.
    pub who: Vec<Asked>,
    /// Whoever runs the flow, unless they may decide it themselves.
    pub not_by: Option<UserId>,
    /// What it is about, for people.
    pub title: String,
    /// What they fill in: field → JSON Schema, with `required: false` where it may be left out. An empty map if nothing.
    pub form: Value,
    /// The deadline.
    pub until: Time,
    /// Whether the run goes on when it is rejected or expires.
    pub on_reject_continue: bool,
}

impl ApprovalSpec {
    /// Whether this person may decide it.
    ///
    /// # Errors
    /// See [`may_decide`].
    pub fn may_decide(&self, person: &Person) -> Result<(), Refused> {
        may_decide(&self.who, self.not_by.as_ref(), person)
    }
}

/// Whether a person, with the roles they have now, may decide what these were asked. `not_by`: whoever runs the flow, unless they may.
///
/// # Errors
/// [`Refused::NotAsked`], or [`Refused::InvokerMayNotDecide`] if they are asked and run the flow themselves.
pub fn may_decide(who: &[Asked], not_by: Option<&UserId>, person: &Person) -> Result<(), Refused> {
    if !who.iter().any(|asked| asked.means(person)) {
        return Err(Refused::NotAsked);
    }
    if not_by == Some(&person.id) {
        return Err(Refused::InvokerMayNotDecide);
    }
    Ok(())
}

/// A comment is at most so many characters long.
pub const LONGEST_COMMENT: usize = 10_000;
/// How deep a form's values may be nested.
const DEEPEST: usize = 16;

/// The form of an approval, compiled.
#[derive(Debug)]
pub struct Form(Vec<Field>);

#[derive(Debug)]
struct Field {
    name: String,
    check: Schema,
    default: Option<Value>,
    required: bool,
}

impl Form {
    /// Compiles `{field: JSON Schema, …}`; `null` is a form without fields.
    ///
    /// # Errors
    /// What is wrong with it, as a fragment.
    pub fn read(form: &Value) -> Result<Self, String> {
        let fields = match form {
            Value::Null => return Ok(Self(Vec::new())),
            Value::Object(fields) => fields,
            _ => return Err("`form` is not a map of field to JSON Schema".to_owned()),
        };
        let field = |(name, schema): (&String, &Value)| {
            let mut schema = schema.clone();
            let parts = schema.as_object_mut().ok_or_else(|| {
                format!(
                    "the form's field `{name}` is not a JSON Schema, such as `{{type: number}}`"
                )
            })?;
            // In a form, as in a flow's inputs, this says whether the field must be given; a list is the schema's own word for maps.
            let required = match parts.get("required") {
                Some(Value::Bool(required)) => {
                    let required = *required;
                    parts.remove("required");
                    required
                }
                _ => true,
            };
            let check = Schema::compile(&schema)
                .map_err(|why| format!("the form's field `{name}` is not a JSON Schema: {why}"))?;
            Ok(Field {
                name: name.clone(),
                check,
                default: schema.get("default").cloned(),
                required,
            })
        };
        fields.iter().map(field).collect::<Result<_, _>>().map(Self)
    }

    /// What was filled in, with defaults. Whoever rejects need not fill in anything, but what they give must fit.
    ///
    /// # Errors
    /// [`Refused::DoesNotFit`] naming every field that is missing, unknown or does not fit, never a value.
    pub fn check(&self, approved: bool, given: &Value) -> Result<Value, Refused> {
        let none = Map::new();
        let given = match given {
            Value::Null => &none,
            Value::Object(given) => given,
            _ => {
                return Err(Refused::DoesNotFit(
                    "the form is a map of field to value".to_owned(),
                ));
            }
        };
        let mut faults = Vec::new();
        let mut filled = Map::new();
        for field in &self.0 {
            let default = field.default.as_ref().filter(|_| approved);
            let Some(value) = given.get(&field.name).or(default) else {
                if approved && field.required {
                    faults.push(format!("the field `{}` is missing", field.name));
                }
                continue;
            };
            if let Err(message) = carries(value, DEEPEST) {
                faults.push(format!("the field `{}` {message}", field.name));
            }
            for misfit in field.check.misfits(value) {
                let inside = misfit.pointer.replace('/', ".");
                faults.push(format!(
                    "the field `{}{inside}`: {}",
                    field.name, misfit.message
                ));
            }
            filled.insert(field.name.clone(), value.clone());
        }
        for name in given.keys() {
            if !self.0.iter().any(|field| field.name == *name) {
                faults.push(format!("the form has no field `{name}`"));
            }
        }
        if faults.is_empty() {
            Ok(Value::Object(filled))
        } else {
            Err(Refused::DoesNotFit(faults.join("; ")))
        }
    }
}

/// Checks what somebody decided against the form it was asked with, and gives the form filled in.
///
/// # Errors
/// [`Refused::DoesNotFit`]: the form, see [`Form::check`], or a comment that is too long.
pub fn check(
    form: &Value,
    approved: bool,
    comment: Option<&str>,
    given: &Value,
) -> Result<Value, Refused> {
    if comment.is_some_and(|comment| comment.chars().count() > LONGEST_COMMENT) {
        return Err(Refused::DoesNotFit(format!(
            "the comment is longer than {LONGEST_COMMENT} characters"
        )));
    }
    Form::read(form)
        .map_err(Refused::DoesNotFit)?
        .check(approved, given)
}

/// What became of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody said yes.
    Approved,
    /// Somebody said no.
    Rejected,
    /// Nobody said anything in time.
    Expired,
}

impl Outcome {
    /// The word in a step's output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// What the step gives: `{decision, by: {id, name}, at, comment, form}`.
pub fn output(
    outcome: Outcome,
    by: Option<(&UserId, &str)>,
    at: Time,
    comment: Option<&str>,
    form: &Value,
) -> Value {
    json!({
        "decision": outcome.as_str(),
        "by": by.map(|(id, name)| json!({"id": id, "name": name})),
        "at": at,
        "comment": comment,
        "form": form,
    })
}
