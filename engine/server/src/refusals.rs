//! What the errors of the engine's other parts mean to a caller: status, code, sentence.

use actas_connections::{ConnectionsError, SignInError};
use actas_core::run::Refused;
use actas_runner::{AgainError, CancelError, CreateError, LoadError};
use axum::http::StatusCode;
use serde_json::json;

use crate::access::Privilege;
use crate::attach::AttachError;
use crate::drafts::DraftError;
use crate::dynamic::MayNotTurn;
use crate::problem::Problem;
use crate::publish::PublishError;
use crate::requests::AnswerError;

/// Of connections.
pub fn connections(error: ConnectionsError) -> Problem {
    let code = error.code();
    match error {
        ConnectionsError::NotFound => Problem::not_found("connection"),
        ConnectionsError::ParentGone(_)
        | ConnectionsError::Client(_)
        | ConnectionsError::Taken(_)
        | ConnectionsError::Guarded(_)
        | ConnectionsError::ParentDead(_)
        | ConnectionsError::NotChosen(_) => Problem::conflict(code, error.to_string()),
        ConnectionsError::Integrity(_) => Problem::internal(error),
        ConnectionsError::Read(error) => error.into(),
        ConnectionsError::Commit(error) => error.into(),
    }
}

/// Of sign-ins.
pub fn sign_in(error: SignInError) -> Problem {
    let code = error.code();
    match error {
        SignInError::NotFound => Problem::not_found("sign-in"),
        SignInError::NotYours => Problem::new(StatusCode::FORBIDDEN, code, error.to_string()),
        SignInError::Done | SignInError::Over => {
            Problem::new(StatusCode::GONE, code, error.to_string())
        }
        SignInError::NotUsable
        | SignInError::Guarded(_)
        | SignInError::Taken(_)
        | SignInError::Misconfigured(_) => Problem::conflict(code, error.to_string()),
        SignInError::Unavailable => Problem::new(StatusCode::BAD_GATEWAY, code, error.to_string()),
        SignInError::Read(error) => error.into(),
        SignInError::Commit(error) => error.into(),
    }
}

/// Of loading runs and versions.
pub fn load(error: LoadError) -> Problem {
    match error {
        LoadError::Read(error) => error.into(),
        LoadError::NoVersion(_) | LoadError::NeverPublished(_) => Problem::not_found("version"),
        LoadError::Unusable { .. } | LoadError::Journal { .. } => Problem::internal(error),
    }
}

/// Of creating runs.
pub fn create(error: CreateError) -> Problem {
    match error {
        CreateError::OtherBody => Problem::invalid("idempotency_key_reused", error.to_string()),
        CreateError::NobodysSlot(_) => Problem::invalid("nobodys_slot", error.to_string()),
        CreateError::Load(error) => load(error),
        CreateError::Store(why) => {
            tracing::warn!(%why, "run cannot be recorded");
            Problem::unavailable("the run cannot be recorded just now: send the request again")
        }
        CreateError::Full => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "flow_full",
            error.to_string(),
        ),
        CreateError::Key(_) => Problem::invalid("concurrency_key", error.to_string()),
        CreateError::Stopping => Problem::unavailable(error.to_string()),
    }
}

/// Of running runs again.
pub fn again(error: AgainError) -> Problem {
    let text = error.to_string();
    match error {
        AgainError::NotFound => Problem::not_found("run"),
        AgainError::NotEnded => Problem::conflict("not_ended", text),
        AgainError::Succeeded => Problem::conflict("succeeded", text),
        AgainError::NotYours => Problem::new(StatusCode::FORBIDDEN, "not_yours", text),
        AgainError::IsPart(parent) => {
            Problem::conflict("is_part", text).with("parent", parent.as_str())
        }
        AgainError::Create(error) => create(error),
        AgainError::Load(error) => load(error),
    }
}

/// Of cancelling runs.
pub fn cancel(error: CancelError) -> Problem {
    match error {
        CancelError::Ended(_) => Problem::conflict("run_ended", error.to_string()),
        CancelError::NotFound => Problem::not_found("run"),
        CancelError::Store(why) => {
            tracing::warn!(%why, "cancelling cannot be recorded");
            Problem::unavailable("it cannot be recorded just now: send the request again")
        }
    }
}

/// Of what people answer and other systems call back.
pub fn answer(error: AnswerError) -> Problem {
    let why = match error {
        AnswerError::Refused(why) => why,
        AnswerError::Load(error) => return load(error),
        AnswerError::Read(error) => return error.into(),
        AnswerError::Commit(error) => return error.into(),
    };
    let status = match &why {
        Refused::NotFound => StatusCode::NOT_FOUND,
        Refused::NotAsked | Refused::InvokerMayNotDecide | Refused::OnlyTheirPerson => {
            StatusCode::FORBIDDEN
        }
        Refused::AlreadyDecided | Refused::Used => StatusCode::CONFLICT,
        Refused::Expired | Refused::RunEnding => StatusCode::GONE,
        Refused::DoesNotFit(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, why.code(), why.to_string())
}

/// Of attaching shared connections.
fn attach(error: AttachError) -> Problem {
    let text = error.to_string();
    match error {
        AttachError::MayNot(_) => {
            Problem::forbidden(text).with("privilege", Privilege::ConnectionsUse.as_str())
        }
        AttachError::Read(error) => error.into(),
    }
}

/// Of drafts.
pub fn draft(error: DraftError) -> Problem {
    let text = error.to_string();
    match error {
        DraftError::Faults(faults) => {
            Problem::invalid("flow_has_faults", text).with("diagnostics", json!(faults))
        }
        DraftError::OtherFlow { .. } => Problem::invalid("other_flow", text),
        DraftError::Stale(revision) => {
            Problem::new(StatusCode::PRECONDITION_FAILED, "draft_changed", text)
                .with("revision", revision)
        }
        DraftError::Exists => Problem::new(StatusCode::PRECONDITION_FAILED, "draft_exists", text),
        DraftError::Attach(error) => attach(error),
        DraftError::Dynamic(lacks) => dynamic(&lacks),
        DraftError::Read(error) => error.into(),
        DraftError::Commit(error) => error.into(),
    }
}

fn dynamic(lacks: &MayNotTurn) -> Problem {
    Problem::forbidden(lacks.to_string())
        .with("privilege", lacks.lacking.as_str())
        .with("slot", lacks.slot.as_str())
}

/// Of publishing.
pub fn publish(error: PublishError) -> Problem {
    let text = error.to_string();
    match error {
        PublishError::Draft(error) => draft(error),
        PublishError::Unresolved(missing) => {
            Problem::invalid("unresolved_names", text).with("missing", json!(missing))
        }
        PublishError::NoSecret(missing) => {
            Problem::invalid("no_such_secret", text).with("missing", json!(missing))
        }
        PublishError::Attach(error) => attach(error),
        PublishError::ByTheSame => Problem::new(StatusCode::FORBIDDEN, "publish_by_another", text),
        PublishError::Dynamic(lacks) => dynamic(&lacks),
        PublishError::Unmanned(slots) => {
            Problem::invalid("dynamic_without_person", text).with("slots", json!(slots))
        }
        PublishError::Same(version) => {
            Problem::conflict("nothing_changed", text).with("version", version)
        }
        PublishError::Meanwhile => Problem::conflict("published_meanwhile", text),
        PublishError::NotProved(_) => {
            tracing::error!("{text}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not_proved", text)
        }
        PublishError::Read(error) => error.into(),
        PublishError::Commit(error) => error.into(),
    }
}
