//! Flows as text in, faults or plans out.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "`expect!` reads best by value"
)]

mod advice;
mod blocks;
mod calls;
mod constructs;
mod drafts;
mod faults;
mod hostile;
mod nested;
mod plans;
mod rules;
mod triggers;
mod waits;

use std::sync::{Arc, LazyLock};

use expect_test::Expect;

use crate::app::{self, Apps};
use crate::diagnostic::render;
use crate::flow::parse;

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

/// The faults of a file as a person reads them.
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&render(
        "f.yaml",
        text,
        &parse(text, &apps()).diagnostics,
        false,
    ));
}

/// The same for a flow of these steps and keys.
fn steps(more: &str, expected: Expect) {
    check(
        &format!("flow: a\ntrigger: {{on_demand: {{}}}}\n{more}"),
        expected,
    );
}
