//! Acts made of numbers: the operations that all three stores do, and what they answer.

use actas_core::run::{AskReason, Rule, Scheme};

use super::life;
use super::support::journal;
use super::*;

/// Numbers that an act is made of.
#[derive(Clone)]
pub struct Dice(pub [u8; 10], pub usize);

impl Dice {
    pub fn roll(&mut self, sides: u8) -> u8 {
        self.1 = (self.1 + 1) % self.0.len();
        self.0[self.1] % sides
    }

    pub fn id<T>(&mut self, make: fn(u128) -> T) -> T {
        make(u128::from(self.roll(3)) + 1)
    }

    /// A run of that workspace: no two of them ever share an id.
    fn run(&mut self, other: bool) -> RunId {
        RunId::from_bits(u128::from(self.roll(3)) + 1 + if other { 10 } else { 0 })
    }

    pub fn coin(&mut self) -> bool {
        self.roll(2) == 0
    }

    pub fn word(&mut self) -> String {
        ["one", "two", "three"][usize::from(self.roll(3))].to_owned()
    }

    pub fn time(&mut self) -> Time {
        Time(i64::from(self.roll(4)) * 10)
    }
}

/// Every kind of operation, by number.
pub const KINDS: u8 = OWN + life::KINDS + log::KINDS + keys::KINDS + super::known::KINDS;
/// Those of this file.
const OWN: u8 = 59;
/// Behind all that have a number of their own; the last is for whatever is left.
const ERASE: u8 = OWN - 2;

pub async fn op(dice: &mut Dice, model: &Store) -> Op {
    let other = dice.roll(5) == 0;
    let workspace = WorkspaceId::from_bits(u128::from(other));
    let reader = model.reader(&workspace);
    let kind = dice.roll(KINDS);
    if let Some(op) = super::known::op(dice, &reader, kind).await {
        return op;
    }
    match kind {
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
            scopes: vec![dice.word()],
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
            let mut connection = ConnectionRow {
                id: dice.id(ConnectionId::from_bits),
                owner: UserId::from_bits(1),
                client: dice.id(ClientId::from_bits),
                // Most of these are there no more.
                parent: (!shared).then(|| ConnectionId::from_bits(u128::from(dice.roll(9)) + 1)),
                made_for: dice
                    .coin()
                    .then(|| (dice.id(FlowId::from_bits), dice.word().parse().unwrap())),
                only_run: dice.coin().then(|| dice.run(other)),
                token_version: i64::from(dice.roll(3)),
                refreshing: None,
                ..support::connection(kind_of, shared.then_some(name.as_str()))
            };
            connection.scheme = [Scheme::Oauth2, Scheme::Password, Scheme::Custom]
                [usize::try_from(connection.token_version).unwrap()];
            if kind == 18 {
                Op::AddConnection {
                    workspace,
                    connection,
                }
            } else {
                // Mostly the version that stands there.
                let known = reader.connection(&connection.id).await.unwrap();
                let stands = known.filter(|_| dice.roll(3) > 0);
                Op::ChangeConnection {
                    workspace,
                    connection,
                    expect: stands.map_or_else(|| i64::from(dice.roll(3)), |row| row.token_version),
                }
            }
        }
        20 => {
            let connection = dice.id(ConnectionId::from_bits);
            let known = reader.connection(&connection).await.unwrap();
            let known = known.filter(|_| dice.roll(4) > 0);
            Op::LeaseRefresh {
                workspace,
                connection,
                worker: dice.id(WorkerId::from_bits),
                until: dice.time(),
                now: dice.time(),
                expect: known.map_or_else(|| i64::from(dice.roll(3)), |row| row.token_version),
            }
        }
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
                run: dice.coin().then(|| dice.run(other)),
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
                back: dice.coin().then(|| dice.id(FlowId::from_bits)),
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
            // Mostly before its end.
            now: if dice.roll(4) > 0 {
                Time(0)
            } else {
                dice.time()
            },
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
        40 => {
            // Often one that is open: few are, and a decision that never goes well is never compared.
            let open = reader.open_requests(3, None).await.unwrap().items;
            let any = dice.id(RequestId::from_bits);
            Op::DecideRequest {
                workspace,
                request: match open.first() {
                    Some(row) if dice.coin() => row.id.clone(),
                    _ => any,
                },
                by: dice.id(UserId::from_bits),
                now: dice.time(),
            }
        }
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
            new: dice.coin(),
        },
        46 => Op::DeleteNamedSecret {
            workspace,
            name: dice.word().parse().unwrap(),
        },
        47 => {
            let flow = dice.id(FlowId::from_bits);
            // Mostly as it was read.
            let known = reader.trigger(&flow).await.unwrap();
            let last_at = match known.filter(|_| dice.roll(4) > 0) {
                Some(row) => row.last_at,
                None => dice.coin().then(|| dice.time()),
            };
            Op::PutTrigger(TriggerRow {
                flow,
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
                last_at,
            })
        }
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
                fired: dice.coin(),
            }
        }
        50 => Op::Enter(admission(dice, workspace, other)),
        51 => {
            let admission = admission(dice, workspace, other);
            let known = reader.run(&admission.run).await.unwrap();
            Op::Queue {
                epoch: known.map_or(1, |run| run.epoch) - i64::from(dice.roll(6) == 0),
                admission,
            }
        }
        52 => {
            let (flow, run) = (dice.id(FlowId::from_bits), dice.run(other));
            let known = reader.run(&run).await.unwrap();
            Op::StepAside {
                workspace,
                flow,
                run,
                epoch: known.map_or(1, |run| run.epoch) - i64::from(dice.roll(6) == 0),
            }
        }
        53 => Op::Leave {
            workspace,
            flow: dice.id(FlowId::from_bits),
            run: dice.run(other),
        },
        54 => Op::AddNotice(NoticeRow {
            id: dice.id(NoticeId::from_bits),
            workspace,
            kind: NoticeKind::Reminder,
            about: NoticeAbout::Approval,
            subject: dice.word(),
            run: dice.run(other),
            flow: dice.id(FlowId::from_bits),
            person: dice.coin().then(|| dice.id(UserId::from_bits)),
            channel: dice.coin().then_some(NoticeChannel::Mail),
            tries: u32::from(dice.roll(2)),
            due_at: dice.time(),
            until: dice.time(),
            created_at: dice.time(),
        }),
        55 => Op::TakeNotice {
            workspace,
            notice: dice.id(NoticeId::from_bits),
            tries: u32::from(dice.roll(2)),
            due_at: dice.time(),
        },
        56 => Op::DropNotice {
            workspace,
            notice: dice.id(NoticeId::from_bits),
        },
        ERASE => Op::ErasePersonal {
            workspace,
            user: dice.id(UserId::from_bits),
        },
        kind if kind >= OWN + life::KINDS + log::KINDS => keys::op(dice, workspace, model).await,
        kind if kind >= OWN + life::KINDS => {
            log::op(kind - OWN - life::KINDS, dice, workspace, model).await
        }
        kind if kind >= OWN => life::op(kind - OWN, dice, workspace, model).await,
        _ => Op::TakeInbox {
            workspace,
            inbox: InboxId::from_bits(u128::from(dice.roll(6))),
        },
    }
}

