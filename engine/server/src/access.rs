//! Who may do what: privileges, and the roles that are sets of them. The table below is the whole truth; nothing else grants anything.

use actas_store::UserRow;

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
    /// See shared connections.
    ConnectionsView,
    /// Attach a shared connection to a flow.
    ConnectionsUse,
    /// Make a shared connection by signing in.
    ConnectionsAdd,
    /// Delete shared connections.
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
    /// See effective settings.
    SettingsView,
}

use Privilege as P;

impl Privilege {
    /// All of them.
    pub const ALL: [Self; 24] = [
        P::FlowsRun,
        P::FlowsView,
        P::FlowsEdit,
        P::FlowsPublish,
        P::FlowsStop,
        P::ConnectionsView,
        P::ConnectionsUse,
        P::ConnectionsAdd,
        P::ConnectionsDelete,
        P::RuntimeConnectionsView,
        P::RuntimeConnectionsEdit,
        P::RunsView,
        P::RunsCancel,
        P::RunsReveal,
        P::RunsDecide,
        P::UsersView,
        P::UsersEdit,
        P::AppsEdit,
        P::VarsEdit,
        P::SecretsEdit,
        P::AuditView,
        P::AuditExport,
        P::AuditReview,
        P::SettingsView,
    ];

    /// The name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            P::FlowsRun => "flows.run",
            P::FlowsView => "flows.view",
            P::FlowsEdit => "flows.edit",
            P::FlowsPublish => "flows.publish",
            P::FlowsStop => "flows.stop",
            P::ConnectionsView => "connections.view",
            P::ConnectionsUse => "connections.use",
            P::ConnectionsAdd => "connections.add",
            P::ConnectionsDelete => "connections.delete",
            P::RuntimeConnectionsView => "runtime_connections.view",
            P::RuntimeConnectionsEdit => "runtime_connections.edit",
            P::RunsView => "runs.view",
            P::RunsCancel => "runs.cancel",
            P::RunsReveal => "runs.reveal",
            P::RunsDecide => "runs.decide",
            P::UsersView => "users.view",
            P::UsersEdit => "users.edit",
            P::AppsEdit => "apps.edit",
            P::VarsEdit => "vars.edit",
            P::SecretsEdit => "secrets.edit",
            P::AuditView => "audit.view",
            P::AuditExport => "audit.export",
            P::AuditReview => "audit.review",
            P::SettingsView => "settings.view",
        }
    }
}

/// The roles there are.
pub const ROLES: [&str; 5] = ["runner", "builder", "auditor", "admin", "owner"];

/// What a role may do. A name that is no role may do nothing.
pub fn privileges(role: &str) -> &'static [Privilege] {
    match role {
        "runner" => &[P::FlowsRun],
        "builder" => &[
            P::FlowsRun,
            P::FlowsView,
            P::FlowsEdit,
            P::FlowsPublish,
            P::FlowsStop,
            P::ConnectionsView,
            P::ConnectionsUse,
            P::ConnectionsAdd,
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
            P::ConnectionsView,
            P::ConnectionsUse,
            P::ConnectionsAdd,
            P::ConnectionsDelete,
            P::RuntimeConnectionsView,
            P::RuntimeConnectionsEdit,
            P::RunsView,
            P::RunsCancel,
            P::RunsDecide,
            P::UsersView,
            P::UsersEdit,
            P::AppsEdit,
            P::VarsEdit,
            P::SecretsEdit,
            P::AuditView,
            P::AuditExport,
            P::SettingsView,
        ],
        "owner" => &P::ALL,
        _ => &[],
    }
}

/// Whether a person has a privilege. Somebody who is switched off has none.
pub fn may(user: &UserRow, privilege: Privilege) -> bool {
    !user.disabled
        && user
            .roles
            .iter()
            .any(|role| privileges(role).contains(&privilege))
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
            connections.view          . x . x x
            connections.use           . x . x x
            connections.add           . x . x x
            connections.delete        . . . x x
            runtime_connections.view  . x . x x
            runtime_connections.edit  . x . x x
            runs.view                 . . x x x
            runs.cancel               . . . x x
            runs.reveal               . . . . x
            runs.decide               . . . x x
            users.view                . . x x x
            users.edit                . . . x x
            apps.edit                 . . . x x
            vars.edit                 . . . x x
            secrets.edit              . . . x x
            audit.view                . . x x x
            audit.export              . . x x x
            audit.review              . . x . x
            settings.view             . . . x x
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn an_unknown_role_and_a_person_switched_off_may_do_nothing() {
        let mut user = person("ana", &["root", "Owner", ""]);
        assert!(!P::ALL.into_iter().any(|p| may(&user, p)));
        user.roles = vec!["owner".into()];
        assert!(P::ALL.into_iter().all(|p| may(&user, p)));
        user.disabled = true;
        assert!(!P::ALL.into_iter().any(|p| may(&user, p)));
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
