//! Ben runs the same flow: his run is his. Ana cannot use his link, and when he says no, nothing is done.

use crate::building::{link_of, text_of};
use crate::person::read;
use crate::stage::{OrStop, Told};
use crate::{FLOW, World};

/// The scene.
pub async fn as_ben(world: &mut World) -> Told {
    let World {
        stage,
        crm,
        actas,
        ana,
        ben,
        ..
    } = world;
    stage.scene("Ben runs it, and says no");
    stage.tell("Ana's connection is hers alone: Ben's run pauses for Ben.");
    let args = [
        "run",
        FLOW,
        "-i",
        "customer=Fabrikam",
        "--as",
        "ben",
        "--json",
    ];
    let run = actas.run(stage, &args).await?.expect(3)?.json()?;
    let id = text_of(&run, "/run");
    let link = link_of(&run).or_stop("no link")?;
    stage.check(
        "it paused for Ben",
        text_of(&run, "/paused/connections/0/person") == "ben",
        &run,
    )?;
    actas.show(stage, &["requests", "--as", "ben"]).await?;
    let of_ana = actas
        .run(stage, &["requests", "--as", "ana", "--json"])
        .await?
        .expect(0)?
        .out;
    stage.check("nothing is asked of Ana", !of_ana.contains(&id), &of_ana)?;

    stage.tell("Ana opens Ben's link in her browser.");
    let before = crm.token_requests().count();
    let page = ana.open(&link).await?;
    stage.show(&read(&page));
    stage.check("she is refused (403)", page.status == 403, &page)?;
    stage.check(
        "the CRM saw no token request",
        crm.token_requests().count() == before,
        format!("{:?}", crm.token_requests()),
    )?;

    stage.tell("Ben opens it and declines.");
    let page = ben.open(&link).await?;
    let page = ben.decline(&page).await?;
    stage.show(&read(&page));
    let run = actas
        .quietly(&["runs", "show", &id, "--as", "ben", "--json"])
        .await?
        .expect(0)?
        .json()?;
    actas
        .show(stage, &["runs", "show", &id, "--as", "ben"])
        .await?;
    stage.check(
        "the run stays paused, as declined: no fallback to anybody's account",
        text_of(&run, "/paused/connections/0/reason") == "declined",
        &run,
    )?;
    stage.check(
        "the CRM saw no call by Ben, and nobody's else for him",
        crm.calls().by("ben").count() == 0
            && !crm.records().iter().any(|record| {
                record
                    .fields
                    .get("Name")
                    .is_some_and(|name| name == "Fabrikam")
            }),
        format!("{:?}", crm.calls()),
    )?;
    actas
        .run(stage, &["runs", "cancel", &id, "--as", "ben"])
        .await?
        .expect(0)?;
    Ok(())
}
