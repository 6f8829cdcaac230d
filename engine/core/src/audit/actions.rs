//! Every action a record may name, in words that go on after who did it. The list is also what the manual of the log says.

/// All actions by name, in alphabetical order, each with what its record says.
pub const ACTIONS: &[(&str, &str)] = &[
    ("access.reviewed", "looked at what everybody may do"),
    (
        "account.refused",
        "was refused an account that the workspace does not let people connect",
    ),
    ("app_client.changed", "changed how Actas is known to an app"),
    ("app_client.deleted", "removed an app client"),
    ("approval.asked", "asked somebody for an approval"),
    ("approval.decided", "approved or rejected what a step asked"),
    (
        "audit.cut",
        "let the records up to this one go, as the time to keep them was over",
    ),
    (
        "audit.erased",
        "erased what is personal of a user from the log",
    ),
    ("audit.exported", "took the log, or a part of it, out"),
    (
        "audit.key_made",
        "made the key that checkpoints of the log are signed with",
    ),
    (
        "audit.reviewed",
        "reviewed the log from one record to another",
    ),
    ("audit.verified", "had the whole log checked"),
    ("callback.came", "called a waiting step back"),
    (
        "connection.adopted",
        "moved personal connections to another parent",
    ),
    ("connection.created", "made a connection"),
    ("connection.deleted", "deleted a connection"),
    ("connection.disconnected", "disconnected a connection"),
    (
        "connection.holder_left",
        "was switched off or erased while holding a shared connection",
    ),
    (
        "connection.lost",
        "found that a connection no longer works, so that the run pauses",
    ),
    ("connection.reconnected", "renewed a connection"),
    (
        "connection.refresh_failed",
        "could not renew a connection's token",
    ),
    ("connection.refused", "was refused the use of a connection"),
    (
        "connection.revocation",
        "asked the provider to revoke a connection's tokens",
    ),
    (
        "connection.revoked",
        "learned that the provider no longer accepts a connection",
    ),
    (
        "decision.asked",
        "asked somebody what is true of a step with an unknown outcome",
    ),
    (
        "decision.decided",
        "said what is true of a step with an unknown outcome",
    ),
    ("draft.frozen", "froze a draft to try it"),
    ("draft.saved", "saved a draft"),
    (
        "egress.refused",
        "was kept from a request to where nothing may go",
    ),
    ("flow.deleted", "deleted a flow"),
    ("flow.runners_changed", "changed who may run a flow"),
    ("flow.started", "let a stopped flow run again"),
    ("flow.stopped", "stopped a flow"),
    ("grant.changed", "chose another account for a slot"),
    ("grant.withdrawn", "withdrew what they had agreed to"),
    (
        "host.deleted",
        "no longer trusted an application that Actas is built into",
    ),
    (
        "host.set",
        "trusted an application that Actas is built into to say who people are",
    ),
    ("link.made", "made a one-time link to log in"),
    ("link.used", "logged in with a one-time link"),
    (
        "notice.failed",
        "could not tell somebody that something waits for them",
    ),
    (
        "notice.reminded",
        "reminded somebody of what waits for them",
    ),
    ("notice.sent", "told somebody that something waits for them"),
    ("oidc.dropped", "ended the logging in at another provider"),
    ("oidc.set", "said at which provider people log in"),
    ("policies.changed", "changed the policies of the workspace"),
    ("role.added", "added a role"),
    ("role.changed", "changed what a role may do"),
    ("role.deleted", "deleted a role"),
    ("run.cancel_asked", "asked a run to stop"),
    ("run.created", "started a run"),
    ("run.ended", "ended a run"),
    (
        "run.revealed",
        "looked at what is private to somebody else in a run",
    ),
    (
        "schedule.slot_let_go",
        "let an instant of a schedule pass without a run",
    ),
    ("secret.added", "added a named secret"),
    ("secret.deleted", "deleted a named secret"),
    ("secret.rotated", "gave a named secret a new value"),
    ("session.begun", "logged in"),
    ("session.ended", "logged out"),
    ("session.refused", "could not log in"),
    (
        "session.vouched",
        "was logged in on the word of an application that Actas is built into",
    ),
    ("sign_in.asked", "asked somebody to sign in to an app"),
    ("sign_in.begun", "went to an app to sign in"),
    ("sign_in.declined", "declined to sign in"),
    (
        "sign_in.done",
        "signed in to an app, or agreed to the use of an account",
    ),
    ("sign_in.expired", "waited too long for a sign-in"),
    ("sign_in.failed", "could not sign in to an app"),
    ("sign_in.opened", "opened the page of a sign-in"),
    (
        "sign_in.refused",
        "was refused at a sign-in that is not theirs",
    ),
    ("step.failed", "failed to do a step through an account"),
    ("step.succeeded", "did a step through an account"),
    ("token.made", "made an API token"),
    ("token.revoked", "revoked an API token"),
    ("user.added", "added a person"),
    ("user.changed", "changed a person"),
    ("user.disabled", "switched a person off"),
    ("var.deleted", "deleted a value of the workspace"),
    ("var.set", "set a value of the workspace"),
    ("vault_key.added", "gave the workspace a new key"),
    (
        "vault_key.master",
        "replaced the key that wraps the workspaces' keys",
    ),
    (
        "vault_key.rotated",
        "wrapped the workspace's secrets with its newest key",
    ),
    ("version.published", "published a version"),
    (
        "webhook.refused",
        "called a webhook without the right signature",
    ),
    (
        "webhook.unverified",
        "published a webhook that anybody may call",
    ),
    ("workspace.added", "made the workspace"),
];

/// What a record with this action says, to go on after who did it.
pub fn meaning(action: &str) -> Option<&'static str> {
    let found = ACTIONS.binary_search_by(|(name, _)| name.cmp(&action));
    found.ok().map(|at| ACTIONS[at].1)
}

#[cfg(test)]
mod tests;