fn admission(dice: &mut Dice, workspace: WorkspaceId, other: bool) -> Admission {
    Admission {
        workspace,
        flow: dice.id(FlowId::from_bits),
        run: dice.run(other),
        limit: dice.coin().then(|| u32::from(dice.roll(2)) + 1),
        key: dice.coin().then(|| dice.word()),
        at: dice.time(),
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
    let message = match dice.roll(4) {
        3 => InboxMessage::Cancel {
            by: dice.coin().then(|| dice.id(UserId::from_bits)),
        },
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
    [
        "running",
        "waiting",
        "paused",
        "running",
        "queued",
        "succeeded",
    ][usize::from(dice.roll(6))]
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

/// The record that what is taken out of the log must come with.
fn erasure(op: &Op) -> Option<actas_core::audit::Draft> {
    let (action, workspace, kind, id, version) = match op {
        Op::ErasePersonal { workspace, user } => {
            let user = user.to_string();
            (actas_core::audit::ERASED, workspace, "user", user, None)
        }
        Op::Log {
            workspace,
            act: LogAct::Cut(row),
        } => {
            let hash = hex::encode(row.start.hash);
            let seq = row.start.seq.to_string();
            (actas_core::audit::CUT, workspace, "audit", seq, Some(hash))
        }
        _ => return None,
    };
    let mut draft = draft(workspace, action);
    draft.actor = actas_core::audit::Actor::LocalOperator;
    draft.object.kind = kind.to_owned();
    draft.object.id = id;
    draft.object.version = version;
    draft.at = Time(8);
    Some(draft)
}

/// One act and what came of it, as text.
pub async fn act(store: &Store, dice: &mut Dice, ops: &[Op]) -> String {
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
            let audit = audit
                .into_iter()
                .chain(ops.iter().filter_map(erasure))
                .collect();
            match store.commit(Commit { ops, audit }).await {
                Ok(()) => "ok".to_owned(),
                Err(CommitError::Conflict { op, .. }) => format!("refused: {op}"),
                Err(other) => format!("failed: {other}"),
            }
        }
    }
}
