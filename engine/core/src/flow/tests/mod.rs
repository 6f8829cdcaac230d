//! Flows as text in, faults or plans out.
#![expect(clippy::unwrap_used, reason = "tests")]

mod drafts;
mod faults;
mod files;
mod hostile;
mod plans;

use std::sync::{Arc, LazyLock};

use crate::app::{self, Apps};

/// The apps of the repository.
fn apps() -> Apps {
    static APPS: LazyLock<Apps> = LazyLock::new(read_apps);
    APPS.clone()
}

fn read_apps() -> Apps {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules");
    let manifests = ["core", "http", "sandbox_crm"].map(|name| {
        let text = std::fs::read_to_string(folder.join(name).join("app.yaml")).unwrap();
        let parsed = app::parse(&text);
        Arc::new(
            parsed
                .manifest
                .unwrap_or_else(|| panic!("{name}: {:#?}", parsed.diagnostics)),
        )
    });
    Apps::new(manifests)
}
