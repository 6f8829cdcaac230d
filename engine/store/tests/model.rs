//! Random operations on the model, SQLite and PostgreSQL: the same answers, the same reads, the same rows in the end.
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actas_core::Time;
use actas_core::audit::Verifier;
use actas_core::ids::*;
use actas_core::run::{AskReason, ConnectionKind, Rule};
use actas_store::*;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::{Place, draft, journal};

/// Numbers that an act is made of.
#[derive(Clone)]
struct Dice([u8; 10], usize);

impl Dice {
    fn roll(&mut self, sides: u8) -> u8 {
        self.1 = (self.1 + 1) % self.0.len();
        self.0[self.1] % sides
    }

    fn id<T>(&mut self, make: fn(u128) -> T) -> T {
        make(u128::from(self.roll(3)) + 1)
    }

    /// A run of that workspace: no two of them ever share an id.
    fn run(&mut self, other: bool) -> RunId {
        RunId::from_bits(u128::from(self.roll(3)) + 1 + if other { 10 } else { 0 })
    }

    fn coin(&mut self) -> bool {
        self.roll(2) == 0
    }

    fn word(&mut self) -> String {
        ["one", "two", "three"][usize::from(self.roll(3))].to_owned()
    }

    fn time(&mut self) -> Time {
        Time(i64::from(self.roll(4)) * 10)
    }
}

/// Every kind of operation, by number.
const KINDS: u8 = 51;

