//! More than a thousand secrets go through every kind of answer and refusal, of a provider and an app that say them in every way, and are seen
//! nowhere: not in the log, not on the disk, not in an answer, a page or a line of the program.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use actas_test_support::browser::{Browser, Page};
use actas_test_support::process;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::hostile::Hostile;
use crate::needles::Needles;
use crate::world::{Kind, World};

/// Many steps, each with a token of its own: those before have run out.
fn chatty() -> String {
    let mut text = "flow: chatty\ntrigger: {on_demand: {}}\ninputs: {word: {type: string}}\n\
         connections:\n  it: {app: hostile, dynamic: {ask: when_needed}}\nsteps:\n"
        .to_owned();
    for step in 0..10 {
        let needs = if step == 0 {
            String::new()
        } else {
            format!("s{}", step - 1)
        };
        text += &format!("  s{step}: {{uses: hostile.ask, connection: it, needs: [{needs}]}}\n");
    }
    text + "outputs: {last: '{{ steps.s9 }}', word: '{{ inputs.word }}'}\n"
}

const REFUSED: &str = "
flow: refused
trigger: {on_demand: {}}
inputs: {status: {type: integer}}
connections:
  it: {app: hostile, dynamic: {ask: when_needed}}
steps:
  fail: {uses: hostile.fail, connection: it, with: {status: '{{ inputs.status }}'}}
outputs: {it: '{{ steps.fail }}'}
";

/// A person with a browser that has been logged in since the password was set.
struct Person {
    login: String,
    /// A random name, which is meant to be seen.
    name: String,
    browser: Browser,
}

async fn person(world: &World, hostile: &Hostile, number: usize, seen: &mut Vec<Page>) -> Person {
    let login = format!("p{number}");
    let name = crate::needles::canary();
    let body = json!({"login": login, "name": name, "email": format!("{login}@actas.test"), "roles": ["runner"], "local": true});
    let added = world
        .ask(Method::POST, "/api/v1/users", None, Some(&body))
        .await
        .expect_ok();
    let mut browser = Browser::new();
    let page = browser.open(added["link"].as_str().unwrap()).await;
    let password = hostile.mint();
    let form = page
        .form_with_button("Set the password")
        .with("password", &password)
        .with("again", &password);
    let page = browser.submit(&page, &form).await;
    assert_eq!(page.status, 200, "{page}");
    seen.push(page);
    // A wrong password is a secret too: it may be the right one of somewhere else.
    let mut stranger = Browser::new();
    let page = stranger
        .open(&format!("{}/w/main/login", world.url()))
        .await;
    let form = page
        .form("/login")
        .with("login", &login)
        .with("password", &hostile.mint());
    let page = stranger.submit(&page, &form).await;
    assert!(page.status >= 400, "{page}");
    seen.push(page);
    Person {
        login,
        name,
        browser,
    }
}

async fn sign_in(hostile: &Hostile, person: &mut Person, link: &str, seen: &mut Vec<Page>) {
    hostile.sign_in_as(&person.login);
    let page = person.browser.open(link).await;
    let form = page.form_with_button("Sign in");
    seen.push(page.clone());
    let page = person.browser.submit(&page, &form).await;
    seen.push(page);
}

async fn start(world: &World, person: &Person, flow: &str, inputs: Value) -> Value {
    let run = world.run(&person.login, flow, &inputs, None).await.unwrap();
    let run = run.expect_ok();
    world
        .settle(&person.login, run["run"].as_str().unwrap())
        .await
}

/// Connects an account for the flow that is refused, before any run needs it.
async fn ahead(world: &World, hostile: &Hostile, person: &mut Person, seen: &mut Vec<Page>) -> u16 {
    let slot = json!({"flow": "refused", "slot": "it"});
    let path = "/api/v1/me/connections";
    let page = world
        .ask(Method::POST, path, Some(&person.login), Some(&slot))
        .await;
    let page = page.expect_ok();
    sign_in(hostile, person, page["url"].as_str().unwrap(), seen).await;
    seen.last().unwrap().status
}

