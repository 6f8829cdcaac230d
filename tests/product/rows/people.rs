//! Rows about people: who may decide that a flow acts as whoever runs it, and those of applications that Actas is built into.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use actas_test_support::browser::Browser;
use actas_test_support::sandbox;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use ring::signature::KeyPair as _;
use serde_json::{Value, json};

use super::acting::personal;
use super::stage::{Stage, run_of, show};

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

/// An application that Actas is built into, with its key.
struct Host {
    pair: ring::signature::Ed25519KeyPair,
    audience: String,
}

impl Host {
    fn pem(&self) -> String {
        let mut der = vec![
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        der.extend(self.pair.public_key().as_ref());
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "EdDSA"})), part(claims));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// What it says of one of its people now.
    fn claims(&self, person: &str, jti: &str) -> Value {
        let now = actas_store::system::now().micros() / 1_000_000;
        json!({
            "iss": "https://host.example", "aud": self.audience, "sub": person, "jti": jti,
            "iat": now, "exp": now + 120, "name": format!("{person} of the host"),
        })
    }
}

#[test]
fn r09_somebody_of_an_application_that_actas_is_built_into_acts_as_themselves() {
    show("r09", async |stage: &Stage| {
        let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let mut host = Host {
            pair,
            audience: String::new(),
        };
        let body = json!({"issuer": "https://host.example", "public_key": host.pem(), "roles": ["runner"]});
        let set = stage.put("", "/hosts/r09-host", &body).await.expect_ok();
        host.audience = set["audience"].as_str().unwrap().to_owned();
        stage.world.publish(&personal("r09-note", "R09")).await;

        let http = actas_test_support::browser::client();
        let url = format!("{}/api/v1/sessions", stage.world.url());
        let exchange = async |token: &str, kind: &str| {
            let sent = http.post(&url).json(&json!({"token": token, "as": kind}));
            let answer = sent.send().await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.json::<Value>().await.unwrap())
        };
        // The whole story of somebody who brings their own account: started by the application for them, connected by themselves.
        let (status, given) = exchange(&host.sign(&host.claims("u-17", "one")), "token").await;
        assert_eq!(status, 201, "{given:#}");
        let token = given["token"].as_str().unwrap();
        let login = given["user"].as_str().unwrap().to_owned();
        stage.account(&login).await;
        let start = format!("{}/api/v1/flows/r09-note/runs", stage.world.url());
        let started = http
            .post(start)
            .bearer_auth(token)
            .header("prefer", "wait=10")
            .json(&json!({"inputs": {}}));
        let paused: Value = started.send().await.unwrap().json().await.unwrap();
        assert_eq!(paused["state"], "paused", "{paused:#}");
        assert_eq!(stage.world.calls(&login).await, 0);

        let (status, given) = exchange(&host.sign(&host.claims("u-17", "two")), "link").await;
        assert_eq!((status, &given["user"]), (201, &json!(login)), "{given:#}");
        let mut browser = Browser::new();
        let page = browser.open(given["link"].as_str().unwrap()).await;
        let form = page.form("/enter/");
        let home = browser.submit(&page, &form).await;
        assert_eq!((home.status, home.url.path()), (200, "/"), "{home}");
        let page = browser.open(&crate::world::link(&paused)).await;
        let form = page.form_with_button("Sign in");
        let page = browser.submit(&page, &form).await;
        let page = sandbox::sign_in(&mut browser, page, &login, sandbox::Decision::Allow).await;
        assert_eq!(page.status, 200, "{page}");
        let run = run_of(&paused);
        let see = format!("{}/api/v1/runs/{run}", stage.world.url());
        let mut done = Value::Null;
        for _ in 0..400 {
            let sent = http.get(&see).bearer_auth(token).send().await.unwrap();
            done = sent.json().await.unwrap();
            if crate::world::is_over(&done) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(
            (&done["state"], &done["outputs"]["author"]),
            (&json!("succeeded"), &json!(login)),
            "{done:#}"
        );
        assert_eq!(stage.authors("R09").await, std::slice::from_ref(&login));
        // The link was for once.
        let again = Browser::new().open(given["link"].as_str().unwrap()).await;
        assert_eq!(again.status, 410, "{again}");

        // Another person of the application is another person here, and what they may not be they are not.
        let mut claims = host.claims("u-18", "three");
        claims["roles"] = json!(["owner", "runner"]);
        let (status, other) = exchange(&host.sign(&claims), "token").await;
        assert_eq!(status, 201, "{other:#}");
        let me = format!("{}/api/v1/me", stage.world.url());
        let me = http.get(me).bearer_auth(other["token"].as_str().unwrap());
        let me: Value = me.send().await.unwrap().json().await.unwrap();
        assert_eq!(me["privileges"], json!(["flows.run"]), "{me:#}");
        assert_ne!(me["login"], login.as_str());

        // What does not count: used before, too long, over, for another place, by another key, of another application.
        let mut bad = vec![host.sign(&host.claims("u-17", "one"))];
        for (name, value) in [
            ("aud", json!("https://elsewhere.example/w/main")),
            ("aud", json!(format!("{}x", host.audience))),
            ("iss", json!("https://other.example")),
            ("exp", json!(1)),
            (
                "exp",
                json!(host.claims("u", "j")["iat"].as_u64().unwrap() + 301),
            ),
            ("sub", json!("")),
            ("jti", json!(null)),
        ] {
            let mut claims = host.claims("u-17", &format!("bad-{name}-{value}"));
            claims[name] = value;
            bad.push(host.sign(&claims));
        }
        let stranger = Host {
            pair: ring::signature::Ed25519KeyPair::from_seed_unchecked(&[10; 32]).unwrap(),
            audience: host.audience.clone(),
        };
        bad.push(stranger.sign(&stranger.claims("u-17", "four")));
        for token in &bad {
            let (status, answer) = exchange(token, "token").await;
            assert_eq!(
                (status, &answer["code"]),
                (401, &json!("word_not_taken")),
                "{answer:#}"
            );
        }
        stage.delete("", "/hosts/r09-host").await.expect_ok();
        let (status, _) = exchange(&host.sign(&host.claims("u-17", "five")), "token").await;
        assert_eq!(status, 401);
    });
}