async fn op(dice: &mut Dice, model: &Store) -> Op {
    let other = dice.roll(5) == 0;
    let workspace = WorkspaceId::from_bits(u128::from(other));
    let reader = model.reader(&workspace);
    match dice.roll(KINDS) {
        0 => Op::AddWorkspace {
            workspace,
            name: dice.word(),
            at: dice.time(),
        },
        kind @ (1 | 2) => {
            let user = UserRow {
                id: dice.id(UserId::from_bits),
                disabled: dice.coin(),
                ..support::user(&dice.word())
            };
            if kind == 1 {
                Op::AddUser { workspace, user }
            } else {
                Op::ChangeUser { workspace, user }
            }
        }
        3 => Op::AddSession(SessionRow {
            hash: dice.word(),
            workspace,
            user: dice.id(UserId::from_bits),
            created_at: Time(0),
            expires_at: dice.time(),
        }),
        4 => Op::EndSession { hash: dice.word() },
        5 => Op::AddLoginLink(LoginLinkRow {
            hash: dice.word(),
            workspace,
            user: dice.id(UserId::from_bits),
            expires_at: dice.time(),
        }),
        6 => Op::UseLoginLink {
            hash: dice.word(),
            now: dice.time(),
        },
        7 => Op::AddToken(TokenRow {
            hash: dice.word(),
            workspace,
            user: dice.id(UserId::from_bits),
            name: "t".to_owned(),
            created_at: Time(0),
            expires_at: dice.time(),
        }),
        8 => Op::RevokeToken {
            workspace,
            hash: dice.word(),
        },
        kind @ (9 | 10) => {
            let flow = FlowRow {
                id: dice.id(FlowId::from_bits),
                title: dice.coin().then(|| dice.word()),
                stopped: dice.coin().then(|| dice.word()),
                created_by: dice.id(UserId::from_bits),
                ..support::flow(&dice.word())
            };
            if kind == 9 {
                Op::AddFlow { workspace, flow }
            } else {
                Op::ChangeFlow { workspace, flow }
            }
        }
        11 => Op::PutDraft {
            workspace,
            draft: DraftRow {
                flow: dice.id(FlowId::from_bits),
                text: dice.word(),
                revision: u32::from(dice.roll(3)) + 1,
                updated_by: dice.id(UserId::from_bits),
                updated_at: dice.time(),
            },
        },
        12 => Op::PutBuildValue {
            workspace,
            value: BuildValueRow {
                flow: dice.id(FlowId::from_bits),
                slot: dice.word().parse().unwrap(),
                user: dice.id(UserId::from_bits),
                written: dice.word(),
                connection: dice.coin().then(|| dice.id(ConnectionId::from_bits)),
            },
        },
        13 => Op::DropBuildValues {
            workspace,
            flow: dice.id(FlowId::from_bits),
            user: dice.coin().then(|| dice.id(UserId::from_bits)),
        },
        14 => Op::AddVersion {
            workspace,
            version: VersionRow {
                id: VersionId::from_bits(u128::from(dice.roll(20))),
                flow: dice.id(FlowId::from_bits),
                number: u32::from(dice.roll(3)),
                document: "{}".to_owned(),
                digest: dice.word(),
                bindings: "{}".to_owned(),
                manifests: "{}".to_owned(),
                level: 1,
                created_by: dice.id(UserId::from_bits),
                created_at: dice.time(),
            },
        },
        15 => Op::KeepManifest {
            workspace,
            manifest: ManifestRow {
                digest: dice.word(),
                app: dice.word().parse().unwrap(),
                document: dice.word(),
            },
        },
        kind @ (16 | 17) => {
            let client = ClientRow {
                id: dice.id(ClientId::from_bits),
                app: "crm".parse().unwrap(),
                name: dice.word().parse().unwrap(),
                oauth_client_id: dice.word(),
                settings: "{}".to_owned(),
                is_default: dice.coin(),
                created_at: Time(1),
            };
            if kind == 16 {
                Op::AddClient { workspace, client }
            } else {
                Op::ChangeClient { workspace, client }
            }
        }
        kind @ (18 | 19) => {
            let shared = dice.coin();
            let name = dice.word();
            let kind_of = if shared {
                ConnectionKind::Shared
            } else {
                ConnectionKind::Personal
            };
            let connection = ConnectionRow {
                id: dice.id(ConnectionId::from_bits),
                owner: UserId::from_bits(1),
                client: dice.id(ClientId::from_bits),
                made_for: None,
                only_run: dice.coin().then(|| dice.run(other)),
                token_version: i64::from(dice.roll(3)),
                refreshing: None,
                ..support::connection(kind_of, shared.then_some(name.as_str()))
            };
            if kind == 18 {
                Op::AddConnection {
                    workspace,
                    connection,
                }
            } else {
                Op::ChangeConnection {
                    workspace,
                    connection,
                    expect: i64::from(dice.roll(3)),
                }
            }
        }
        20 => Op::LeaseRefresh {
            workspace,
            connection: dice.id(ConnectionId::from_bits),
            worker: dice.id(WorkerId::from_bits),
            until: dice.time(),
            now: dice.time(),
            expect: i64::from(dice.roll(3)),
        },
        21 => Op::ReleaseRefresh {
            workspace,
            connection: dice.id(ConnectionId::from_bits),
            worker: dice.id(WorkerId::from_bits),
        },
        22 => Op::TouchConnection {
            workspace,
            connection: dice.id(ConnectionId::from_bits),
            at: dice.time(),
        },
        23 => Op::DeleteConnection {
            workspace,
            connection: dice.id(ConnectionId::from_bits),
        },
        24 => Op::PutSecret {
            workspace,
            secret: SecretRow {
                owner: owner(dice),
                field: dice.word(),
                version: i64::from(dice.roll(3)),
                kek_id: "kek".to_owned(),
                wrapped: vec![dice.roll(255)],
                sealed: vec![0, 255],
            },
        },
        25 => Op::DropSecrets {
            workspace,
            owner: owner(dice),
        },
        26 => Op::PutGrant {
            workspace,
            grant: GrantRow {
                user: dice.id(UserId::from_bits),
                flow: dice.id(FlowId::from_bits),
                slot: dice.word().parse().unwrap(),
                connection: dice.id(ConnectionId::from_bits),
                surface: dice.word(),
                at: dice.time(),
            },
        },
        27 => Op::SetKeyCheck {
            kek_id: dice.word(),
            check: vec![dice.roll(255)],
        },
        28 => Op::AddSignIn {
            workspace,
            sign_in: SignInRow {
                id: dice.id(SignInId::from_bits),
                run: dice.run(other),
                flow: dice.id(FlowId::from_bits),
                version: dice.id(VersionId::from_bits),
                slot: dice.word().parse().unwrap(),
                person: dice.id(UserId::from_bits),
                app: "crm".parse().unwrap(),
                client: dice.id(ClientId::from_bits),
                parent: dice.coin().then(|| dice.id(ConnectionId::from_bits)),
                reason: AskReason::Consent,
                connection: None,
                surface: "{}".to_owned(),
                rule: Rule::BuildTime,
                state: sign_in_state(dice),
                created_at: Time(1),
                until: Time(2),
            },
        },
        29 => Op::MoveSignIn {
            workspace,
            sign_in: dice.id(SignInId::from_bits),
            from: vec![sign_in_state(dice), sign_in_state(dice)],
            to: sign_in_state(dice),
        },
        30 => Op::CloseSignIns {
            workspace,
            run: dice.run(other),
            slot: dice.coin().then(|| dice.word().parse().unwrap()),
        },
        31 => Op::AddAttempt {
            workspace,
            attempt: AttemptRow {
                sign_in: dice.coin().then(|| dice.id(SignInId::from_bits)),
                expires_at: dice.time(),
                ..support::attempt(&dice.word())
            },
        },
        32 => Op::UseAttempt {
            workspace,
            state_hash: dice.word(),
            now: dice.time(),
        },
        33 => add_run(dice, workspace, other),
        34 => {
            let run = dice.run(other);
            // Mostly what fits, sometimes what does not.
            let known = reader.run(&run).await.unwrap();
            let last = reader.journal(&run).await.unwrap().len();
            let off = |dice: &mut Dice| i64::from(dice.roll(6) == 0);
            let state = state(dice);
            let mut row = journal(&run, i64::try_from(last).unwrap() + 1 + off(dice));
            if dice.roll(4) == 0 {
                row.body = format!("{{\"long\":\"{}\"}}", dice.word().repeat(8000));
            }
            Op::Append {
                workspace,
                epoch: known.map_or(1, |run| run.epoch) - off(dice),
                journal: row,
                state: state.to_owned(),
                due_at: [None, Some(Time(1)), Some(Time(i64::MAX))][usize::from(dice.roll(3))],
                ended_at: ended(state),
                release: dice.coin(),
            }
        }
        35 => Op::Release {
            workspace,
            run: dice.run(other),
            epoch: i64::from(dice.roll(3)) + 1,
        },
        36 => Op::PutInbox {
            workspace,
            inbox: inbox(dice, other),
        },
        37 => Op::SetPassword {
            workspace,
            user: dice.id(UserId::from_bits),
            password_hash: dice.word(),
        },
        38 => Op::TellRun {
            workspace,
            inbox: inbox(dice, other),
        },
        39 => Op::AddRequest {
            workspace,
            request: RequestRow {
                id: dice.id(RequestId::from_bits),
                run: dice.run(other),
                flow: dice.id(FlowId::from_bits),
                step: step(dice),
                kind: if dice.coin() {
                    RequestKind::Approval
                } else {
                    RequestKind::Decision
                },
                who: vec![dice.word(), "role:admin".to_owned()],
                not_by: dice.coin().then(|| dice.id(UserId::from_bits)),
                title: dice.word(),
                detail: "{}".to_owned(),
                state: if dice.roll(8) == 0 {
                    RequestState::Closed
                } else {
                    RequestState::Open
                },
                created_at: Time(1),
                until: dice.time(),
                decided_by: None,
                decided_at: None,
            },
        },
        40 => Op::DecideRequest {
            workspace,
            request: dice.id(RequestId::from_bits),
            by: dice.id(UserId::from_bits),
            now: dice.time(),
        },
        41 => Op::CloseRequests {
            workspace,
            run: dice.run(other),
            step: dice.coin().then(|| step(dice)),
        },
        42 => Op::UseCallback {
            workspace,
            run: dice.run(other),
            step: step(dice),
        },
        43 => Op::PutVar {
            workspace,
            var: VarRow {
                name: dice.word().parse().unwrap(),
                value: format!("\"{}\"", dice.word()),
                updated_by: dice.id(UserId::from_bits),
                updated_at: dice.time(),
            },
        },
        44 => Op::DeleteVar {
            workspace,
            name: dice.word().parse().unwrap(),
        },
        45 => Op::PutNamedSecret {
            workspace,
            secret: NamedSecretRow {
                name: dice.word().parse().unwrap(),
                created_by: dice.id(UserId::from_bits),
                created_at: dice.time(),
                rotated_at: dice.coin().then(|| dice.time()),
            },
        },
        46 => Op::DeleteNamedSecret {
            workspace,
            name: dice.word().parse().unwrap(),
        },
        47 => Op::PutTrigger(TriggerRow {
            flow: dice.id(FlowId::from_bits),
            workspace,
            version: dice.id(VersionId::from_bits),
            kind: if dice.coin() {
                TriggerKind::Schedule
            } else {
                TriggerKind::Webhook
            },
            hook: dice.coin().then(|| dice.id(HookId::from_bits)),
            spec: dice.word(),
            next_at: dice.coin().then(|| dice.time()),
            last_at: dice.coin().then(|| dice.time()),
        }),
        48 => Op::DropTrigger {
            workspace,
            flow: dice.id(FlowId::from_bits),
        },
        49 => {
            let flow = dice.id(FlowId::from_bits);
            // Mostly the instant that stands there.
            let known = reader.trigger(&flow).await.unwrap();
            let due = known
                .and_then(|row| row.next_at)
                .filter(|_| dice.roll(4) > 0);
            Op::FireTrigger {
                workspace,
                flow,
                slot: due.unwrap_or_else(|| dice.time()),
                next_at: dice.coin().then(|| dice.time()),
            }
        }
        _ => Op::TakeInbox {
            workspace,
            inbox: InboxId::from_bits(u128::from(dice.roll(6))),
        },
    }
}

