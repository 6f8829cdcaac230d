//! Every flow of the repository against the apps of the repository: it is good without a warning, survives its canonical form, compiles,
//! and is what the schema for editors describes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actas_core::app::{self, Apps};
use actas_core::diagnostic::render;
use actas_core::flow::{Flow, Plan, canonical, parse};
use actas_core::{schema, yaml};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn apps() -> Apps {
    let manifests = ["core", "http", "sandbox_crm"].map(|name| {
        let text =
            std::fs::read_to_string(root().join("modules").join(name).join("app.yaml")).unwrap();
        Arc::new(app::parse(&text).manifest.unwrap())
    });
    Apps::new(manifests)
}

/// The flows of the repository: their names and texts.
fn flows() -> Vec<(String, String)> {
    let mut flows = Vec::new();
    for folder in ["flows", "examples"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                flows.push((
                    path.display().to_string(),
                    std::fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    assert!(flows.len() >= 5, "only {} flows were found", flows.len());
    flows
}

#[test]
fn every_flow_is_good_and_survives_its_canonical_form() {
    let apps = apps();
    for (name, text) in flows() {
        let parsed = parse(&text, &apps);
        assert!(
            parsed.diagnostics.is_empty(),
            "\n{}",
            render(&name, &text, &parsed.diagnostics, false)
        );
        let flow = parsed.draft.unwrap().flow;
        let read: Flow = serde_json::from_str(&canonical(&flow)).unwrap();
        assert_eq!(read, flow);
        assert_eq!(
            read.steps.keys().collect::<Vec<_>>(),
            flow.steps.keys().collect::<Vec<_>>(),
            "{name}: the order is another"
        );
        assert_eq!(
            Plan::compile(&read, &apps).unwrap().blocks[0].steps.len(),
            flow.steps.len()
        );
    }
}

#[test]
fn the_schema_for_editors_accepts_every_flow() {
    let schema = schema::Schema::compile(&schema::flow_schema()).unwrap();
    for (name, text) in flows() {
        assert_eq!(
            schema.misfits(&yaml::parse(&text).unwrap().to_json()),
            [],
            "{name}"
        );
    }
}
