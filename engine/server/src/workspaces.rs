//! The workspaces of a server: names to ids, which workspace a page or a callback belongs to, and what a new one begins with. A name or an id
//! that is not known is looked for in the store, so that what another server added is found; nothing here is anybody's right to anything.

use std::sync::{Arc, PoisonError, RwLock};

use actas_core::Time;
use actas_core::audit::{Actor, Draft, Object};
use actas_core::ids::{RunId, StepPath, UserId, WorkspaceId};
use actas_store::{Commit, LoginLinkRow, Op, ReadError, UserRow, system};

use crate::api::users::LINK_LIVES;
use crate::app::App;
use crate::context::record;
use crate::gate::hash_of;
use crate::secrets;
use crate::target::Target;

/// A workspace as addresses and rows name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name in addresses.
    pub name: Arc<str>,
}

/// Those that were seen, oldest first. None is ever renamed or removed.
#[derive(Debug, Default)]
pub struct Workspaces(RwLock<Arc<Vec<Workspace>>>);

impl Workspaces {
    fn known(&self) -> Arc<Vec<Workspace>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The name of one that was seen; its id for one that was not.
    pub fn name(&self, id: &WorkspaceId) -> Arc<str> {
        let known = self.known();
        let found = known.iter().find(|one| one.id == *id);
        found.map_or_else(|| id.as_str().into(), |one| Arc::clone(&one.name))
    }
}

impl App {
    /// Reads all workspaces again.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn all_workspaces(&self) -> Result<Arc<Vec<Workspace>>, ReadError> {
        let all = self.store.workspaces().await?.into_iter();
        let all = Arc::new(
            all.map(|(id, name)| Workspace {
                id,
                name: name.into(),
            })
            .collect::<Vec<_>>(),
        );
        *self
            .workspaces
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::clone(&all);
        Ok(all)
    }

    async fn find(
        &self,
        fits: impl Fn(&Workspace) -> bool,
    ) -> Result<Option<Workspace>, ReadError> {
        if let Some(found) = self.workspaces.known().iter().find(|one| fits(one)) {
            return Ok(Some(found.clone()));
        }
        let all = self.all_workspaces().await?;
        Ok(all.iter().find(|one| fits(one)).cloned())
    }

    /// The workspace of a name.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn workspace_named(&self, name: &str) -> Result<Option<Workspace>, ReadError> {
        self.find(|one| *one.name == *name).await
    }

    /// The workspace of an id that a row names.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn workspace_of(&self, id: &WorkspaceId) -> Result<Option<Workspace>, ReadError> {
        self.find(|one| one.id == *id).await
    }

    /// The workspace that acts where nothing names one: the first.
    pub fn first_workspace(&self) -> Workspace {
        Workspace {
            id: self.workspace.clone(),
            name: self.workspace_name.as_str().into(),
        }
    }

    /// The workspace that a page belongs to, by the id in its address. Whoever has that id was given the link: ids cannot be guessed, and all
    /// they learn of it is where to log in.
    ///
    /// # Errors
    /// If the store is away.
    pub async fn home_of(&self, page: &Target) -> Result<Option<Workspace>, ReadError> {
        let all = self.all_workspaces().await?;
        for one in all.iter() {
            let reader = self.store.reader(&one.id);
            let theirs = match page {
                Target::Run(run) => reader.run(run).await?.is_some(),
                Target::Connect(sign_in) => reader.sign_in(sign_in).await?.is_some(),
                Target::Approval(request) => reader.request(request).await?.is_some(),
                _ => return Ok(None),
            };
            if theirs {
                return Ok(Some(one.clone()));
            }
        }
        Ok(None)
    }

    /// The workspace whose callback a token stands for.
    pub fn callback_workspace(
        &self,
        run: &RunId,
        step: &StepPath,
        token: &str,
    ) -> Option<WorkspaceId> {
        let known = self.workspaces.known();
        let fits = |one: &&Workspace| self.connections.verify_callback(&one.id, run, step, token);
        known.iter().find(fits).map(|one| one.id.clone())
    }
}

/// A workspace that is about to be made, with its first owner.
#[derive(Debug)]
pub struct NewWorkspace {
    /// What is written.
    pub commit: Commit,
    /// Its id and name.
    pub workspace: Workspace,
    /// The path of the owner's one-time link.
    pub link: String,
}

impl NewWorkspace {
    /// What begins a workspace: itself, an owner for whom the command line on this machine may act, and a one-time link with which they choose
    /// a password. Both stand in the new workspace's own audit log.
    pub fn new(name: &str, owner: (String, String), now: Time, by: (&Actor, &str)) -> Self {
        let id = WorkspaceId::from_bits(system::new_bits());
        let (login, owner_name) = owner;
        let user = UserRow {
            id: UserId::from_bits(system::new_bits()),
            login,
            name: owner_name,
            email: None,
            manager: None,
            password_hash: None,
            local: true,
            roles: vec!["owner".into()],
            disabled: false,
            created_at: now,
        };
        let token = secrets::new_token("");
        let made = |action: &str, kind: &str, object: &str| -> Draft {
            let object = Object {
                kind: kind.into(),
                id: object.into(),
                version: None,
            };
            record(&id, now, by.0.clone(), by.1, action, object)
        };
        let commit = Commit {
            audit: vec![
                made("workspace.added", "workspace", id.as_str()),
                made("user.added", "user", user.id.as_str()),
            ],
            ops: vec![
                Op::AddWorkspace {
                    workspace: id.clone(),
                    name: name.to_owned(),
                    at: now,
                },
                Op::AddLoginLink(LoginLinkRow {
                    hash: hash_of(&token),
                    workspace: id.clone(),
                    user: user.id.clone(),
                    expires_at: now.after(LINK_LIVES),
                }),
                Op::AddUser {
                    workspace: id.clone(),
                    user,
                },
            ],
        };
        Self {
            commit,
            link: format!("/w/{name}/link/{token}"),
            workspace: Workspace {
                id,
                name: name.into(),
            },
        }
    }
}