fn owner(dice: &mut Dice) -> String {
    if dice.coin() {
        NamedSecretRow::owner(&dice.word().parse().unwrap())
    } else {
        dice.id(ConnectionId::from_bits).to_string()
    }
}

fn step(dice: &mut Dice) -> StepPath {
    ["one", "two", "lines[37]/add"][usize::from(dice.roll(3))]
        .parse()
        .unwrap()
}

fn inbox(dice: &mut Dice, other: bool) -> InboxRow {
    let id = InboxId::from_bits(u128::from(dice.roll(6)));
    let run = dice.run(other);
    let message = match dice.roll(3) {
        0 => InboxMessage::SignedIn {
            slot: dice.word().parse().unwrap(),
        },
        1 => InboxMessage::CalledBack {
            step: step(dice),
            payload: serde_json::json!({"word": dice.word()}),
        },
        _ => InboxMessage::ChildEnded {
            step: step(dice),
            child: dice.run(other),
        },
    };
    InboxRow {
        id,
        run,
        message,
        at: dice.time(),
    }
}

fn sign_in_state(dice: &mut Dice) -> SignInState {
    [
        SignInState::Open,
        SignInState::Declined,
        SignInState::Done,
        SignInState::Closed,
    ][usize::from(dice.roll(4))]
}

