//! How many commits a run takes: each is a flush of the disk, and decides what a run costs. Only what a promise needs is committed.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use actas_connections::{Connections, ConnectionsConfig, KeySource};
use actas_core::StepError;
use actas_core::app::{self, Apps, Manifest, Native, NativeStep, Natives};
use actas_core::audit::Actor;
use actas_core::flow::{Entry, Flow, canonical, parse};
use actas_core::ids::{FlowId, UserId, VersionId, WorkerId, WorkspaceId};
use actas_core::run::{Ending, LEVEL, Person, Phase};
use actas_egress::{Egress, EgressConfig};
use actas_runner::{NewRun, Runner, RunnerConfig};
use actas_store::{
    Commit, FlowRow, ManifestRow, Op, Store, StoreConfig, VersionRow, Written, system,
};
use serde_json::{Value, json};

const APP: &str = "
app: toy
title: Toy
version: 1
modules:
  set: {title: Set, effect: pure, native: toy/set/1, input: {type: object}}
  look: {title: Look, effect: read, native: toy/set/1, input: {type: object}}
  touch: {title: Touch, effect: idempotent, native: toy/set/1, input: {type: object}}
  hit: {title: Hit, effect: at_most_once, native: toy/set/1, input: {type: object}}
";

struct Set;

impl Native for Set {
    fn start(&self, input: &Value) -> Result<NativeStep, StepError> {
        Ok(NativeStep::Output(input.clone()))
    }
}

/// Steps of one module, each named by the next, or not.
fn steps(module: &str, count: usize, chained: bool) -> String {
    let mut text = "flow: toy\ntrigger: {on_demand: {}}\nsteps:\n".to_owned();
    for step in 0..count {
        let input = match step {
            0 => "0".to_owned(),
            _ if !chained => step.to_string(),
            _ => format!("'{{{{ steps.s{}.n + 1 }}}}'", step - 1),
        };
        let needs = if chained { "" } else { "    needs: []\n" };
        text.push_str(&format!(
            "  s{step}:\n    uses: toy.{module}\n{needs}    with: {{n: {input}}}\n"
        ));
    }
    text
}

/// Commits and batches of one run of a flow, alone in its store.
async fn taken(text: &str) -> u64 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let config = StoreConfig {
        url: None,
        data: data.clone(),
    };
    let store = Store::open(&config).await.unwrap();
    let manifest: Arc<Manifest> = Arc::new(app::parse(APP).manifest.unwrap());
    let apps = Apps::new([manifest.clone()]);
    let parsed = parse(text, &apps);
    let flow: Flow = parsed.draft.unwrap_or_else(|| panic!("{text}")).flow;
    let (workspace, ana) = (
        WorkspaceId::from_bits(system::new_bits()),
        UserId::from_bits(system::new_bits()),
    );
    let version = put(&store, &workspace, &ana, &flow, &manifest).await;
    let egress = Egress::new(EgressConfig::default()).unwrap();
    let worker = WorkerId::from_bits(system::new_bits());
    let config = ConnectionsConfig {
        key: KeySource::EmbeddedFile(data.join("key")),
        public_url: "http://localhost:1".parse().unwrap(),
        worker: worker.clone(),
        apps,
    };
    let connections = Connections::open(store.clone(), egress.clone(), config)
        .await
        .unwrap();
    let config = RunnerConfig {
        worker,
        lease: Duration::from_secs(30),
        woken_at_once: 100,
        mail: None,
    };
    let natives = Natives::new([("toy/set/1", Arc::new(Set) as Arc<dyn Native>)]);
    let runner = Runner::start(store.clone(), connections, egress, natives, config);
    let before = store.written();
    let new = NewRun {
        workspace: workspace.clone(),
        version,
        invoker: Some(Person {
            id: ana,
            login: "ana".into(),
            name: "Ana".into(),
            email: None,
            manager: None,
            roles: Vec::new(),
        }),
        actor: Actor::Engine,
        entry: Entry::Cli,
        inputs: json!({}),
        idempotency: None,
        ip: None,
        agent: None,
    };
    let run = runner.create(new).await.unwrap().run;
    let patience = Duration::from_secs(60);
    let run = runner.settled(&workspace, &run, patience).await.unwrap();
    let phase = run.unwrap().phase.clone();
    let ended_well = matches!(&phase, Phase::Ended { ending, .. } if *ending == Ending::Succeeded);
    assert!(ended_well, "{phase:?}");
    let Written { commits, .. } = store.written();
    commits - before.commits
}

