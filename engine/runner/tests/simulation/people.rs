//! What people and other systems do: they answer what they are asked, sometimes otherwise than hoped for, and sometimes they interfere.

use actas_core::ids::{InboxId, RunId, StepPath};
use actas_core::run::AskReason;
use actas_store::{
    Commit, ConnectionState, InboxMessage, InboxRow, Op, RequestKind, SignInState, system,
};
use serde_json::{Value, json};

use crate::world::World;

impl World {
    fn message(&self, run: &RunId, message: InboxMessage) -> Op {
        Op::PutInbox {
            workspace: self.workspace.clone(),
            inbox: InboxRow {
                id: InboxId::from_bits(system::new_bits()),
                run: run.clone(),
                message,
                at: system::now(),
            },
        }
    }

    /// Whoever is asked answers; `one_in`: how many of the times they look. Nobody says no who `agrees`.
    pub fn people_look(&mut self, one_in: u64, agrees: bool) {
        let mut dice = self.dice.clone();
        let mut agains = 0;
        let this = &*self;
        let mut runs = this.runs();
        runs.retain(|run| run.ended_at.is_none());
        this.at_the_office(async |office| {
            let reader = office.store.reader(&this.workspace);
            let now = system::now();
            for request in reader.open_requests(100, None).await.unwrap().items {
                if !dice.one_in(one_in) {
                    continue;
                }
                let by = this.person("ben");
                let no = !agrees && dice.one_in(6);
                let message = match request.kind {
                    RequestKind::Approval => InboxMessage::Decided {
                        step: request.step.clone(),
                        request: request.id.clone(),
                        decision: json!({
                            "approved": !no,
                            "by": {"id": by.id, "login": by.login, "name": by.name},
                            "form": filled(&request.detail),
                        }),
                    },
                    RequestKind::Decision => {
                        let answer = match dice.below(4) {
                            0 if !agrees => {
                                agains += 1;
                                json!({"answer": "again"})
                            }
                            1 if no => json!({"answer": "give_up"}),
                            _ => json!({"answer": "happened", "output": {"id": "told", "author": "told", "did": "hit", "word": "told"}}),
                        };
                        InboxMessage::Answered {
                            step: request.step.clone(),
                            request: request.id.clone(),
                            answer,
                            by: by.clone(),
                        }
                    }
                };
                let ops = vec![
                    Op::DecideRequest {
                        workspace: this.workspace.clone(),
                        request: request.id,
                        by: by.id,
                        now,
                    },
                    this.message(&request.run, message),
                ];
                let audit = Vec::new();
                // Refused: the run has closed it meanwhile.
                let _ = office.store.commit(Commit { ops, audit }).await;
            }
            let callbacks: Vec<String> = this.town.lock().unwrap().callbacks.iter().cloned().collect();
            for address in callbacks {
                if !dice.one_in(one_in) {
                    continue;
                }
                let path = address.split("/hooks/callback/").nth(1).unwrap();
                let (run, step) = path.split('?').next().unwrap().split_once('/').unwrap();
                let (run, step) = (run.parse().unwrap(), StepPath::from_address(step).unwrap());
                let payload = json!({"answer": 42});
                let message = InboxMessage::CalledBack {
                    step: step.clone(),
                    payload,
                };
                let used = Op::UseCallback {
                    workspace: this.workspace.clone(),
                    run: RunId::clone(&run),
                    step,
                };
                let ops = vec![used, this.message(&run, message)];
                let audit = Vec::new();
                // Refused: it was called back before.
                let _ = office.store.commit(Commit { ops, audit }).await;
            }
            for (login, row) in &this.people {
                let mut asked = reader.open_sign_ins(&row.id).await.unwrap();
                if agrees {
                    // Whoever said no thinks better of it.
                    for run in &runs {
                        let all = reader.sign_ins_of_run(&run.id).await.unwrap();
                        asked.extend(all.into_iter().filter(|sign_in| {
                            sign_in.state == SignInState::Declined && sign_in.person == row.id
                        }));
                    }
                }
                for sign_in in asked {
                    if !dice.one_in(one_in) {
                        continue;
                    }
                    let who = this.who(login);
                    if !agrees && dice.one_in(8) {
                        let declined = office
                            .connections
                            .decline(&this.workspace, &sign_in.id, &row.id, &who);
                        let _ = declined.await;
                        continue;
                    }
                    if sign_in.reason == AskReason::Consent && dice.one_in(2)
                        && let Some(connection) = &sign_in.connection
                    {
                        let agreed = office
                            .connections
                            .agree(&this.workspace, &sign_in.id, &row.id, connection, &who);
                        let _ = agreed.await;
                        continue;
                    }
                    let hash = this.session(login).hash;
                    let begun = office
                        .connections
                        .begin(&this.workspace, &sign_in.id, &row.id, &hash, &who);
                    if let Ok(url) = begun.await {
                        let _ = this.come_back(office, &url, login, login).await;
                    }
                }
            }
        });
        self.dice = dice;
        self.agains += agains;
    }

    /// Somebody cancels a run, disconnects an account or tries again what failed.
    pub fn people_interfere(&mut self) {
        let runs = self.runs();
        if runs.is_empty() {
            return;
        }
        let run = &runs[usize::try_from(self.dice.below(runs.len() as u64)).unwrap()];
        let what = self.dice.below(3);
        let this = &*self;
        match what {
            0 if run.ended_at.is_none() => this.at_the_office(async |office| {
                let by = Some(this.people["ana"].id.clone());
                let ops = vec![this.message(&run.id, InboxMessage::Cancel { by })];
                let audit = Vec::new();
                let _ = office.store.commit(Commit { ops, audit }).await;
            }),
            1 => this.at_the_office(async |office| {
                let reader = office.store.reader(&this.workspace);
                let owner = &this.people["ana"].id;
                for mut connection in reader.personal_connections(Some(owner)).await.unwrap() {
                    let expect = connection.token_version;
                    connection.state = ConnectionState::Disconnected;
                    let ops = vec![Op::ChangeConnection {
                        workspace: this.workspace.clone(),
                        connection,
                        expect,
                    }];
                    let audit = Vec::new();
                    let _ = office.store.commit(Commit { ops, audit }).await;
                }
            }),
            _ if run.state == "failed" && run.parent.is_none() => {
                let Some(Some(process)) = this.processes.first() else {
                    return;
                };
                let again = actas_runner::Again {
                    workspace: this.workspace.clone(),
                    run: run.id.clone(),
                    by: this.person("ana"),
                    actor: actas_core::audit::Actor::Engine,
                    entry: actas_core::flow::Entry::Api,
                    ip: None,
                    agent: None,
                };
                let runner = process.runner.clone();
                process.rt.spawn(async move {
                    let _ = runner.retry(again).await;
                });
                self.agains += 1;
                self.sky.state().see("people: retry");
            }
            _ => {}
        }
    }
}

/// A form filled in.
fn filled(detail: &str) -> Value {
    let detail: Value = serde_json::from_str(detail).unwrap_or_default();
    let fields = detail["form"].as_object().into_iter().flatten();
    fields
        .map(|(name, field)| {
            let value = match field["type"].as_str() {
                Some("number" | "integer") => json!(5),
                Some("boolean") => json!(true),
                _ => json!("so it is"),
            };
            (name.clone(), value)
        })
        .collect()
}
