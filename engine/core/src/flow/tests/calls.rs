//! Flows that run other flows where nobody has started anything.

use crate::flow::{Flow, parse, unmanned};

fn flow(name: &str, trigger: &str, rest: &str) -> Flow {
    let text = format!("flow: {name}\ntrigger: {trigger}\n{rest}");
    let parsed = parse(&text, &super::apps());
    parsed
        .draft
        .unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics))
        .flow
}

const NIGHT: &str = "{schedule: {cron: \"0 3 * * *\"}}";
const PEOPLE: &str = "{on_demand: {}}";

fn calling(names: &[&str]) -> String {
    let step = |name: &&str| {
        format!(
            "  {}: {{uses: core.run_flow, needs: [], with: {{flow: {name}}}}}\n",
            name.replace('-', "_")
        )
    };
    format!("steps:\n{}", names.iter().map(step).collect::<String>())
}

#[test]
fn whoever_is_started_by_nobody_runs_nothing_that_acts_as_somebody() {
    let personal = |dynamic: &str| {
        format!(
            "connections: {{crm: {{app: sandbox_crm, dynamic: {dynamic}}}}}\nsteps: {{a: {{uses: sandbox_crm.get_me}}}}\n"
        )
    };
    let flows = [
        flow(
            "middle",
            PEOPLE,
            &format!(
                "{}  loop:\n    for_each: \"[1]\"\n    needs: []\n    steps: {{x: {{uses: core.run_flow, with: {{flow: mine}}}}}}\n",
                calling(&["middle", "ours"])
            ),
        ),
        flow("mine", PEOPLE, &personal("{}")),
        flow("ours", PEOPLE, &personal("{enabled: false, parent: team}")),
    ];
    let find = |name: &crate::ids::FlowName| flows.iter().find(|flow| flow.flow == *name);
    let night = flow("night", NIGHT, &calling(&["middle", "gone"]));
    let found = unmanned(&night, find);
    assert_eq!(found.len(), 1, "{found:?}");
    let through: Vec<&str> = found[0]
        .through
        .iter()
        .map(crate::ids::FlowName::as_str)
        .collect();
    assert_eq!(
        (found[0].trigger, through, found[0].slot.as_str()),
        ("schedule", vec!["night", "middle", "mine"], "crm")
    );
    let by_people = flow("day", PEOPLE, &calling(&["middle"]));
    let shared_only = flow("night", NIGHT, &calling(&["ours"]));
    assert_eq!(unmanned(&by_people, find), []);
    assert_eq!(unmanned(&shared_only, find), []);
    assert!(flows[1].acts_as_somebody() && !flows[2].acts_as_somebody());
}
