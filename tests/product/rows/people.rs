//! Rows about who may decide that a flow acts as whoever runs it.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{Stage, show};

/// The three privileges of the rule.
const THREE: [&str; 3] = [
    "flows.edit",
    "runtime_connections.view",
    "runtime_connections.edit",
];

/// A flow whose slot says this.
fn flow(name: &str, slot: &str, text: &str) -> String {
    format!(
        "
flow: {name}
trigger: {{on_demand: {{}}}}
connections:
  crm: {{app: sandbox_crm, {slot}}}
steps:
  write: {{uses: sandbox_crm.create_record, connection: crm, with: {{object: R10, fields: {{Text: '{text}'}}}}}}
"
    )
}

async fn publish(stage: &Stage, user: &str, flow: &str, etag: &str) -> (u16, Value) {
    let path = format!("/api/v1/flows/{flow}/versions");
    let headers = [("if-match", etag)];
    let user = Some(user).filter(|user| !user.is_empty());
    let answer = stage
        .world
        .send(Method::POST, &path, user, &headers, None)
        .await;
    (answer.status, answer.body)
}

#[test]
fn r10_a_dynamic_connection_is_turned_on_and_off_only_with_all_three_privileges() {
    show("r10", async |stage: &Stage| {
        let owner = stage.name("owner");
        stage.account(&owner).await;
        stage.share("r10-team", &owner).await;
        let ways = [
            ("shared", "connection: r10-team"),
            ("dynamic", "dynamic: {parent: r10-team}"),
            ("off", "dynamic: {parent: r10-team, enabled: false}"),
        ];
        for row in 0..8_u8 {
            let had: Vec<&str> = (0..3_u8)
                .filter(|bit| row & (1 << bit) != 0)
                .map(|bit| THREE[usize::from(bit)])
                .collect();
            let mut privileges = vec!["flows.view", "flows.publish", "connections.use"];
            privileges.extend(&had);
            let role = format!("r10-role-{row}");
            let body = json!({"privileges": privileges});
            let made = stage.put("", &format!("/roles/{role}"), &body).await;
            made.expect_ok();
            // Acts through the command line's socket alone: no password is needed.
            let user = format!("r10-p{row}");
            let body = json!({"login": user, "roles": [role], "local": true});
            stage.post("", "/users", &body).await.expect_ok();
            let all = had.len() == 3;
            let edits = had.contains(&"flows.edit");

            for (from, (was, before)) in ways.iter().enumerate() {
                for (to, (is, after)) in ways.iter().enumerate() {
                    let turns = from != to;
                    // The whole table turns it on; that all ways of turning are turns, whoever lacks the last one alone shows.
                    let plain = (from, to) == (0, 1);
                    if !plain && !(row == 3 && (turns || from == 2)) {
                        continue;
                    }
                    let name = format!("r10-{row}-{was}-{is}");
                    let what = format!("{had:?}: {was} → {is}");
                    stage.world.publish(&flow(&name, before, "a")).await;

                    // In the draft.
                    let saved = stage.save(&user, &name, &flow(&name, after, "b")).await;
                    let may_save = edits && (all || !turns);
                    assert_eq!(saved.status == 200, may_save, "{what}: {:#}", saved.body);
                    if !may_save {
                        assert_eq!(saved.status, 403, "{what}: {:#}", saved.body);
                    }

                    // In the version, whoever wrote the draft.
                    let saved = stage.save("vera", &name, &flow(&name, after, "c")).await;
                    let etag = saved.etag.clone().unwrap_or_default();
                    saved.expect_ok();
                    let (status, answer) = publish(stage, &user, &name, &etag).await;
                    assert_eq!(status == 201, all || !turns, "{what}: {answer:#}");
                    if status != 201 {
                        let lacking = THREE.iter().find(|p| !had.contains(p));
                        assert_eq!((status, &answer["privilege"]), (403, &json!(lacking)));
                        let (status, answer) = publish(stage, "", &name, &etag).await;
                        assert_eq!(status, 201, "{what}: {answer:#}");
                    }

                    // And in going back to how it was.
                    if !plain {
                        continue;
                    }
                    let back = json!({"version": 1});
                    let path = format!("/flows/{name}/rollback");
                    let back = stage.post(&user, &path, &back).await;
                    assert_eq!(back.status == 201, all || !turns, "{what}: {:#}", back.body);
                }
            }
        }
    });
}
