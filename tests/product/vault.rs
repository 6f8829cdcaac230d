//! The vault from outside: without its key the program does not start and says why; keys are rotated while it serves; a store that was written
//! before workspaces had keys opens; two workspaces in one store know nothing of each other.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use actas_test_support::process::{self, Finished};
use reqwest::Method;
use serde_json::{Value, json};

use crate::actas::{LONG, command, run};
use crate::world::{Kind, World};

fn write_key(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Holds a command to its exit code.
#[track_caller]
fn exits(said: Finished, code: i32) {
    assert_eq!(said.code, Some(code), "{said}");
}

/// One command in a home, with some environment.
fn with(home: &Path, args: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut command = command(home, args);
    command.envs(environment.iter().copied());
    process::run(command, LONG)
}

#[test]
fn without_its_key_the_program_does_not_start_and_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let list = ["workspaces", "list"];
    exits(run(home.path(), &list), 0);
    let key = home.path().join("data/key");
    let text = std::fs::read_to_string(&key).unwrap();
    let refused = |said: Finished, words: &[&str]| {
        assert!(!matches!(said.code, Some(0)), "{said}");
        for word in words {
            assert!(said.stderr.contains(word), "`{word}` is not said: {said}");
        }
        let printed = format!("{}{}", said.stdout, said.stderr);
        assert!(!printed.contains(text.trim()), "the key is printed");
    };

    // Others may read it.
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(
        run(home.path(), &list),
        &["may be read by others", "chmod 600"],
    );
    // It is gone: no other one is made.
    std::fs::remove_file(&key).unwrap();
    refused(run(home.path(), &list), &["is gone", "put the file back"]);
    assert!(!key.exists());
    // It is another one, or none.
    write_key(&key, &"0123456789abcdef".repeat(4));
    refused(
        run(home.path(), &list),
        &["another one than this store was written with"],
    );
    write_key(&key, "no key");
    refused(run(home.path(), &list), &["64 hexadecimal digits"]);
    std::fs::remove_file(&key).unwrap();

    // By whatever way it comes.
    let apart = home.path().join("apart");
    write_key(&apart, &text);
    let file = apart.to_str().unwrap();
    exits(
        run(home.path(), &["--key-file", file, "workspaces", "list"]),
        0,
    );
    let print = format!("cat {file}");
    exits(
        run(
            home.path(),
            &["--key-command", &print, "workspaces", "list"],
        ),
        0,
    );
    exits(with(home.path(), &list, &[("ACTAS_KEY", text.trim())]), 0);
    for (environment, words) in [
        (("ACTAS_KEY_COMMAND", "exit 3"), ["key command failed", "3"]),
        (
            ("ACTAS_KEY_COMMAND", "echo nonsense"),
            ["64 hexadecimal", "digits"],
        ),
        (
            ("ACTAS_KEY_FILE", "/nowhere/key"),
            ["/nowhere/key", "is not there"],
        ),
        (("ACTAS_KEY", "f00"), ["64 hexadecimal", "digits"]),
    ] {
        refused(with(home.path(), &list, &[environment]), &words);
    }
    assert!(!key.exists());

    // A database that others share has no key of its own.
    let said = with(
        home.path(),
        &list,
        &[("ACTAS_DATABASE_URL", "postgres://nowhere/x")],
    );
    refused(said.expect(2), &["--key-file", "ACTAS_KEY"]);
    let given = "00112233445566778899aabbccddeeff".repeat(2);
    if let Some(url) = actas_test_support::postgres::database() {
        let database = ("ACTAS_DATABASE_URL", url.as_str());
        exits(
            with(home.path(), &list, &[database, ("ACTAS_KEY", &given)]),
            0,
        );
        let other = "ffeeddccbbaa99887766554433221100".repeat(2);
        let said = with(home.path(), &list, &[database, ("ACTAS_KEY", &other)]);
        refused(said, &["another one than this store was written with"]);
    }
}

