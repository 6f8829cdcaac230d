//! Who may do what: privileges, and the roles that are sets of them: those of the table below, and a workspace's own. Nothing else grants
//! anything.

use std::collections::BTreeSet;

use actas_store::{ReadError, Reader, RoleRow, UserRow};

/// A named right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// Run the flows whose run list names one.
    FlowsRun,
    /// See flows, their drafts and versions.
    FlowsView,
    /// Change drafts and try them.
    FlowsEdit,
    /// Freeze a draft as the next version.
    FlowsPublish,
    /// Stop and start flows.
    FlowsStop,
    /// Delete flows.
    FlowsDelete,
    /// See shared connections.
    ConnectionsView,
    /// Attach a shared connection to a flow.
    ConnectionsUse,
    /// Make a shared connection by signing in.
    ConnectionsAdd,
    /// Renew, disconnect and move shared connections, give them another password.
    ConnectionsEdit,
    /// Delete connections, shared ones and those of people.
    ConnectionsDelete,
    /// See whose personal connections there are.
    RuntimeConnectionsView,
    /// Turn dynamic connections on and off in flows.
    RuntimeConnectionsEdit,
    /// See the runs of others, redacted.
    RunsView,
    /// Cancel the runs of others.
    RunsCancel,
    /// See what is private in the runs of others.
    RunsReveal,
    /// Decide about interrupted steps in the runs of others.
    RunsDecide,
    /// See people and their roles.
    UsersView,
    /// Add and change people.
    UsersEdit,
    /// Erase what is known of people.
    UsersErase,
    /// Make, change and delete roles.
    RolesEdit,
    /// See and revoke the API tokens of others.
    TokensView,
    /// Make and change app clients.
    AppsEdit,
    /// Set and delete the workspace's values.
    VarsEdit,
    /// Make, rotate and delete the workspace's secrets.
    SecretsEdit,
    /// Read the audit log.
    AuditView,
    /// Take the audit log out.
    AuditExport,
    /// Leave a reviewer's record.
    AuditReview,
    /// See effective settings, and what the workspace has decided.
    SettingsView,
    /// Decide for the workspace: its policies, where its people log in, which applications it trusts.
    PoliciesEdit,
}

use Privilege as P;

impl Privilege {
    /// All of them.
    pub const ALL: [Self; 30] = [
        P::FlowsRun,
        P::FlowsView,
        P::FlowsEdit,
        P::FlowsPublish,
        P::FlowsStop,
        P::FlowsDelete,
        P::ConnectionsView,
        P::ConnectionsUse,
        P::ConnectionsAdd,
        P::ConnectionsEdit,
        P::ConnectionsDelete,
        P::RuntimeConnectionsView,
        P::RuntimeConnectionsEdit,
        P::RunsView,
        P::RunsCancel,
        P::RunsReveal,
        P::RunsDecide,
        P::UsersView,
        P::UsersEdit,
        P::UsersErase,
        P::RolesEdit,
        P::TokensView,
        P::AppsEdit,
        P::VarsEdit,
        P::SecretsEdit,
        P::AuditView,
        P::AuditExport,
        P::AuditReview,
        P::SettingsView,
        P::PoliciesEdit,
    ];

    /// The privilege of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == name)
    }

    /// The name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            P::FlowsRun => "flows.run",
            P::FlowsView => "flows.view",
            P::FlowsEdit => "flows.edit",
            P::FlowsPublish => "flows.publish",
            P::FlowsStop => "flows.stop",
            P::FlowsDelete => "flows.delete",
            P::ConnectionsView => "connections.view",
            P::ConnectionsUse => "connections.use",
            P::ConnectionsAdd => "connections.add",
            P::ConnectionsEdit => "connections.edit",
            P::ConnectionsDelete => "connections.delete",
            P::RuntimeConnectionsView => "runtime_connections.view",
            P::RuntimeConnectionsEdit => "runtime_connections.edit",
            P::RunsView => "runs.view",
            P::RunsCancel => "runs.cancel",
            P::RunsReveal => "runs.reveal",
            P::RunsDecide => "runs.decide",
            P::UsersView => "users.view",
            P::UsersEdit => "users.edit",
            P::UsersErase => "users.erase",
            P::RolesEdit => "roles.edit",
            P::TokensView => "tokens.view",
            P::AppsEdit => "apps.edit",
            P::VarsEdit => "vars.edit",
            P::SecretsEdit => "secrets.edit",
            P::AuditView => "audit.view",
            P::AuditExport => "audit.export",
            P::AuditReview => "audit.review",
            P::SettingsView => "settings.view",
            P::PoliciesEdit => "policies.edit",
        }
    }
}

