//! A thousand connections whose tokens run out at once, wanted by many tasks of several processes, at a provider that ends a family when a
//! refresh token comes twice: it is asked once for each, and no family is lost.

use std::net::SocketAddr;
use std::process::{Child, Stdio};

use serde::{Deserialize, Serialize};

use super::*;

const PROCESSES: usize = 4;
const TASKS: usize = 16;
const CONNECTIONS: usize = 1000;
/// The first connections are wanted by every task, the others by so many.
const HOT: usize = 8;
const WANTED_BY: usize = 4;

/// What one of the processes is told, by this variable.
const TOLD: &str = "ACTAS_TEST_STORM";

#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// Which process it is.
    number: usize,
    url: String,
    folder: std::path::PathBuf,
    provider: SocketAddr,
    workspace: WorkspaceId,
    person: UserId,
}

/// Connections with tokens that ran out, and their families at the provider.
async fn families(bench: &Bench) {
    let mut ops = Vec::new();
    for number in 0..CONNECTIONS {
        let account = format!("account-{number:04}");
        let (access, refresh) = (
            format!("old-access-{number}"),
            format!("old-refresh-{number}"),
        );
        let row = ConnectionRow {
            expires_at: Some(Time(1)),
            ..row(bench, &account)
        };
        let given = [("access_token", access), ("refresh_token", refresh.clone())]
            .map(|(field, secret)| (field.to_owned(), Secret::new(secret)));
        bench.provider.book().refresh.insert(refresh, account);
        let secrets = bench
            .connections
            .put_secrets(&bench.workspace, &row, &given);
        ops.push(Op::AddConnection {
            workspace: bench.workspace.clone(),
            connection: row,
        });
        ops.extend(
            secrets
                .into_iter()
                .filter(|op| matches!(op, Op::PutSecret { .. })),
        );
    }
    bench.commit(ops).await;
}

pub fn row(bench: &Bench, account: &str) -> ConnectionRow {
    ConnectionRow {
        id: bits(ConnectionId::from_bits),
        kind: actas_core::run::ConnectionKind::Personal,
        owner: bench.ana.id.clone(),
        name: None,
        app: bench.manifest.app.clone(),
        client: bench.client.id.clone(),
        parent: None,
        scheme: actas_core::run::Scheme::Oauth2,
        made_for: Some((bench.flow.clone(), SLOT.parse().unwrap())),
        subject: account.to_owned(),
        account: account.to_owned(),
        scopes: vec!["read".to_owned()],
        facts: bench.client.settings.clone(),
        state: ConnectionState::Connected,
        token_version: 1,
        expires_at: None,
        refreshing: None,
        only_run: None,
        created_at: Time(1),
        last_used_at: Some(Time(i64::MAX)),
    }
}

/// Every task of one process wants its connections, each in another order; gives how many uses there were.
async fn want(
    connections: &Connections,
    reader: &Reader,
    manifest: &Arc<Manifest>,
    person: &UserId,
    tasks: std::ops::Range<usize>,
) -> usize {
    let mut rows = reader.personal_connections(Some(person)).await.unwrap();
    rows.sort_by(|a, b| a.subject.cmp(&b.subject));
    assert_eq!(rows.len(), CONNECTIONS);
    let all: Arc<Vec<ConnectionId>> = Arc::new(rows.into_iter().map(|row| row.id).collect());
    let run = bits(RunId::from_bits);
    let uses = tasks.map(|task| {
        let (connections, all, run) = (connections.clone(), all.clone(), run.clone());
        let (manifest, person, workspace) =
            (manifest.clone(), person.clone(), reader.workspace().clone());
        tokio::spawn(async move {
            let mut uses = 0;
            for step in 0..CONNECTIONS {
                // All tasks go through the same list, so that they meet; some of them backwards.
                let at = if task % 5 == 4 {
                    CONNECTIONS - 1 - step
                } else {
                    step
                };
                let stride = PROCESSES * TASKS / WANTED_BY;
                if at >= HOT && (at + task) % stride != 0 {
                    continue;
                }
                let using = Use {
                    workspace: workspace.clone(),
                    connection: all[at].clone(),
                    person: Some(person.clone()),
                    rule: Rule::Invoker,
                    manifest: manifest.clone(),
                    run: run.clone(),
                };
                let usable = connections.credential(&using).await.unwrap();
                assert_eq!(usable.token_version, 2);
                uses += 1;
            }
            uses
        })
    });
    let uses = futures::future::join_all(uses).await;
    uses.into_iter().map(Result::unwrap).sum()
}

/// Asked once for each, no family ended, and each connection has its new tokens.
async fn once_each(bench: &Bench) {
    assert_eq!(bench.provider.token_requests(), CONNECTIONS);
    assert_eq!(bench.provider.book().killed, 0);
    let rows = bench.reader().personal_connections(None).await.unwrap();
    assert_eq!(rows.len(), CONNECTIONS);
    for row in rows {
        assert_eq!(
            (row.state, row.token_version, row.refreshing),
            (ConnectionState::Connected, 2, None)
        );
    }
    assert!(!bench.audited("connection.refresh_failed", None).await);
}

/// One of the processes of the test below.
async fn one_process(told: Told) {
    let _ = rustls_provider();
    let provider = Provider::elsewhere(told.provider);
    let manifest = manifest(&provider, &|text| text);
    let store = Store::open(&StoreConfig {
        url: Some(told.url),
        data: told.folder.join("data"),
    })
    .await
    .unwrap();
    let key = KeySource::File(told.folder.join("vault.key"));
    let patience = Duration::from_secs(30);
    let connections = open_as(&store, &provider, &manifest, key, patience)
        .await
        .unwrap();
    let reader = store.reader(&told.workspace);
    let tasks = told.number * TASKS..(told.number + 1) * TASKS;
    let uses = want(&connections, &reader, &manifest, &told.person, tasks).await;
    assert!(uses >= TASKS * HOT);
}

/// Starts this test once more, as one of its processes.
fn start(told: &Told) -> Child {
    let name = "tests::storm::sixty_four_tasks_of_four_processes_make_one_refresh_for_each_of_a_thousand_connections";
    let program = std::env::current_exe().unwrap();
    let mut command = actas_test_support::children::bound_to_us(program);
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(TOLD, serde_json::to_string(told).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    actas_test_support::children::spawn(command).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_of_four_processes_make_one_refresh_for_each_of_a_thousand_connections() {
    if let Ok(told) = std::env::var(TOLD) {
        return one_process(serde_json::from_str(&told).unwrap()).await;
    }
    let Some(url) = actas_test_support::postgres::database() else {
        return;
    };
    let bench = Bench::on(Some(url.clone()), &|text| text).await;
    families(&bench).await;
    let children: Vec<Child> = (0..PROCESSES)
        .map(|number| {
            start(&Told {
                number,
                url: url.clone(),
                folder: bench.folder.path().to_owned(),
                provider: bench.provider.address,
                workspace: bench.workspace.clone(),
                person: bench.ana.id.clone(),
            })
        })
        .collect();
    for child in children {
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let ended = ended.await.unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }
    once_each(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_on_the_embedded_store_make_one_refresh_for_each_of_a_thousand_connections()
 {
    let bench = Bench::new().await;
    families(&bench).await;
    let tasks = 0..PROCESSES * TASKS;
    let (connections, reader) = (&bench.connections, bench.reader());
    let uses = want(connections, &reader, &bench.manifest, &bench.ana.id, tasks).await;
    assert!(uses >= (CONNECTIONS - HOT) * WANTED_BY);
    once_each(&bench).await;
}
