//! Ana runs the flow. It pauses at the step that needs her account, survives the death of the process, and goes on at that very step.

use crate::building::{link_of, text_of};
use crate::person::read;
use crate::stage::{OrStop, Told};
use crate::{FLOW, World};

/// What the step `reach` asks the CRM for; it needs no account.
const REACHED: &str = "/.well-known/oauth-authorization-server";

/// The scene.
pub async fn as_ana(world: &mut World) -> Told {
    let World {
        stage,
        crm,
        actas,
        ana,
        ..
    } = world;
    stage.scene("Ana runs it, and it pauses");
    stage.tell("What would Ana have to connect?");
    actas
        .show(stage, &["accounts", FLOW, "--as", "ana"])
        .await?;

    crm.clear_log();
    let args = [
        "run",
        FLOW,
        "-i",
        "customer=Northwind",
        "-i",
        "amount=6000",
        "--as",
        "ana",
        "--json",
    ];
    let run = actas.run(stage, &args).await?.expect(3)?.json()?;
    let id = text_of(&run, "/run");
    let link = link_of(&run).or_stop("no link")?;
    let states = ["reach", "offer", "create", "follow_up"]
        .map(|step| text_of(&run, &format!("/steps/{step}/state")));
    stage.check(
        "it paused (exit code 3), held for a person",
        text_of(&run, "/state") == "paused",
        &run,
    )?;
    stage.check(
        "two steps are done, the third waits for Ana's account",
        states[..3] == ["succeeded", "succeeded", "paused"],
        format!("{states:?}"),
    )?;
    stage.check(
        "the link is Ana's, because she has no connection yet",
        text_of(&run, "/paused/connections/0/reason") == "missing"
            && text_of(&run, "/paused/connections/0/person") == "ana",
        &run,
    )?;
    stage.check(
        "the CRM saw no call with anybody's token",
        crm.calls().count() == 0,
        format!("{:?}", crm.calls()),
    )?;

    stage.scene("The process is killed and started again");
    stage.tell("SIGKILL: no last word, nothing in memory survives.");
    actas.kill().await?;
    actas.serve(stage).await?;
    actas
        .show(stage, &["runs", "show", &id, "--as", "ana"])
        .await?;

    stage.scene("Ana signs in, and it goes on");
    stage.tell("She opens the link in a browser that knows nobody, logs in to Actas, presses the button, signs in at the CRM, agrees.");
    ana.new_browser();
    let page = ana.open(&link).await?;
    let page = ana.sign_in(&page).await?;
    stage.show(&read(&page));
    stage.check(
        "she is back, connected as ana@sandbox",
        page.status == 200 && page.text().contains("ana@sandbox"),
        &page,
    )?;
    let run = actas
        .run(
            stage,
            &[
                "runs", "watch", &id, "--as", "ana", "--json", "--wait", "30s",
            ],
        )
        .await?
        .expect(0)?
        .json()?;
    actas
        .show(stage, &["runs", "show", &id, "--as", "ana"])
        .await?;
    let reached = crm
        .log()
        .into_iter()
        .filter(|entry| entry.path == REACHED)
        .count();
    stage.check(
        "the steps before it were not repeated: one attempt each, one request",
        reached == 1 && run["steps"]["reach"]["attempts"] == 1,
        format!("{reached} requests, {run}"),
    )?;
    stage.check(
        "it acted as ana@sandbox, by the rule invoker",
        text_of(&run, "/steps/create/acted_as/account") == "ana@sandbox"
            && text_of(&run, "/steps/create/acted_as/rule") == "invoker",
        &run,
    )?;
    let made: Vec<_> = crm
        .records()
        .into_iter()
        .filter(|record| record.author == "ana")
        .collect();
    stage.check(
        "the CRM has one opportunity and one task more, and their author is Ana",
        made.len() == 2,
        format!("{made:?}"),
    )?;
    stage.check(
        "the opportunity says what the step before the pause worked out",
        made[0]
            .fields
            .get("Amount")
            .is_some_and(|amount| *amount == 12_000),
        format!("{made:?}"),
    )?;

    stage.scene("Ana runs it again");
    stage.tell("She is known now: no pause.");
    let before = crm
        .token_requests()
        .of_grant_type("authorization_code")
        .count();
    let args = [
        "run",
        FLOW,
        "-i",
        "customer=Contoso",
        "--as",
        "ana",
        "--json",
    ];
    let run = actas.run(stage, &args).await?.expect(0)?.json()?;
    let after = crm
        .token_requests()
        .of_grant_type("authorization_code")
        .count();
    stage.check(
        "it succeeded at once, without a sign-in",
        text_of(&run, "/state") == "succeeded" && before == after,
        &run,
    )?;
    actas
        .show(stage, &["connections", "list", "--as", "ana"])
        .await?;
    Ok(())
}