/// The roles that come with Actas.
pub const ROLES: [&str; 5] = ["runner", "builder", "auditor", "admin", "owner"];

/// What a role that comes with Actas may do. A name that is none of them may do nothing by it.
pub fn privileges(role: &str) -> &'static [Privilege] {
    match role {
        "runner" => &[P::FlowsRun],
        "builder" => &[
            P::FlowsRun,
            P::FlowsView,
            P::FlowsEdit,
            P::FlowsPublish,
            P::FlowsStop,
            P::FlowsDelete,
            P::ConnectionsView,
            P::ConnectionsUse,
            P::ConnectionsAdd,
            P::ConnectionsEdit,
            P::RuntimeConnectionsView,
            P::RuntimeConnectionsEdit,
        ],
        "auditor" => &[
            P::FlowsView,
            P::RunsView,
            P::UsersView,
            P::AuditView,
            P::AuditExport,
            P::AuditReview,
        ],
        "admin" => &[
            P::FlowsRun,
            P::FlowsView,
            P::FlowsEdit,
            P::FlowsPublish,
            P::FlowsStop,
            P::FlowsDelete,
            P::ConnectionsView,
            P::ConnectionsUse,
            P::ConnectionsAdd,
            P::ConnectionsEdit,
            P::ConnectionsDelete,
            P::RuntimeConnectionsView,
            P::RuntimeConnectionsEdit,
            P::RunsView,
            P::RunsCancel,
            P::RunsDecide,
            P::UsersView,
            P::UsersEdit,
            P::RolesEdit,
            P::TokensView,
            P::AppsEdit,
            P::VarsEdit,
            P::SecretsEdit,
            P::AuditView,
            P::AuditExport,
            P::SettingsView,
            P::PoliciesEdit,
        ],
        "owner" => &P::ALL,
        _ => &[],
    }
}

/// What somebody, or a role, may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(BTreeSet<Privilege>);

impl Rights {
    /// What a person may do by their roles, of those that come with Actas and of the workspace's `own`. Somebody who is switched off has none.
    pub fn of(user: &UserRow, own: &[RoleRow]) -> Self {
        if user.disabled {
            return Self::default();
        }
        Self(
            user.roles
                .iter()
                .flat_map(|role| Self::of_role(role, own).0)
                .collect(),
        )
    }

    /// What a role allows. One that comes with Actas means what it says there, whatever the workspace's own are called; a name of neither
    /// allows nothing.
    pub fn of_role(role: &str, own: &[RoleRow]) -> Self {
        if ROLES.contains(&role) {
            return Self(privileges(role).iter().copied().collect());
        }
        let names = own.iter().filter(|row| row.name.as_str() == role);
        Self(
            names
                .flat_map(|row| &row.privileges)
                .filter_map(|name| Privilege::of(name))
                .collect(),
        )
    }

    /// What the roles of a reader's workspace let a person do. The workspace's own roles are read only for those who have one.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn read(reader: &Reader, user: &UserRow) -> Result<Self, ReadError> {
        let known = |role: &String| ROLES.contains(&role.as_str());
        let own = match user.roles.iter().all(known) {
            true => Vec::new(),
            false => reader.roles().await?,
        };
        Ok(Self::of(user, &own))
    }

    /// Whether this is one of them.
    pub fn has(&self, privilege: Privilege) -> bool {
        self.0.contains(&privilege)
    }

    /// The first of these that the others are not.
    pub fn beyond(&self, others: &Self) -> Option<Privilege> {
        self.0.difference(&others.0).next().copied()
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Privilege> + '_ {
        self.0.iter().copied()
    }
}

/// Whether a flow's run list names a person: by login, by `role:NAME`, or as `everyone`.
pub fn on_run_list(user: &UserRow, runners: &[String]) -> bool {
    runners
        .iter()
        .any(|entry| match entry.strip_prefix("role:") {
            Some(role) => user.roles.iter().any(|own| own == role),
            None => entry == "everyone" || *entry == user.login,
        })
}

