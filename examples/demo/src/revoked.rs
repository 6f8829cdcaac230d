//! Ana's access is taken away at the CRM while a run is under way, between its two writes.

use std::time::Duration;

use actas_sandbox::{Act, Fault};

use crate::building::{link_of, text_of};
use crate::person::read;
use crate::stage::{OrStop, Told};
use crate::{FLOW, World};

/// The scene.
pub async fn in_mid_run(world: &mut World) -> Told {
    let World {
        stage,
        crm,
        actas,
        ana,
        ..
    } = world;
    stage.scene("Ana's access is revoked in mid-run");
    stage.tell("The CRM performs the first write and holds its answer back. Meanwhile somebody takes Ana's access away there.");
    crm.clear_log();
    let known = crm.records().len();
    crm.inject(Fault {
        user: Some("ana".into()),
        ..Fault::new("/api/v1/records/Opportunity", 1, Act::HoldAfter)
    });
    let args = [
        "run",
        FLOW,
        "-i",
        "customer=Adatum",
        "--as",
        "ana",
        "--json",
    ];
    stage.command(&args);
    let running = actas.start(&args)?;
    let held = tokio::time::timeout(Duration::from_secs(30), async {
        while crm.held() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    held.await.or_stop("the first write never came")?;
    let ended = crm.revoke_user("ana");
    crm.release();
    let run = running.end().await?.expect(3)?.json()?;
    let id = text_of(&run, "/run");
    stage.check(
        "her grant was revoked while the run was under way",
        ended == 1,
        ended,
    )?;
    stage.check(
        "the first write is done, the run paused at the second: revoked",
        text_of(&run, "/steps/create/state") == "succeeded"
            && text_of(&run, "/steps/follow_up/state") == "paused"
            && text_of(&run, "/paused/connections/0/reason") == "revoked",
        &run,
    )?;

    stage.tell("Ana signs in again, and the run goes on at the second write.");
    let page = ana.open(&link_of(&run).or_stop("no link")?).await?;
    let page = ana.sign_in(&page).await?;
    stage.show(&read(&page));
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
    stage.check("it succeeded", text_of(&run, "/state") == "succeeded", &run)?;

    let made: Vec<String> = crm
        .records()
        .into_iter()
        .skip(known)
        .map(|record| format!("{} of {}", record.object, record.author))
        .collect();
    stage.check(
        "nothing was done twice: one opportunity, one task",
        made == ["Opportunity of ana", "Task of ana"],
        format!("{made:?}"),
    )?;
    let first = crm
        .calls()
        .to("POST", "/api/v1/records/Opportunity")
        .count();
    stage.check("the first write was asked for once", first == 1, first)?;
    let second = crm.calls().to("POST", "/api/v1/records/Task").0;
    let answers: Vec<_> = second
        .iter()
        .map(|call| call.status.unwrap_or_default())
        .collect();
    let one_key = second.iter().all(|call| {
        call.idempotency_key.is_some() && call.idempotency_key == second[0].idempotency_key
    });
    stage.check(
        "the second was refused, then performed, under one idempotency key",
        one_key && answers.first() == Some(&401) && answers.last() == Some(&201),
        format!("{second:?}"),
    )
}