#[tokio::test]
async fn a_store_from_before_workspaces_had_keys_opens_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(data.join("actas.db"))
        .create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(include_str!("stores/before_workspace_keys.dump"))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    write_key(
        &data.join("key"),
        include_str!("stores/before_workspace_keys.key"),
    );

    let json = |args: &[&str]| -> Value {
        let said = run(home.path(), args).expect(0);
        serde_json::from_str(&said.stdout).unwrap()
    };
    // All six secrets open and are wrapped by the workspace's own key: first what the operator's key wrapped, then under a new key.
    let first = json(&["key", "rotate", "--json"]);
    let [done] = first["workspaces"].as_array().unwrap().as_slice() else {
        panic!("{first}");
    };
    assert_eq!((&done["broken"], &done["new"]), (&json!(0), &json!(true)));
    assert!(done["wrapped"].as_u64() >= Some(6), "{done}");
    // What one was is still known: rotating it opens it.
    let line = "printf %s 'another value' | \"$0\" secrets rotate hook-key --secret-stdin";
    let mut rotate = process::command("sh", home.path());
    rotate.args(["-c", line, env!("CARGO_BIN_EXE_actas")]);
    rotate.env("ACTAS_DATA", &data);
    exits(process::run(rotate, LONG), 0);
    let mine = json(&["connections", "list", "--mine", "--as", "ana", "--json"]);
    assert_eq!(mine["connections"][0]["account"], "ana@sandbox", "{mine}");
    exits(run(home.path(), &["audit", "verify"]), 0);

    // The operator's key is replaced too; the old one opens nothing any more.
    let next = home.path().join("next");
    write_key(&next, &"fedcba9876543210".repeat(4));
    exits(
        run(
            home.path(),
            &["key", "rotate", "--new-key-file", next.to_str().unwrap()],
        ),
        0,
    );
    assert_eq!(
        std::fs::read_to_string(data.join("key")).unwrap().trim(),
        "fedcba9876543210".repeat(4)
    );
    let again = json(&["key", "rotate", "--json"]);
    assert_eq!(again["workspaces"][0]["broken"], 0);
    write_key(
        &data.join("key"),
        include_str!("stores/before_workspace_keys.key"),
    );
    let said = run(home.path(), &["workspaces", "list"]);
    assert!(said.stderr.contains("another one than"), "{said}");
}