/// Who may run a flow that nobody allowed anything for: those who build.
pub fn default_runners() -> Vec<String> {
    ["role:builder", "role:admin", "role:owner"]
        .map(str::to_owned)
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(login: &str, roles: &[&str]) -> UserRow {
        UserRow {
            id: actas_core::ids::UserId::from_bits(1),
            login: login.into(),
            name: login.into(),
            email: None,
            manager: None,
            password_hash: None,
            local: false,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            disabled: false,
            created_at: actas_core::Time(0),
        }
    }

    #[test]
    fn the_roles_are_what_the_table_of_the_manual_says() {
        let table: String = P::ALL
            .into_iter()
            .map(|privilege| {
                let marks: String = ROLES
                    .iter()
                    .map(|role| {
                        if privileges(role).contains(&privilege) {
                            " x"
                        } else {
                            " ."
                        }
                    })
                    .collect();
                format!("{:25}{marks}\n", privilege.as_str())
            })
            .collect();
        expect_test::expect![[r#"
            flows.run                 x x . x x
            flows.view                . x x x x
            flows.edit                . x . x x
            flows.publish             . x . x x
            flows.stop                . x . x x
            flows.delete              . x . x x
            connections.view          . x . x x
            connections.use           . x . x x
            connections.add           . x . x x
            connections.edit          . x . x x
            connections.delete        . . . x x
            runtime_connections.view  . x . x x
            runtime_connections.edit  . x . x x
            runs.view                 . . x x x
            runs.cancel               . . . x x
            runs.reveal               . . . . x
            runs.decide               . . . x x
            users.view                . . x x x
            users.edit                . . . x x
            users.erase               . . . . x
            roles.edit                . . . x x
            tokens.view               . . . x x
            apps.edit                 . . . x x
            vars.edit                 . . . x x
            secrets.edit              . . . x x
            audit.view                . . x x x
            audit.export              . . x x x
            audit.review              . . x . x
            settings.view             . . . x x
            policies.edit             . . . x x
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn an_unknown_role_and_a_person_switched_off_may_do_nothing() {
        let mut user = person("ana", &["root", "Owner", ""]);
        assert_eq!(Rights::of(&user, &[]), Rights::default());
        user.roles = vec!["owner".into()];
        let all = Rights::of(&user, &[]);
        assert!(P::ALL.into_iter().all(|p| all.has(p)));
        user.disabled = true;
        assert_eq!(Rights::of(&user, &[]), Rights::default());
    }

    #[test]
    fn a_role_of_the_workspaces_own_allows_what_it_names_and_cannot_stand_in_for_one_that_comes_with_actas()
     {
        let role = |name: &str, privileges: &[&str]| RoleRow {
            name: name.parse().expect("a name"),
            privileges: privileges.iter().map(|p| (*p).to_owned()).collect(),
            updated_by: actas_core::ids::UserId::from_bits(1),
            updated_at: actas_core::Time(0),
        };
        let own = [
            role("desk", &["flows.run", "runs.view", "no.such"]),
            role("runner", &["runs.reveal"]),
        ];
        let has = |roles: &[&str]| -> Vec<&str> {
            let rights = Rights::of(&person("ana", roles), &own);
            rights.iter().map(P::as_str).collect()
        };
        assert_eq!(has(&["desk"]), ["flows.run", "runs.view"]);
        assert_eq!(has(&["runner"]), ["flows.run"]);
        assert_eq!(has(&["Desk", "desk2"]), Vec::<&str>::new());
        let (desk, runner) = (
            Rights::of_role("desk", &own),
            Rights::of_role("runner", &own),
        );
        assert_eq!(desk.beyond(&runner), Some(P::RunsView));
        assert_eq!(runner.beyond(&desk), None);
    }

    #[test]
    fn a_run_list_names_people_roles_or_everyone_and_nothing_by_accident() {
        let ana = person("ana", &["runner"]);
        let listed = |entry: &str| on_run_list(&ana, &[entry.to_owned()]);
        assert!(listed("ana") && listed("role:runner") && listed("everyone"));
        assert!(!listed("Ana") && !listed("role:ana") && !listed("runner") && !listed(""));
        assert!(!on_run_list(&ana, &[]));
        // A login cannot pose as a role or as everybody: see the check of logins.
        assert!(!on_run_list(
            &person("everyone2", &[]),
            &["role:everyone2".into()]
        ));
    }
}