fn state(dice: &mut Dice) -> &'static str {
    ["running", "waiting", "paused", "running", "succeeded"][usize::from(dice.roll(5))]
}

fn ended(state: &str) -> Option<Time> {
    (state == "succeeded").then_some(Time(9))
}

fn add_run(dice: &mut Dice, workspace: WorkspaceId, other: bool) -> Op {
    let worker = dice.id(WorkerId::from_bits);
    let state = state(dice);
    let run = RunRow {
        id: dice.run(other),
        flow: dice.id(FlowId::from_bits),
        version: dice.id(VersionId::from_bits),
        invoker: dice.coin().then(|| dice.id(UserId::from_bits)),
        parent: dice.coin().then(|| (dice.run(other), step(dice))),
        retry_of: dice.coin().then(|| dice.run(other)),
        level: u32::from(dice.roll(2)) + 1,
        state: state.to_owned(),
        created_at: dice.time(),
        ended_at: ended(state),
        ..support::run(&workspace, &worker)
    };
    let kept = IdempotencyRow {
        user: dice.id(UserId::from_bits),
        flow: run.flow.clone(),
        key: "key".to_owned(),
        body_digest: dice.word(),
        run: run.id.clone(),
        expires_at: dice.time(),
    };
    Op::AddRun {
        journal: journal(&run.id, 1),
        idempotency: dice.coin().then_some(kept),
        run,
    }
}

