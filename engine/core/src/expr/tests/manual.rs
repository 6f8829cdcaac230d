//! The manual says what is so: every example gives what stands beside it, and every name is in it.

use expect_test::expect_file;

use super::*;

#[test]
fn every_example_of_the_manual_gives_what_it_says() {
    let scope = Scope {
        roots: vec![("inputs", Arc::new(json!({})))],
        ..Scope::default()
    };
    for entry in manual() {
        let text = format!("{{{{ {} }}}}", entry.example);
        let given = Template::compile(&Value::from(text.as_str()))
            .map_err(|faults| format!("{faults:?}"))
            .and_then(|template| template.evaluate(&scope).map_err(|error| show(&error)));
        assert_eq!(
            given.map(|value| value.to_string()),
            Ok(entry.gives.to_owned()),
            "{text}"
        );
        assert!(
            entry.example.contains(entry.name),
            "the example of `{}` does not use it",
            entry.name
        );
    }
}

#[test]
fn no_name_is_there_twice_and_every_hint_leads_to_what_there_is() {
    let mut seen = BTreeSet::new();
    for entry in manual()
        .iter()
        .filter(|entry| !entry.topic.starts_with("Test"))
    {
        assert!(seen.insert(entry.name), "{}", entry.name);
    }
    for name in [
        "starts_with",
        "group_by",
        "addDays",
        "merge",
        "sha256",
        "substring",
    ] {
        let fault = Condition::compile(&format!("x | {name} == 1")).unwrap_err();
        assert!(
            filters::known_elsewhere(name) == fault.help.as_deref(),
            "{name}: {fault:?}"
        );
        assert!(!seen.contains(name), "{name}");
    }
}

#[test]
fn the_page_for_people_is_up_to_date() {
    expect_file!["../../../../../examples/EXPRESSIONS.md"].assert_eq(&page());
}
