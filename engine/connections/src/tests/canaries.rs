//! Secrets that must be seen nowhere: planted in everything a provider can say and everything a vault can hold.

use super::*;

#[tokio::test]
async fn a_thousand_canaries_pass_through_every_error_path_and_are_seen_nowhere() {
    let bench = Bench::new().await;
    let (run, finished) = bench.sign_in(&bench.ana, "ana@crm").await;
    let using = bench.using(&run, &finished.connection, &bench.ana);
    // All begin with a word that stands in no program, so that one search finds any of them.
    let prefix = format!("canary{:016x}", u64::from_be_bytes(system::random::<8>()));
    let mut planted = Vec::new();
    let mut states = Vec::new();
    let mut shown = String::new();
    let plant = |planted: &mut Vec<String>| {
        let words: Vec<_> = (0..6)
            .map(|n| format!("{prefix}{:05}", planted.len() + n))
            .collect();
        planted.extend(words.iter().cloned());
        words.join("-")
    };
    // Refusals and broken answers at refresh, with secrets in every place of them.
    for round in 0..24 {
        let (a, b, c, d) = (
            plant(&mut planted),
            plant(&mut planted),
            plant(&mut planted),
            plant(&mut planted),
        );
        let bodies = [
            (500, format!("{a} {b}")),
            (200, format!("<html>{a}{b}</html>")),
            (
                200,
                format!(r#"{{"access_token":"{a}","access_token":"{b}","{c}":1}}"#),
            ),
            (
                200,
                format!(r#"{{"access_token":"{a}\n{b}","refresh_token":"{c}"}}"#),
            ),
            (
                200,
                format!(
                    r#"{{"access_token":"{a}","token_type":"{b}","refresh_token":"{c}","scope":"{d}"}}"#
                ),
            ),
            (302, a.clone()),
            (
                429,
                format!(r#"{{"error":"{a}","error_description":"{b}"}}"#),
            ),
            (
                401,
                format!(r#"{{"error":"invalid_client","error_description":"{b}"}}"#),
            ),
        ];
        let (status, body) = &bodies[round % bodies.len()];
        bench.elapse(&finished.connection).await;
        bench.expire(&finished.connection).await;
        bench.provider.answer_next(*status, body);
        let error = bench.connections.credential(&using).await.unwrap_err();
        shown.push_str(&format!("{error} {error:?} {error:#?}"));
        if let UseError::Unavailable(step) = &error {
            shown.push_str(&serde_json::to_string(step).unwrap());
        }
    }
    // Callbacks: codes, states and issuers that are secrets, and token answers that are refused.
    for round in 0..16 {
        let (a, b, c, d) = (
            plant(&mut planted),
            plant(&mut planted),
            plant(&mut planted),
            plant(&mut planted),
        );
        let run = bench.run(&bench.ben).await;
        let id = bench.pause(&bench.ask(&run, &bench.ben)).await;
        let state = bench.begin(&id, &bench.ben).await;
        states.push(state.clone());
        if round % 2 == 0 {
            bench.provider.answer_next(
                400,
                &format!(r#"{{"error":"{a}","error_description":"{b}"}}"#),
            );
        } else {
            bench.provider.answer_next(
                200,
                &format!(r#"{{"access_token":"{a}","refresh_token":"{b}","instance_url":"https://{c}.example"}}"#),
            );
        }
        let query = match round % 4 {
            0 | 1 => vec![
                ("state", state.as_str()),
                ("code", d.as_str()),
                ("iss", ISSUER),
            ],
            2 => vec![("state", d.as_str()), ("code", c.as_str()), ("iss", ISSUER)],
            _ => vec![
                ("state", state.as_str()),
                ("code", d.as_str()),
                ("iss", c.as_str()),
            ],
        };
        bench.provider.book().token_requests.clear();
        let error = bench.come_with(&bench.ben, &query).await.unwrap_err();
        if round % 4 >= 2 {
            bench.provider.book().script.clear();
        }
        shown.push_str(&format!("{error} {error:?} {error:#?} {}", error.code()));
    }
    // What is held: the handle, credentials, rows of the vault.
    for _ in 0..8 {
        let (a, b) = (plant(&mut planted), plant(&mut planted));
        bench.provider.book().script.clear();
        bench.provider.book().more = serde_json::Map::from_iter([
            ("access_token".to_owned(), a.clone().into()),
            ("refresh_token".to_owned(), b.clone().into()),
        ]);
        {
            let mut book = bench.provider.book();
            book.access.insert(a.clone(), "ana@crm".to_owned());
            book.refresh.insert(b.clone(), "ana@crm".to_owned());
        }
        bench.elapse(&finished.connection).await;
        bench.expire(&finished.connection).await;
        let usable = bench.connections.credential(&using).await.unwrap();
        shown.push_str(&format!("{usable:?} {:?} {using:?}", bench.connections));
        let secret = Some(Secret::new(plant(&mut planted)));
        shown.push_str(&format!("{secret:?}"));
        bench
            .connections
            .put_client(
                &bench.workspace,
                bench.client.clone(),
                secret,
                &bench.who(&bench.ana),
            )
            .await
            .unwrap();
    }
    assert!(planted.len() >= 1000, "{}", planted.len());
    for entry in bench.reader().audit_from(0, 10_000).await.unwrap() {
        shown.push_str(&format!("{entry:?}"));
    }
    // The store's files, as they lie on the disk.
    let mut disk = Vec::new();
    for file in std::fs::read_dir(bench.folder.path().join("data")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            disk.extend(std::fs::read(path).unwrap());
        }
    }
    let disk = String::from_utf8_lossy(&disk);
    assert!(
        disk.contains("new-opportunity"),
        "the store's files are elsewhere"
    );
    for word in states.iter().chain([&prefix]) {
        assert!(!shown.contains(word), "{word} is shown");
        assert!(!disk.contains(word), "{word} lies on the disk");
    }
    assert!(!shown.contains("client-secret-of-actas"));
}
