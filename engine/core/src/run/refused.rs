//! Why something that somebody or something outside gives to a run does not get into it. Who may see this, the server decides; nothing here
//! says more than the code tells.

/// A decision, an answer or a callback that a run does not take. The run is unchanged.
///
/// Codes: `not_found` (no such step is held so), `already_decided` (it has been decided, or what asked has ended), `expired` (its deadline has
/// passed), `run_ending` (the run is ending or has ended), `not_asked` (this person is not among those asked), `invoker_may_not_decide`
/// (whoever runs the flow does not approve it themselves), `only_their_person` (doing it again acts as that person), `does_not_fit` (the form,
/// payload or output does not fit), `used` (a callback that came before).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing waits for it.
    #[error("nothing in this run waits for that")]
    NotFound,
    /// It has been decided.
    #[error("it has been decided before")]
    AlreadyDecided,
    /// Too late.
    #[error("its deadline has passed")]
    Expired,
    /// The run ends or has ended.
    #[error("the run has ended or is about to")]
    RunEnding,
    /// Somebody else is asked.
    #[error("you are not among those who are asked")]
    NotAsked,
    /// Four eyes.
    #[error(
        "whoever runs the flow may not decide this themselves (`self: true` in the flow would allow it)"
    )]
    InvokerMayNotDecide,
    /// It would act as somebody else.
    #[error("only the person whose account is used may have it done again")]
    OnlyTheirPerson,
    /// The content is not what was asked for.
    #[error("{0}")]
    DoesNotFit(String),
    /// It came before.
    #[error("this callback was used before")]
    Used,
}

impl Refused {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyDecided => "already_decided",
            Self::Expired => "expired",
            Self::RunEnding => "run_ending",
            Self::NotAsked => "not_asked",
            Self::InvokerMayNotDecide => "invoker_may_not_decide",
            Self::OnlyTheirPerson => "only_their_person",
            Self::DoesNotFit(_) => "does_not_fit",
            Self::Used => "used",
        }
    }
}