/// One act and what came of it, as text.
async fn act(store: &Store, dice: &mut Dice, ops: &[Op]) -> String {
    let lease = |dice: &mut Dice| Duration::from_secs(u64::from(dice.roll(2)) * 3600);
    match dice.roll(8) {
        0 => {
            let (worker, level) = (dice.id(WorkerId::from_bits), u32::from(dice.roll(2)) + 1);
            let (lease, limit) = (lease(dice), u32::from(dice.roll(3)) + 1);
            let claimed = store.claim(&worker, level, lease, limit).await.unwrap();
            let of = |claimed: &Claimed| {
                let run = &claimed.run;
                format!(
                    "{} {} {:?} {:?} {:?}",
                    run.id, run.epoch, run.owner, claimed.journal, claimed.inbox
                )
            };
            claimed.iter().map(of).collect::<Vec<_>>().join("\n")
        }
        1 => {
            let worker = dice.id(WorkerId::from_bits);
            let runs = [dice.id(RunId::from_bits), dice.id(RunId::from_bits)];
            store.renew(&worker, &runs, lease(dice)).await.unwrap();
            String::new()
        }
        _ => {
            let audit = match (dice.roll(3), ops.first()) {
                (0, _) => Vec::new(),
                (some, _) => (0..some)
                    .map(|n| {
                        let mut draft = draft(&WorkspaceId::from_bits(u128::from(n)), "act");
                        draft.actor = actas_core::audit::Actor::User {
                            id: dice.clone().id(UserId::from_bits),
                            login: "ana".to_owned(),
                        };
                        draft.run = Some(RunId::from_bits(1));
                        draft
                    })
                    .collect(),
            };
            let ops = ops.to_vec();
            match store.commit(Commit { ops, audit }).await {
                Ok(()) => "ok".to_owned(),
                Err(CommitError::Conflict { op, .. }) => format!("refused: {op}"),
                Err(other) => format!("failed: {other}"),
            }
        }
    }
}

