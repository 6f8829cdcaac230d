//! The addresses at which a step that waits for a callback is called back. Whoever has one may call it: it is made where an app is about to be
//! given it, and nothing of it is stored.

use actas_core::Secret;
use actas_core::ids::{RunId, StepPath, WorkspaceId};

use crate::connections::Connections;

/// What the key of these tokens is made for; a token made for anything else does not fit.
pub(crate) const PURPOSE: &str = "actas/callback/1";

impl Connections {
    /// The token that a callback of a step instance must bring: 64 hex digits, the same whenever it is asked for, in every process of the
    /// installation.
    pub fn callback_token(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
        step: &StepPath,
    ) -> Secret<String> {
        let code = self
            .inner
            .vault
            .code(PURPOSE, &parts(workspace, run, step))
            .finish();
        Secret::new(hex::encode(code))
    }

    /// Whether a token is that of a step instance; takes as long for a wrong one as for the right one.
    pub fn verify_callback(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
        step: &StepPath,
        token: &str,
    ) -> bool {
        let mut given = [0; 32];
        hex::decode_to_slice(token, &mut given).is_ok()
            && self
                .inner
                .vault
                .code(PURPOSE, &parts(workspace, run, step))
                .fits(&given)
    }

    /// The whole address: `PUBLIC/hooks/callback/RUN/STEP?token=…`.
    pub fn callback_address(
        &self,
        workspace: &WorkspaceId,
        run: &RunId,
        step: &StepPath,
    ) -> Secret<String> {
        let page = self.page(&["hooks", "callback", run.as_str(), &step.in_address()]);
        let token = self.callback_token(workspace, run, step);
        Secret::new(format!("{page}?token={}", token.reveal()))
    }
}

fn parts<'a>(workspace: &'a WorkspaceId, run: &'a RunId, step: &'a StepPath) -> [&'a [u8]; 3] {
    [
        workspace.as_str().as_bytes(),
        run.as_str().as_bytes(),
        step.as_str().as_bytes(),
    ]
}
