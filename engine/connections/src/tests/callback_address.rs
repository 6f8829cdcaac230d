//! The addresses of callbacks: each fits its own step instance of its own run, in every process, and nothing else.

use super::*;

fn path(text: &str) -> StepPath {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_callback_token_fits_its_own_step_of_its_own_run_alone_and_again_after_a_restart() {
    let bench = Bench::new().await;
    let runs = [bits(RunId::from_bits), bits(RunId::from_bits)];
    let workspaces = [bench.workspace.clone(), bits(WorkspaceId::from_bits)];
    let steps = ["ask", "lines[3]/ask", "lines[37]/ask"].map(path);
    let mut places = Vec::new();
    for workspace in &workspaces {
        for run in &runs {
            for step in &steps {
                places.push((workspace, run, step));
            }
        }
    }
    let again = open(
        &bench.store,
        &bench.provider,
        &bench.manifest,
        &bench.folder,
    )
    .await
    .unwrap();
    for (a, (workspace, run, step)) in places.iter().enumerate() {
        let token = bench.connections.callback_token(workspace, run, step);
        assert_eq!(token.reveal().len(), 64);
        for (b, (workspace, run, step)) in places.iter().enumerate() {
            let fits = again.verify_callback(workspace, run, step, token.reveal());
            assert_eq!(fits, a == b);
        }
        for wrong in [
            "",
            "0",
            &"0".repeat(64),
            &token.reveal()[..62],
            &format!("{}00", token.reveal()),
        ] {
            assert!(
                !again.verify_callback(workspace, run, step, wrong),
                "{wrong}"
            );
        }
    }
}

#[tokio::test]
async fn a_callback_address_stands_under_our_own_origin_and_is_plain_enough_for_any_program() {
    let bench = Bench::new().await;
    let run = bits(RunId::from_bits);
    let step = path("lines[37]/ask");
    let token = bench
        .connections
        .callback_token(&bench.workspace, &run, &step);
    let address = bench
        .connections
        .callback_address(&bench.workspace, &run, &step);
    let origin = bench.connections.page(&[]).to_string();
    let expected = format!(
        "{}/hooks/callback/{run}/lines.37~ask?token={}",
        origin.trim_end_matches('/'),
        token.reveal()
    );
    assert_eq!(address.reveal(), &expected);
    assert!(!format!("{address:?}").contains(token.reveal().as_str()));
}
