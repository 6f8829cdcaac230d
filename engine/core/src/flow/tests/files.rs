//! Every flow of the repository is good.

use crate::diagnostic::render;
use crate::flow::{Flow, Plan, canonical, parse};

#[test]
fn every_flow_of_the_repository_is_good_and_survives_its_canonical_form() {
    let apps = super::apps();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for folder in ["flows", "examples"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let parsed = parse(&text, &apps);
            let name = path.file_name().unwrap().to_string_lossy();
            assert!(
                parsed.diagnostics.is_empty(),
                "\n{}",
                render(&name, &text, &parsed.diagnostics, false)
            );
            let flow = parsed.draft.unwrap().flow;
            let document = canonical(&flow);
            let read: Flow = serde_json::from_str(&document).unwrap();
            assert_eq!(read, flow);
            assert_eq!(
                read.steps.keys().collect::<Vec<_>>(),
                flow.steps.keys().collect::<Vec<_>>()
            );
            assert_eq!(
                Plan::compile(&read, &apps).unwrap().steps.len(),
                flow.steps.len()
            );
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} flows were found");
}
