//! What operations on notices write.

use actas_core::Time;
use actas_core::ids::NoticeId;

use crate::rows::{NoticeChannel, NoticeRow};
use crate::statement::{Statement, params};
use crate::write::Ws;

pub(super) fn add_notice(n: &NoticeRow) -> Vec<Statement> {
    vec![Statement::one(
        "INSERT INTO notices (workspace_id, id, kind, about, subject_id, run_id, flow_id, person_id, channel, tries, due_at, until_at, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
        params![
            &n.workspace,
            &n.id,
            n.kind.as_str(),
            n.about.as_str(),
            &n.subject,
            &n.run,
            &n.flow,
            n.person.as_ref().map_or("", |person| person.as_str()),
            n.channel.map_or("", NoticeChannel::as_str),
            n.tries,
            n.due_at,
            n.until,
            n.created_at
        ],
        "the notice is there already",
    )]
}

pub(super) fn take_notice(
    workspace: Ws<'_>,
    notice: &NoticeId,
    tries: u32,
    due_at: Time,
) -> Vec<Statement> {
    vec![Statement::one(
        "UPDATE notices SET tries = tries + 1, due_at = $4 WHERE workspace_id = $1 AND id = $2 AND tries = $3",
        params![workspace, notice, tries, due_at],
        "another process took it on",
    )]
}

pub(super) fn drop_notice(workspace: Ws<'_>, notice: &NoticeId) -> Vec<Statement> {
    vec![Statement::one(
        "DELETE FROM notices WHERE workspace_id = $1 AND id = $2",
        params![workspace, notice],
        "it was said already",
    )]
}