/// Every read there is, over all the ids that were used.
async fn reads(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    macro_rules! read {
        ($($call:expr),* $(,)?) => {$( all.push(format!("{} {:?}", stringify!($call), $call.await.unwrap())); )*};
    }
    for n in 1..4 {
        read!(
            store.due_triggers(Time(10 * n), 2),
            store.trigger_of_hook(&HookId::from_bits(u128::try_from(n).unwrap()))
        );
    }
    for ws in 0..2 {
        let r = store.reader(&WorkspaceId::from_bits(ws));
        read!(
            r.users(),
            r.flows(),
            r.clients(None),
            r.shared_connections()
        );
        read!(r.vars(), r.named_secrets(), r.triggers());
        read!(
            r.personal_connections(None),
            r.clients(Some(&"crm".parse().unwrap()))
        );
        for word in ["one", "two", "three"] {
            let (name, slot) = (word.parse().unwrap(), word.parse().unwrap());
            read!(
                r.user_by_login(word),
                r.flow_by_name(&word.parse().unwrap())
            );
            read!(
                r.manifest(word),
                r.attempt(word),
                r.shared_connection(&name)
            );
            read!(r.secret(ConnectionId::from_bits(1).as_str(), word));
            read!(r.var(&word.parse().unwrap()), r.named_secret(&name));
            read!(r.secret(&NamedSecretRow::owner(&name), word));
            read!(r.grant(&UserId::from_bits(1), &FlowId::from_bits(1), &slot));
            read!(store.session(word, Time(10)), store.token(word, Time(10)));
            read!(store.login_link(word, Time(10)));
        }
        for n in 1..4 {
            let (user, flow, run) = (
                UserId::from_bits(n),
                FlowId::from_bits(n),
                RunId::from_bits(n + 10 * ws),
            );
            let (connection, client) = (ConnectionId::from_bits(n), ClientId::from_bits(n));
            read!(
                r.user(&user),
                r.flow(&flow),
                r.draft(&flow),
                r.versions(&flow)
            );
            read!(r.build_values(&flow, &user), r.build_value_count(&flow));
            read!(
                r.version(&VersionId::from_bits(n)),
                r.version_by_number(&flow, 1)
            );
            read!(r.client(&client), r.connection(&connection));
            read!(
                r.personal_connections(Some(&user)),
                r.grants_of(&connection)
            );
            read!(
                r.connections_of_subject(&client, "sub-1"),
                r.connections_of_run(&run)
            );
            read!(r.connections_left_over());
            read!(r.sign_in(&SignInId::from_bits(n)), r.sign_ins_of_run(&run));
            read!(r.open_sign_ins(&user), r.waiting_sign_ins(&user, &client));
            read!(r.journal(&run), store.inbox(r.workspace(), &run));
            for children in [r.children(&run).await, r.living_children(&run).await] {
                // Not the leases: they differ by the clocks.
                let ids = children.unwrap().into_iter().map(|run| run.id);
                all.push(format!("children {:?}", ids.collect::<Vec<_>>()));
            }
            read!(
                r.request(&RequestId::from_bits(n)),
                r.requests_of_run(&run),
                r.trigger(&flow)
            );
            for path in ["one", "two", "lines[37]/add"] {
                read!(r.callback_used(&run, &path.parse().unwrap()));
            }
            let mut cursor = None;
            loop {
                let page = r.open_requests(1, cursor.as_deref()).await.unwrap();
                all.push(format!("{:?}", page.items));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            read!(r.idempotency(&user, &flow, "key", Time(5)));
            for filter in [
                RunFilter::default(),
                RunFilter {
                    children: true,
                    ..RunFilter::default()
                },
                RunFilter {
                    flow: Some(flow.clone()),
                    ..RunFilter::default()
                },
                RunFilter {
                    invoker: Some(user.clone()),
                    ..RunFilter::default()
                },
                RunFilter {
                    state: Some("paused".to_owned()),
                    ..RunFilter::default()
                },
            ] {
                let page = r.runs(&filter, 2, None).await.unwrap();
                let ids: Vec<_> = page.items.into_iter().map(|run| run.id).collect();
                all.push(format!("{filter:?} {ids:?} {:?}", page.next));
            }
            for filter in [
                AuditFilter {
                    person: Some(user.clone()),
                    ..AuditFilter::default()
                },
                AuditFilter {
                    run: Some(run.clone()),
                    ..AuditFilter::default()
                },
                AuditFilter {
                    account: Some("ana".to_owned()),
                    ..AuditFilter::default()
                },
                AuditFilter::default(),
            ] {
                let page = r.audit(&filter, 3, None).await.unwrap();
                let seqs: Vec<_> = page.items.into_iter().map(|e| e.record.seq).collect();
                all.push(format!("{filter:?} {seqs:?} {:?}", page.next));
            }
        }
        let mut verifier = Verifier::new(r.workspace().clone());
        for entry in r.audit_from(1, 10_000).await.unwrap() {
            verifier.push(&entry.record, &entry.personal).unwrap();
        }
        let (seq, hash) = r.audit_head().await.unwrap();
        verifier.check_head(seq, hash).unwrap();
    }
    all
}

async fn compare(acts: Vec<Vec<[u8; 10]>>, places: &[Place], done: &mut BTreeSet<&'static str>) {
    let clock = Arc::new(AtomicI64::new(0));
    let model = Store::model(Arc::clone(&clock));
    let mut stores = Vec::new();
    for place in places {
        stores.push((place.kind, place.open().await));
    }
    for act_dice in acts {
        let mut ops = Vec::new();
        for numbers in &act_dice {
            ops.push(op(&mut Dice(*numbers, 0), &model).await);
        }
        let dice = Dice(act_dice[0].map(|n| n.rotate_left(3)), 0);
        clock.store(system::now().micros(), Ordering::SeqCst);
        let expected = act(&model, &mut dice.clone(), &ops).await;
        for (kind, store) in &stores {
            let answer = act(store, &mut dice.clone(), &ops).await;
            assert_eq!(answer, expected, "{kind} after {ops:?}");
        }
        if expected == "ok" {
            done.extend(ops.iter().map(Op::name));
        } else if dice.clone().roll(8) == 0 && !expected.is_empty() {
            done.insert("claim");
        }
    }
    let (rows, answers) = (model.snapshot().await.unwrap(), reads(&model).await);
    for (kind, store) in &stores {
        assert_eq!(store.snapshot().await.unwrap(), rows, "{kind}");
        assert_eq!(reads(store).await, answers, "{kind}");
    }
}

#[test]
fn the_model_and_both_databases_answer_alike() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let done = std::cell::RefCell::new(BTreeSet::new());
    let config = Config {
        cases: 8,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    };
    // Always the same numbers: a failure is a failure for everybody.
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let acts = vec(vec(any::<[u8; 10]>(), 1..3), 250..400);
    runner
        .run(&acts, |acts| {
            let places = support::places();
            runtime.block_on(compare(acts, &places, &mut done.borrow_mut()));
            Ok(())
        })
        .unwrap();
    // What never went well was never compared.
    let done = done.into_inner();
    assert_eq!(done.len(), usize::from(KINDS) + 1, "{done:?}");
}
