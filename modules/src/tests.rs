//! Every app that comes with Actas: its manifest is without fault, its native modules exist, its cases pass and leave no module out.

use std::collections::BTreeSet;

use actas_core::app::{cases, manifest_schema, parse};
use actas_core::diagnostic::render;

use super::*;

#[test]
fn every_manifest_is_without_fault() {
    for app in all() {
        let parsed = parse(app.manifest);
        assert_eq!(
            render("app.yaml", app.manifest, &parsed.diagnostics, false),
            ""
        );
    }
    assert_eq!(apps().len(), all().len());
}

#[test]
fn every_app_is_there_once() {
    let names: BTreeSet<_> = apps().iter().map(|app| app.app.to_string()).collect();
    assert_eq!(names.len(), all().len());
}

#[test]
fn every_case_passes_and_no_module_is_left_out() {
    for app in all() {
        let manifest = Arc::new(parse(app.manifest).manifest.expect("a good manifest"));
        let ran = cases::run(&manifest, &natives(), app.cases);
        let file = format!("modules/{}/cases.yaml", manifest.app);
        assert_eq!(render(&file, app.cases, &ran.diagnostics, false), "");
        let missing: Vec<_> = manifest
            .modules
            .iter()
            // What only waits asks and answers nothing by itself: it is tested where runs wait.
            .filter(|(name, module)| module.hold().is_none() && !ran.modules.contains(*name))
            .map(|(name, _)| name)
            .collect();
        assert!(missing.is_empty(), "{file} has no case for {missing:?}");
    }
}

#[test]
fn a_stored_manifest_is_read_back_with_its_digest() {
    for manifest in apps() {
        let read = Manifest::from_document(&manifest.document).expect("its own document");
        assert_eq!(
            (&read.digest, &read.document),
            (&manifest.digest, &manifest.document)
        );
    }
}

#[test]
fn editors_are_told_what_an_app_may_say() {
    let schema = manifest_schema();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["modules"].is_object());
}
