//! The run as people and programs see it: one document for command line and API, with what is private left out.

use serde::Serialize;
use serde_json::Value;

use crate::ids::UserId;
use crate::run::state::Run;
use crate::time::Time;

/// Who looks.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Who it is.
    pub user: UserId,
}

/// The run document. Its JSON form is promised to users.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct RunDocument(pub Value);

/// Makes the document. `connect` gives the address of a sign-in's page; what a step got or gave through a personal connection, and what
/// is derived from it, is shown to its person only.
pub fn document(
    run: &Run,
    viewer: &Viewer,
    now: Time,
    connect: &dyn Fn(&crate::ids::SignInId) -> String,
) -> RunDocument {
    let _ = (run, viewer, now, connect);
    todo!("written by the run engineer")
}