const SAME: &str = "flow: same
title: TITLE
trigger: {on_demand: {}}
inputs: {text: {type: string, default: hi}}
steps:
  first: {uses: core.set, with: {text: \"TITLE {{ inputs.text }}\"}}
outputs: {text: \"{{ steps.first.text }}\"}
";

/// A world, as one of its workspaces.
struct In<'a>(&'a World, &'a str);

impl In<'_> {
    async fn ask(
        &self,
        method: &str,
        path: &str,
        user: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut all = vec![
            ("content-type", "application/json"),
            ("actas-workspace", self.1),
        ];
        all.extend(headers);
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let body = body.map(|body| body.to_string());
        let answer = self.0.send(method, path, Some(user), &all, body).await;
        (answer.status, answer.body)
    }

    async fn ok(&self, method: &str, path: &str, user: &str, body: Option<Value>) -> Value {
        let (status, body) = self.ask(method, path, user, &[], body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {body}"
        );
        body
    }

    async fn furnish(&self) {
        for (login, roles) in [("vera", ["builder"]), ("ana", ["runner"])] {
            let body = json!({"login": login, "roles": roles, "local": true});
            let (status, said) = self
                .ask("POST", "/api/v1/users", "boss", &[], Some(body))
                .await;
            assert!([201, 409].contains(&status), "{said}");
        }
        let client = json!({"client_id": self.1, "client_secret": format!("the secret of {}", self.1),
            "name": "same", "settings": {"instance_url": self.0.crm.url}});
        self.ok(
            "POST",
            "/api/v1/apps/sandbox_crm/clients",
            "boss",
            Some(client),
        )
        .await;
        let text = SAME.replace("TITLE", self.1);
        let saved = self
            .0
            .send(
                Method::PUT,
                "/api/v1/flows/same/draft",
                Some("vera"),
                &[
                    ("content-type", "application/yaml"),
                    ("actas-workspace", self.1),
                ],
                Some(text),
            )
            .await;
        let tag = saved.etag.clone().unwrap();
        let headers = [("if-match", tag.as_str())];
        let (status, said) = self
            .ask(
                "POST",
                "/api/v1/flows/same/versions",
                "vera",
                &headers,
                None,
            )
            .await;
        assert_eq!(status, 201, "{said}");
        let runners = json!({"runners": ["everyone"]});
        self.ok("PUT", "/api/v1/flows/same/runners", "vera", Some(runners))
            .await;
    }

    /// A run under one and the same idempotency key.
    async fn run(&self) -> Value {
        let headers = [("idempotency-key", "the same"), ("prefer", "wait=30")];
        let body = Some(json!({"inputs": {"text": "x"}}));
        let (status, run) = self
            .ask("POST", "/api/v1/flows/same/runs", "ana", &headers, body)
            .await;
        assert!([200, 202].contains(&status), "{run}");
        run
    }
}

#[tokio::test]
async fn two_workspaces_with_the_same_names_in_one_store_never_mix() {
    let mut kinds = vec![Kind::Sqlite];
    kinds.extend(actas_test_support::postgres::database().map(Kind::Postgres));
    for kind in kinds {
        let mut world = World::prepare(kind);
        world.serve();
        world.until_ready().await;
        let owner = world
            .ask(Method::GET, "/api/v1/me", None, None)
            .await
            .expect_ok();
        let owner = owner["login"].as_str().unwrap().to_owned();
        let boss = json!({"login": "boss", "roles": ["owner"], "local": true});
        world
            .ask(Method::POST, "/api/v1/users", Some(&owner), Some(&boss))
            .await
            .expect_ok();
        exits(
            world.actas(&["workspaces", "add", "acme", "--owner", "boss"]),
            0,
        );
        let (here, there) = (In(&world, "main"), In(&world, "acme"));
        here.furnish().await;
        there.furnish().await;

        // One idempotency key in two workspaces is two runs; in one it is one.
        let (first, second) = (here.run().await, there.run().await);
        assert_ne!(first["run"], second["run"]);
        assert_eq!(first["outputs"]["text"], "main x", "{first}");
        assert_eq!(second["outputs"]["text"], "acme x", "{second}");
        assert_eq!(here.run().await["run"], first["run"]);
        assert_eq!(there.run().await["run"], second["run"]);

        // Each finds its own, and the other's is not there, in the words for what never was.
        for (own, other) in [((&here, &first), &second), ((&there, &second), &first)] {
            let ((world, mine), theirs) = (own, other["run"].as_str().unwrap());
            let runs = world.ok("GET", "/api/v1/runs", "ana", None).await;
            let runs: Vec<_> = runs["runs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|run| &run["run"])
                .collect();
            assert_eq!(runs, [&mine["run"]]);
            for path in ["", "/journal", "/events"] {
                let asked = world
                    .ask(
                        "GET",
                        &format!("/api/v1/runs/{theirs}{path}"),
                        "boss",
                        &[],
                        None,
                    )
                    .await;
                let nobodys = format!("/api/v1/runs/run_01jd0000000000000000000000{path}");
                let nobodys = world.ask("GET", &nobodys, "boss", &[], None).await;
                assert_eq!((asked.0, &asked.1), (404, &nobodys.1));
            }
            for act in ["cancel", "retry", "replay"] {
                let path = format!("/api/v1/runs/{theirs}/{act}");
                let (status, said) = world.ask("POST", &path, "boss", &[], Some(json!({}))).await;
                assert_eq!(status, 404, "{said}");
            }
            let clients = world
                .ok("GET", "/api/v1/apps/sandbox_crm/clients", "boss", None)
                .await;
            let clients = clients["clients"].as_array().unwrap().clone();
            assert_eq!(clients.len(), 1);
            assert_eq!(clients[0]["client_id"], world.1);
            // Its audit log is whole by itself, and names nothing of the other.
            let verified = world.ok("GET", "/api/v1/audit/verify", "boss", None).await;
            assert_eq!(verified["ok"], true, "{verified}");
            let audit = world
                .ok("GET", "/api/v1/audit?limit=200", "boss", None)
                .await
                .to_string();
            assert!(audit.contains(mine["run"].as_str().unwrap()) && !audit.contains(theirs));
        }

        // Keys are rotated for both while they are served; each has its own.
        let said = world.actas(&["key", "rotate", "--json"]).expect(0);
        let done: Value = serde_json::from_str(&said.stdout).unwrap();
        let done = done["workspaces"].as_array().unwrap().clone();
        assert_eq!(done.len(), 2);
        assert_ne!(done[0]["key"], done[1]["key"]);
        for one in &done {
            assert_eq!((&one["broken"], &one["new"]), (&json!(0), &json!(true)));
        }
        for workspace in [&here, &there] {
            let path = "/api/v1/audit?action=vault_key.rotated";
            let rotated = workspace.ok("GET", path, "boss", None).await;
            assert_eq!(rotated["records"].as_array().unwrap().len(), 1);
            assert_eq!(rotated["records"][0]["actor"]["type"], "local_operator");
        }
        // Nobody of a workspace rotates keys or sees the workspaces.
        let list = world
            .actas(&[
                "--workspace",
                "acme",
                "runs",
                "list",
                "--as",
                "ana",
                "--json",
            ])
            .expect(0);
        assert!(list.stdout.contains(second["run"].as_str().unwrap()));
        assert!(!list.stdout.contains(first["run"].as_str().unwrap()));
        exits(world.actas(&["--workspace", "nowhere", "runs", "list"]), 1);
    }
}
