//! Rows about whose account a step acts with: the shared one's, or the runner's own.

use serde_json::json;

use super::stage::{Stage, reason, run_of, show};

/// A flow that acts as whoever runs it and writes records of a kind of its own.
pub fn personal(flow: &str, object: &str) -> String {
    format!(
        "
flow: {flow}
trigger: {{on_demand: {{}}}}
inputs: {{text: {{type: string, default: hello}}}}
connections:
  crm: {{app: sandbox_crm, dynamic: {{ask: when_needed, scopes: [records.write]}}}}
steps:
  write: {{uses: sandbox_crm.create_record, connection: crm, with: {{object: {object}, fields: {{Text: '{{{{ inputs.text }}}}'}}}}}}
outputs: {{id: '{{{{ steps.write.id }}}}', author: '{{{{ steps.write.author }}}}'}}
"
    )
}

/// A flow that acts through a shared connection.
pub fn shared(flow: &str, connection: &str, object: &str) -> String {
    format!(
        "
flow: {flow}
trigger: {{on_demand: {{}}}}
connections:
  crm: {{app: sandbox_crm, connection: {connection}}}
steps:
  write: {{uses: sandbox_crm.create_record, connection: crm, with: {{object: {object}}}}}
outputs: {{author: '{{{{ steps.write.author }}}}'}}
"
    )
}

#[test]
fn r01_a_step_with_a_shared_connection_acts_as_its_account_whoever_runs_it() {
    show("r01", async |stage: &Stage| {
        let (ana, ben) = (
            stage.person("ana", "runner").await,
            stage.person("ben", "runner").await,
        );
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r01-team", &owner).await;
        stage
            .world
            .publish(&shared("r01-tell", "r01-team", "R01"))
            .await;
        let by_api = stage.run(&ana, "r01-tell", &json!({})).await;
        let by_command = stage.actas(&ben, &["run", "r01-tell"]).expect(0).json();
        for done in [&by_api, &by_command] {
            assert_eq!(done["outputs"]["author"], owner, "{done:#}");
            let acted_as = &done["steps"]["write"]["acted_as"];
            assert_eq!(
                (&acted_as["kind"], &acted_as["rule"]),
                (&json!("shared"), &json!("shared"))
            );
        }
        assert_eq!(stage.authors("R01").await, [owner.clone(), owner]);
        assert_eq!(
            (stage.world.calls(&ana).await, stage.world.calls(&ben).await),
            (0, 0)
        );
    });
}

#[test]
fn r02_whoever_may_run_brings_their_own_account_without_any_right_to_edit() {
    show("r02", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        let me = stage.get(&ana, "/me").await;
        assert_eq!(me["privileges"], json!(["flows.run"]), "{me:#}");
        stage.world.publish(&personal("r02-note", "R02")).await;
        let refused = stage
            .save(&ana, "r02-note", &personal("r02-note", "R02"))
            .await;
        assert_eq!(refused.status, 403, "{:#}", refused.body);
        let done = stage.run_signing_in(&ana, "r02-note", &json!({})).await;
        assert_eq!(done["outputs"]["author"], ana, "{done:#}");
        let again = stage.actas(&ana, &["run", "r02-note"]).expect(0).json();
        assert_eq!(again["outputs"]["author"], ana, "{again:#}");
    });
}

#[test]
fn r04_the_strict_order_is_invoke_pause_prompt_bind_act() {
    show("r04", async |stage: &Stage| {
        let ana = stage.person("ana", "runner").await;
        stage.world.publish(&personal("r04-note", "R04")).await;
        // Invoked from the command line: without a terminal it ends with the exit code of a pause, and says where to go.
        let paused = stage.actas(&ana, &["run", "r04-note"]).expect(3).json();
        assert_eq!(
            (&paused["state"], reason(&paused)),
            (&json!("paused"), &json!("missing"))
        );
        assert_eq!(paused["paused"]["connections"][0]["person"], ana);
        assert_eq!(
            stage.world.calls(&ana).await,
            0,
            "nothing before the answer"
        );
        let run = run_of(&paused);
        stage.sign_in(&ana, &paused).await;
        let done = stage.world.end(&ana, run).await;
        assert_eq!(done["state"], "succeeded", "{done:#}");

        let told: Vec<String> = stage.events(&ana, run).await;
        let order = [
            "run_created",
            "slot_asked",
            "slot_bound",
            "step_succeeded",
            "run_ended",
        ];
        assert_eq!(told, order);
        assert_eq!(stage.authors("R04").await, [ana.clone()]);
    });
}
