//! Vera builds a flow with a connection of her own in its slot, and publishes it; what she built with is gone from it.

use std::path::Path;

use serde_json::Value;

use crate::person::read;
use crate::stage::{OrStop, Told};
use crate::{FLOW, World};

/// The file of the story's flow.
const FILE: &str = "new-opportunity.yaml";

/// The flow: two steps before the first that needs an account, and two writes.
fn flow(crm: &str, build_time: &str) -> String {
    format!(
        r#"flow: {FLOW}
title: Create an opportunity
trigger: {{on_demand: {{}}}}

inputs:
  customer: {{type: string, title: Customer}}
  amount: {{type: number, minimum: 0, default: 1000, title: Amount}}

connections:
  crm:
    app: sandbox_crm
    dynamic:
      ask: when_needed
      scopes: [records.read, records.write]
      why: To create the opportunity in your name
    build_time: {build_time}

steps:
  reach:
    uses: http.request
    with: {{url: "{crm}/.well-known/oauth-authorization-server"}}
  offer:
    needs: [reach]
    uses: core.set
    with: {{name: "{{{{ inputs.customer }}}}", amount: "{{{{ inputs.amount * 2 }}}}"}}
  create:
    uses: sandbox_crm.create_record
    connection: crm
    with: {{object: Opportunity, fields: {{Name: "{{{{ steps.offer.name }}}}", Amount: "{{{{ steps.offer.amount }}}}"}}}}
  follow_up:
    uses: sandbox_crm.create_record
    connection: crm
    with: {{object: Task, fields: {{Subject: "Call {{{{ inputs.customer }}}}", Opportunity: "{{{{ steps.create.id }}}}"}}}}

outputs: {{opportunity: "{{{{ steps.create.id }}}}", task: "{{{{ steps.follow_up.id }}}}"}}
"#
    )
}

/// The scene.
pub async fn build_and_publish(world: &mut World) -> Told {
    build(world).await?;
    publish(world).await
}

async fn build(world: &mut World) -> Told {
    let World {
        stage,
        crm,
        actas,
        vera,
        secret_name,
        ..
    } = world;
    stage.scene("Vera builds");
    let text = flow(crm.url(), secret_name);
    std::fs::write(actas.folder().join(FILE), &text).or_stop("the flow cannot be written")?;
    stage.tell("A flow is a file. Its slot `crm` is dynamic: whoever runs it brings their own account. While she builds, Vera fills it with one of hers, under a name that is nowhere else in the world:\n");
    stage.show(&text);
    stage.tell("All faults of a file are said at once; this one has none.");
    actas.run(stage, &["validate", FILE]).await?.expect(0)?;

    stage.tell(
        "She tries the draft. Nobody has signed in for that name yet, so even her own run pauses.",
    );
    let args = [
        "build",
        FILE,
        "-i",
        "customer=Northwind",
        "--as",
        "vera",
        "--json",
    ];
    let run = actas.run(stage, &args).await?.expect(3)?.json()?;
    stage.check(
        "the draft run paused (exit code 3) and printed a link",
        link_of(&run).is_some(),
        &run,
    )?;

    stage.tell("She opens the link and signs in at the CRM as Carla, her account for such things.");
    let page = vera.open(&link_of(&run).or_stop("no link")?).await?;
    let page = vera.sign_in(&page).await?;
    stage.show(&read(&page));
    let id = text_of(&run, "/run");
    let run = actas
        .run(
            stage,
            &[
                "runs", "watch", &id, "--as", "vera", "--json", "--wait", "30s",
            ],
        )
        .await?
        .expect(0)?
        .json()?;
    let acted = (
        text_of(&run, "/steps/create/acted_as/account"),
        text_of(&run, "/steps/create/acted_as/rule"),
    );
    stage.check(
        "it went on, and acted as carla@sandbox by the rule build_time",
        acted == ("carla@sandbox".into(), "build_time".into()),
        &run,
    )?;
    let authors: Vec<String> = crm
        .records()
        .into_iter()
        .map(|record| record.author)
        .collect();
    stage.check(
        "the CRM has an opportunity and a task, both of Carla's",
        authors == ["carla", "carla"],
        format!("{authors:?}"),
    )?;
    stage.check(
        "the name stands in the database, as long as she builds",
        holds(&actas.data(), secret_name)?,
        "it is not there",
    )
}

async fn publish(world: &mut World) -> Told {
    let World {
        stage,
        actas,
        secret_name,
        ..
    } = world;
    stage.scene("Vera publishes");
    stage.tell("Publishing freezes the next version and drops what she built with.");
    let published = actas
        .show(stage, &["publish", FILE, "--as", "vera"])
        .await?;
    stage.check(
        "one build-time value was dropped",
        published.contains("dropped: 1 build-time value of crm"),
        &published,
    )?;
    let exported = actas
        .show(stage, &["flows", "export", FLOW, "--as", "vera"])
        .await?;
    stage.check(
        "the version's file has no build_time",
        !exported.contains("build_time"),
        &exported,
    )?;
    let mut said = published + &exported;
    for args in [
        &["flows", "export", FLOW, "--json"][..],
        &["flows", "show", FLOW, "--json"],
        &["flows", "versions", FLOW, "--json"],
        &["runs", "list", "--all", "--json"],
        &["audit", "list", "--limit", "500", "--json"],
    ] {
        said += &actas.run(stage, args).await?.expect(0)?.out;
    }
    stage.check(
        "no answer about it holds that name",
        !said.contains(secret_name.as_str()),
        "one does",
    )?;
    stage.tell("Anybody with the role `runner` may run it.");
    actas
        .show(
            stage,
            &["flows", "allow", FLOW, "role:runner", "--as", "vera"],
        )
        .await?;
    Ok(())
}

/// Whether any file of a folder holds a text, at any depth.
pub fn holds(folder: &Path, text: &str) -> Told<bool> {
    for entry in std::fs::read_dir(folder).or_stop("the data directory cannot be read")? {
        let path = entry.or_stop("the data directory cannot be read")?.path();
        if path.is_dir() {
            if holds(&path, text)? {
                return Ok(true);
            }
        } else if path.is_file() {
            let bytes =
                std::fs::read(&path).or_stop("a file of the data directory cannot be read")?;
            if bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The link of a paused run.
pub fn link_of(run: &Value) -> Option<String> {
    run.pointer("/paused/connections/0/url")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// A text in a document, empty if there is none.
pub fn text_of(document: &Value, pointer: &str) -> String {
    document
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
