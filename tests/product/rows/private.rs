//! What a personal account gave goes everywhere that a flow can take it: into items, batches, called flows, conditions, errors, approvals and
//! outputs. Nobody but its person sees it there, whatever they ask and however.

use serde_json::json;

use super::stage::{Stage, rows_of, run_of, show, text_of};

/// A company that is in the CRM and in no text of ours.
const MARKS: [&str; 3] = ["Fabrikam", "Berlin", "Construction"];

const PART: &str = "
flow: r32-part
trigger: {on_demand: {}}
inputs: {name: {type: string}}
steps:
  say: {uses: core.set, with: {text: 'it is {{ inputs.name }}'}}
outputs: {text: '{{ steps.say.text }}'}
";

const WHOLE: &str = "
flow: r32-whole
trigger: {on_demand: {}}
inputs: {many: {type: array}, asked: {type: string}}
connections:
  crm: {app: sandbox_crm, dynamic: {ask: when_needed, scopes: [records.read]}}
steps:
  all: {uses: sandbox_crm.list_accounts, connection: crm, with: {name: brikam}}
  each:
    for_each: steps.all.items
    steps:
      round:
        for_each: steps.all.items
        steps:
          one: {uses: core.set, with: {name: '{{ steps.all.items[0].name }} of {{ item.city }}'}}
      two: {uses: core.set, with: {name: '{{ item.name }}'}}
  batch:
    for_each: inputs.many
    parallel: 8
    steps:
      one: {uses: core.set, with: {city: '{{ steps.all.items[0].city }}'}}
  call: {uses: core.run_flow, with: {flow: r32-part, inputs: {name: '{{ steps.all.items[0].name }}'}}}
  wrong:
    uses: core.check
    with: {that: false, message: 'not in {{ steps.all.items[0].city }}'}
    on_error: {steps: {note: {uses: core.set, with: {why: '{{ error.message }}'}}}, outputs: {why: '{{ error.message }}'}}
  pick:
    switch: '{{ steps.all.items[0].industry }}'
    cases: {other: {steps: {say: {uses: core.set, with: {text: other}}}}}
    default: {steps: {say: {uses: core.set, with: {text: '{{ steps.all.items[0].industry }}'}}}}
  ask:
    needs: [each, batch, call, wrong, pick]
    uses: core.approve
    with: {who: '{{ inputs.asked }}', title: 'Write to {{ steps.all.items[0].name }}?', on_reject: continue}
  end: {needs: [ask], uses: core.check, with: {that: false, message: 'no more of {{ steps.all.items[0].name }}'}}
outputs: {name: '{{ steps.all.items[0].name }}', said: '{{ steps.call.text }}'}
";

/// Everything that somebody is told of a run and of those it called.
async fn told(stage: &Stage, user: &str, run: &str) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut runs = vec![run.to_owned()];
    let mut next = 0;
    while let Some(run) = runs.get(next).cloned() {
        next += 1;
        for path in [format!("/runs/{run}"), format!("/runs/{run}/journal")] {
            told.push((path.clone(), stage.get(user, &path).await.to_string()));
        }
        let path = format!("/runs?parent={run}");
        let called = stage.get(user, &path).await;
        told.push((path, called.to_string()));
        runs.extend(
            rows_of(&called["runs"])
                .iter()
                .map(|row| text_of(&row["run"])),
        );
        let shown = stage.actas(user, &["runs", "show", &run]).expect(0);
        told.push((format!("runs show {run}"), shown.stdout));
    }
    assert!(runs.len() >= 4, "a called run and batches: {runs:?}");
    for path in [
        "/me/requests",
        "/runs?all=true&children=true&limit=500",
        &format!("/audit?run={run}&limit=200"),
    ] {
        told.push((path.to_owned(), stage.get(user, path).await.to_string()));
    }
    // The stream ends with the run.
    let path = format!("/api/v1/runs/{run}/events");
    let stream = stage
        .world
        .send(reqwest::Method::GET, &path, Some(user), &[], None)
        .await;
    told.push((path, stream.body.to_string()));
    told
}

#[test]
fn r32_what_a_personal_account_gave_is_its_persons_wherever_a_flow_takes_it() {
    show("r32x", async |stage: &Stage| {
        let (ana, boss, olga, adam) = (
            stage.person("ana", "runner").await,
            stage.person("boss", "runner").await,
            stage.person("olga", "auditor").await,
            stage.person("adam", "admin").await,
        );
        stage.world.publish(PART).await;
        let published = stage.world.publish(WHOLE).await;
        let leaves = published["leaves"].to_string();
        assert!(
            leaves.contains("approval") && leaves.contains("flow"),
            "publishing says what leaves: {leaves}"
        );
        let many: Vec<u32> = (0..257).collect();
        let inputs = json!({"many": many, "asked": boss});
        let paused = stage.run(&ana, "r32-whole", &inputs).await;
        stage.sign_in(&ana, &paused).await;
        let run = run_of(&paused).to_owned();
        let asked = stage
            .world
            .until(&ana, &run, |run| run["paused"]["for"] == "approval")
            .await;
        // Only those who are asked see what is asked, and the run's person.
        let title = &asked["paused"]["approvals"][0]["title"];
        assert!(title.to_string().contains("Fabrikam"), "{asked:#}");
        for user in [&olga, &adam] {
            let seen = stage.get(user, &format!("/runs/{run}")).await;
            assert!(!seen.to_string().contains("Fabrikam"), "{seen:#}");
        }
        let body = json!({"step": "ask", "decision": "rejected"});
        let path = format!("/runs/{run}/approve");
        stage.post(&boss, &path, &body).await.expect_ok();
        let done = stage.world.end(&ana, &run).await;
        assert_eq!(done["state"], "failed", "{done:#}");

        for user in [&olga, &adam] {
            for (place, text) in told(stage, user, &run).await {
                for mark in MARKS {
                    assert!(!text.contains(mark), "{user}, {place}: {text}");
                }
            }
        }
        // The same places tell their person.
        let own = stage.get(&ana, &format!("/runs/{run}")).await.to_string();
        assert!(MARKS.iter().all(|mark| own.contains(mark)), "{own}");
        // Revealed by an owner, on record.
        let shown = stage
            .actas("", &["runs", "show", &run, "--reveal"])
            .expect(0);
        assert!(shown.stdout.contains("Fabrikam"), "{shown}");
        let records = stage.audit(&format!("run={run}&action=run.revealed")).await;
        assert_eq!(records.len(), 1, "{records:#?}");
        let said = stage.actas(&adam, &["runs", "show", &run, "--reveal"]);
        let _ = said.expect(4);
    });
}
