//! Flows as text in, faults or plans out.
#![expect(clippy::unwrap_used, reason = "tests")]

mod drafts;
mod faults;
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
    let texts = [
        include_str!("../../../../../modules/core/app.yaml"),
        include_str!("../../../../../modules/http/app.yaml"),
        include_str!("../../../../../modules/sandbox_crm/app.yaml"),
    ];
    Apps::new(texts.map(|text| {
        let parsed = app::parse(text);
        Arc::new(
            parsed
                .manifest
                .unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics)),
        )
    }))
}
