//! Stores for tests, and rows to put into them. Every test of the store runs on SQLite and on PostgreSQL.
#![expect(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use std::time::Duration;

use actas_core::Time;
use actas_core::audit::{Actor, Draft, Object};
use actas_core::ids::*;
use actas_core::run::ConnectionKind;
use actas_store::*;
use tempfile::TempDir;

/// What a store lives in; it goes when this goes.
pub struct Place {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    /// How to open it.
    pub config: StoreConfig,
    _dir: TempDir,
}

impl Place {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            url: None,
            data: dir.path().join("data"),
        };
        Self {
            kind: "sqlite",
            config,
            _dir: dir,
        }
    }

    pub fn postgres() -> Option<Self> {
        let mut place = Self::sqlite();
        place.config.url = Some(actas_test_support::postgres::database()?);
        place.kind = "postgres";
        Some(place)
    }

    pub async fn open(&self) -> Store {
        // A process that another test is just starting holds our lock file from its fork to its exec.
        for _ in 0..100 {
            match Store::open(&self.config).await {
                Err(actas_store::StoreError::InUse(_)) => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                opened => return opened.unwrap(),
            }
        }
        panic!("the data directory stays in use");
    }
}

/// The places a test runs on.
pub fn places() -> Vec<Place> {
    let mut places = vec![Place::sqlite()];
    places.extend(Place::postgres());
    places
}

pub fn id<T>(make: fn(u128) -> T) -> T {
    make(system::new_bits())
}

pub fn ws() -> WorkspaceId {
    id(WorkspaceId::from_bits)
}

pub fn ops(ops: Vec<Op>) -> Commit {
    Commit {
        ops,
        audit: Vec::new(),
    }
}

pub fn is_conflict<T>(result: Result<T, CommitError>, name: &str) -> bool {
    matches!(result, Err(CommitError::Conflict { op, .. }) if op == name)
}

pub fn user(login: &str) -> UserRow {
    UserRow {
        id: id(UserId::from_bits),
        login: login.to_owned(),
        name: format!("{login} of the house"),
        email: Some(format!("{login}@example.com")),
        manager: None,
        password_hash: None,
        local: true,
        roles: vec!["builder".to_owned(), "runner".to_owned()],
        disabled: false,
        created_at: Time(1),
    }
}

pub fn flow(name: &str) -> FlowRow {
    FlowRow {
        id: id(FlowId::from_bits),
        name: name.parse().unwrap(),
        title: None,
        stopped: None,
        last_version: 0,
        runners: vec!["everyone".to_owned()],
        created_by: id(UserId::from_bits),
        created_at: Time(2),
    }
}

pub fn connection(kind: ConnectionKind, name: Option<&str>) -> ConnectionRow {
    ConnectionRow {
        id: id(ConnectionId::from_bits),
        kind,
        owner: id(UserId::from_bits),
        name: name.map(|name| name.parse().unwrap()),
        app: "sandbox_crm".parse().unwrap(),
        client: id(ClientId::from_bits),
        parent: None,
        made_for: Some((id(FlowId::from_bits), "crm".parse().unwrap())),
        subject: "sub-1".to_owned(),
        account: "ana@crm".to_owned(),
        scopes: vec!["read".to_owned()],
        facts: "{}".to_owned(),
        state: ConnectionState::Connected,
        token_version: 1,
        expires_at: Some(Time(99)),
        refreshing: None,
        only_run: None,
        created_at: Time(3),
        last_used_at: None,
        scheme: actas_core::run::Scheme::Oauth2,
    }
}

pub fn run(workspace: &WorkspaceId, worker: &WorkerId) -> RunRow {
    RunRow {
        id: id(RunId::from_bits),
        workspace: workspace.clone(),
        flow: id(FlowId::from_bits),
        version: id(VersionId::from_bits),
        level: 1,
        invoker: Some(id(UserId::from_bits)),
        parent: None,
        retry_of: None,
        entry: "api".to_owned(),
        state: "running".to_owned(),
        created_at: system::now(),
        ended_at: None,
        due_at: None,
        epoch: 1,
        owner: Some(worker.clone()),
        lease_until: Some(system::now().after(Duration::from_secs(3600))),
    }
}

pub fn journal(run: &RunId, seq: i64) -> JournalRow {
    JournalRow {
        run: run.clone(),
        seq,
        kind: "run_created".to_owned(),
        v: 1,
        at: Time(5),
        body: format!("{{\"events\":[],\"seq\":{seq}}}"),
    }
}

pub fn add_run(run: &RunRow) -> Op {
    Op::AddRun {
        run: run.clone(),
        journal: journal(&run.id, 1),
        idempotency: None,
    }
}

/// The next row of a journal: held on, given up, or ended.
pub fn append(run: &RunRow, epoch: i64, seq: i64, state: &str, release: bool) -> Op {
    let ended = matches!(state, "succeeded" | "failed" | "cancelled");
    Op::Append {
        workspace: run.workspace.clone(),
        epoch,
        journal: journal(&run.id, seq),
        state: state.to_owned(),
        due_at: None,
        ended_at: ended.then_some(Time(77)),
        release,
    }
}

pub fn message(run: &RunRow) -> InboxRow {
    InboxRow {
        id: id(InboxId::from_bits),
        run: run.id.clone(),
        message: InboxMessage::Cancel {
            by: run.invoker.clone(),
        },
        at: Time(6),
    }
}

pub fn attempt(hash: &str) -> AttemptRow {
    AttemptRow {
        state_hash: hash.to_owned(),
        sign_in: None,
        reconnect: Some(id(ConnectionId::from_bits)),
        target: None,
        user: id(UserId::from_bits),
        session_hash: "aa".to_owned(),
        client: id(ClientId::from_bits),
        sealed: vec![0, 1, 255],
        created_at: Time(10),
        expires_at: Time(1000),
        used_at: None,
    }
}

pub fn draft(workspace: &WorkspaceId, action: &str) -> Draft {
    Draft {
        workspace: workspace.clone(),
        at: Time(8),
        actor: Actor::User {
            id: id(UserId::from_bits),
            login: "ana".to_owned(),
        },
        person: None,
        connection: None,
        account: None,
        rule: None,
        record: None,
        entry: "api".to_owned(),
        action: action.to_owned(),
        object: Object {
            kind: "run".to_owned(),
            id: "run_x".to_owned(),
            version: None,
        },
        flow: None,
        run: None,
        step: None,
        outcome: "ok".to_owned(),
        reason: None,
        ip: Some("127.0.0.1".to_owned()),
        agent: None,
    }
}