/// Refusals of every kind for one person: by the app with several statuses, by the token endpoint when a token is renewed because the app does
/// not take it, and when a code is redeemed.
async fn be_refused(
    world: &World,
    hostile: &Hostile,
    person: &mut Person,
    number: usize,
    seen: &mut Vec<Page>,
) {
    let status = [400, 403, 500][number % 3];
    let run = start(world, person, "refused", json!({"status": status})).await;
    sign_in(hostile, person, &crate::world::link(&run), seen).await;
    let run = world.end(&person.login, run["run"].as_str().unwrap()).await;
    assert_eq!(run["state"], "failed", "{status}: {run:#}");
    if number.is_multiple_of(2) {
        hostile.refuse_next([400, 500, 401, 403, 302][number / 2 % 5]);
    }
    let run = start(world, person, "refused", json!({"status": 401})).await;
    assert_ne!(run["state"], "succeeded", "{run:#}");
    hostile.refuse_next([500, 400, 401][number % 3]);
    assert!(ahead(world, hostile, person, seen).await >= 400);
}

/// Everything below a folder but the key, with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() && entry.file_name() != "key" {
            let bytes = std::fs::read(entry.path()).unwrap();
            found.push((entry.path().display().to_string(), bytes));
        }
    }
    found
}

/// What the API says to its operator, to a builder and to everybody.
async fn answers(world: &World, people: &[Person]) -> Vec<(String, Vec<u8>)> {
    let mut wanted: Vec<(String, Option<String>)> = [
        "runs?all=true&limit=200",
        "users",
        "me",
        "me/requests",
        "me/connections",
        "connections",
        "runtime-connections",
        "settings",
        "apps",
        "apps/hostile",
        "apps/hostile/clients",
        "flows",
        "flows/chatty",
        "flows/chatty/draft",
        "flows/chatty/versions",
        "flows/chatty/versions/1",
        "flows/chatty/versions/1/export",
        "flows/refused/accounts",
        "audit/verify",
    ]
    .iter()
    .map(|path| ((*path).to_owned(), None))
    .collect();
    let runs = world
        .ask(Method::GET, "/api/v1/runs?all=true&limit=200", None, None)
        .await
        .expect_ok();
    for run in runs["runs"].as_array().unwrap() {
        let (id, invoker) = (
            run["run"].as_str().unwrap(),
            run["invoker"].as_str().unwrap(),
        );
        for user in [None, Some(invoker.to_owned())] {
            wanted.push((format!("runs/{id}"), user.clone()));
            wanted.push((format!("runs/{id}/journal"), user));
        }
    }
    for person in people {
        for path in [
            "me",
            "me/requests",
            "me/connections",
            "runs",
            "flows/refused/accounts",
        ] {
            wanted.push((path.to_owned(), Some(person.login.clone())));
        }
    }
    let mut found = Vec::new();
    for (path, user) in wanted {
        let answer = world
            .ask(
                Method::GET,
                &format!("/api/v1/{path}"),
                user.as_deref(),
                None,
            )
            .await;
        let text = answer.body.to_string();
        assert!(answer.status < 500, "{path}: {text}");
        found.push((format!("{path} as {user:?}"), text.into_bytes()));
    }
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/audit?limit=200{cursor}");
        let page = world.ask(Method::GET, &path, None, None).await.expect_ok();
        found.push((path, page.to_string().into_bytes()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// What the command line says.
fn lines(world: &World) -> Vec<(String, Vec<u8>)> {
    let commands: [&[&str]; 9] = [
        &["runs", "list"],
        &["--as", "p0", "runs", "list", "--json"],
        &["--as", "p0", "requests"],
        &["--as", "p0", "connections", "list", "--mine"],
        &[
            "--as",
            "p1",
            "run",
            "refused",
            "-i",
            "status=400",
            "-v",
            "--no-browser",
        ],
        &["connections", "list"],
        &["apps", "list", "--json"],
        &["audit", "list"],
        &["settings", "--json"],
    ];
    commands
        .iter()
        .map(|args| {
            let said = world.actas(args);
            assert_ne!(said.code, Some(2), "{args:?}: {said}");
            (format!("actas {args:?}"), said.to_string().into_bytes())
        })
        .collect()
}

#[tokio::test]
async fn a_thousand_secrets_pass_through_every_answer_and_refusal_and_are_seen_nowhere() {
    let hostile = Hostile::start().await;
    let mut world = World::prepare(Kind::Sqlite);
    world.add_apps(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/product/apps"));
    world.allow(&hostile.url);
    let mut command = world.dress(process::command(
        env!("CARGO_BIN_EXE_actas"),
        world.home.path(),
    ));
    command.env("ACTAS_LOG", "trace");
    world.serve_as(command);
    world.until_ready().await;
    world.furnish().await;
    let settings = json!({"issuer": hostile.url});
    let secret = hostile.mint();
    world
        .configure("hostile", &settings, ("actas-there", &secret))
        .await;
    world.publish(&chatty()).await;
    world.publish(REFUSED).await;

    let (mut people, mut seen) = (Vec::new(), Vec::new());
    for number in 0..25 {
        let mut person = person(&world, &hostile, number, &mut seen).await;
        let word = json!({"word": person.name});
        let paused = start(&world, &person, "chatty", word).await;
        sign_in(
            &hostile,
            &mut person,
            &crate::world::link(&paused),
            &mut seen,
        )
        .await;
        people.push((person, paused["run"].as_str().unwrap().to_owned()));
    }
    let through = join_all(people.iter().map(|(person, run)| {
        let world = &world;
        async move {
            let first = world.end(&person.login, run).await;
            let again = start(world, person, "chatty", json!({"word": person.name})).await;
            [first, again]
        }
    }));
    for run in through.await.iter().flatten() {
        assert_eq!(run["state"], "succeeded", "{run:#}");
        assert_eq!(
            run["outputs"]["last"]["body"]["said"]
                .as_str()
                .unwrap()
                .get(..4),
            Some("no: ")
        );
    }
    let mut people: Vec<Person> = people.into_iter().map(|(person, _)| person).collect();
    for (number, person) in people.iter_mut().enumerate() {
        be_refused(&world, &hostile, person, number, &mut seen).await;
        let home = person.browser.open(&format!("{}/", world.url())).await;
        seen.push(home);
    }

    let mut places = answers(&world, &people).await;
    places.extend(lines(&world));
    places.extend(seen.iter().map(|page| {
        // Not the address: the provider wrote it.
        let text = format!("{:?} {}", page.headers, page.body);
        (format!("page {}", page.url.path()), text.into_bytes())
    }));
    places.extend(files(&world.data()));
    let log = world.server();
    places.push(("standard error".to_owned(), log.stderr().into_bytes()));
    places.push(("standard output".to_owned(), log.stdout().into_bytes()));

    let secrets = hostile.canaries();
    assert!(secrets.len() >= 1_000, "only {} secrets", secrets.len());
    let needles = Needles::of(&secrets);
    let found: Vec<String> = places
        .iter()
        .flat_map(|(place, bytes)| {
            let found = needles.found_in(bytes).into_iter().take(2);
            found.map(move |what| format!("{place}: {what}"))
        })
        .collect();
    assert!(
        found.is_empty(),
        "{} times:\n{}",
        found.len(),
        found[..found.len().min(12)].join("\n")
    );

    // The same search finds what is meant to be seen, in every kind of place.
    let names: Vec<String> = people.iter().map(|person| person.name.clone()).collect();
    let meant = Needles::of(&names);
    for kind in ["users as", "runs/", "page /", "/data/"] {
        let here = places.iter().filter(|(place, _)| place.contains(kind));
        let found = here.flat_map(|(_, bytes)| meant.found_in(bytes)).count();
        assert!(found > 0, "the search finds nothing in `{kind}`");
    }
    let log = &places[places.len() - 2].1;
    assert!(log.len() > 10_000, "the log says too little: {}", log.len());
}