async fn put(
    store: &Store,
    workspace: &WorkspaceId,
    ana: &UserId,
    flow: &Flow,
    manifest: &Manifest,
) -> VersionId {
    let now = system::now();
    let row = FlowRow {
        id: FlowId::from_bits(system::new_bits()),
        name: flow.flow.clone(),
        title: None,
        stopped: None,
        last_version: 0,
        runners: vec!["everyone".into()],
        created_by: ana.clone(),
        created_at: now,
    };
    let version = VersionRow {
        id: VersionId::from_bits(system::new_bits()),
        flow: row.id.clone(),
        number: 1,
        document: canonical(flow),
        digest: "sha256:test".into(),
        bindings: json!({"slots": {}}).to_string(),
        manifests: json!({"toy": manifest.digest}).to_string(),
        level: LEVEL,
        created_by: ana.clone(),
        created_at: now,
    };
    let kept = ManifestRow {
        digest: manifest.digest.clone(),
        app: manifest.app.clone(),
        document: manifest.document.clone(),
    };
    let id = version.id.clone();
    let of = || workspace.clone();
    let ops = vec![
        Op::AddFlow {
            workspace: of(),
            flow: row,
        },
        Op::KeepManifest {
            workspace: of(),
            manifest: kept,
        },
        Op::AddVersion {
            workspace: of(),
            version,
        },
    ];
    let commit = Commit {
        ops,
        audit: Vec::new(),
    };
    store.commit(commit).await.unwrap();
    id
}

#[tokio::test]
async fn a_run_of_pure_steps_takes_one_commit() {
    assert_eq!(taken(&steps("set", 5, true)).await, 1);
    assert_eq!(taken(&steps("set", 50, false)).await, 1);
}

#[tokio::test]
async fn reads_are_based_on_the_created_run_alone() {
    assert_eq!(taken(&steps("look", 1, true)).await, 2);
}

#[tokio::test]
async fn five_effects_in_a_row_take_six_commits() {
    // What each is based on must be durable before it begins: the creation, then four results; the fifth goes with the end.
    assert_eq!(taken(&steps("touch", 5, true)).await, 6);
}

#[tokio::test]
async fn effects_that_begin_together_share_a_commit() {
    // Their results come one by one: at least one commit for the creation, at most one for each result, the last with the end.
    let commits = taken(&steps("touch", 5, false)).await;
    assert!((2..=6).contains(&commits), "{commits}");
}

#[tokio::test]
async fn the_start_of_what_may_happen_only_once_is_written_with_what_it_is_based_on() {
    assert_eq!(taken(&steps("hit", 5, true)).await, 6);
}

#[tokio::test]
async fn loops_and_choices_of_pure_steps_take_one_commit_too() {
    let each = "
flow: toy
trigger: {on_demand: {}}
steps:
  each:
    for_each: '{{ range(200) }}'
    parallel: 8
    steps:
      a: {uses: toy.set, with: {n: '{{ item }}'}}
      b: {uses: toy.set, with: {n: '{{ steps.a.n + 1 }}'}}
      c: {uses: toy.set, with: {n: '{{ steps.b.n + 1 }}'}}
      d: {uses: toy.set, with: {n: '{{ steps.c.n + 1 }}'}}
      e: {uses: toy.set, with: {n: '{{ steps.d.n + 1 }}'}}
  poll:
    until: 'index == 20'
    max_rounds: 30
    steps: {a: {uses: toy.set, with: {n: '{{ index }}'}}}
  route:
    switch: '{{ steps.poll.rounds }}'
    cases: {'20': {steps: {a: {uses: toy.set, with: {n: 1}}}}}
";
    assert_eq!(taken(each).await, 1);
}
