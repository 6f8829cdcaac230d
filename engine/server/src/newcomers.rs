//! People whom another system vouches for: found by issuer and subject alone, never by a name or an address, and made users where that is
//! allowed. Their roles are what the other system's groups mean here, at every login anew.

use actas_core::audit::{Actor, Draft};
use actas_core::ids::UserId;
use actas_store::{Commit, IdentityRow, Op, UserRow, system};

use crate::access::ROLES;
use crate::api::users::{is_login, rights_changed};
use crate::context::Visitor;
use crate::pages::login::visitor_record;
use crate::problem::Problem;
use crate::workspaces::Workspace;

/// What another system says of somebody.
#[derive(Debug, Clone, Default)]
pub struct Vouched {
    /// Which system.
    pub issuer: String,
    /// Its word for them.
    pub subject: String,
    /// What they may be called here, the best first; whoever is called that already stays who they are.
    pub logins: Vec<String>,
    /// What people call them.
    pub name: Option<String>,
    /// Where mail reaches them.
    pub email: Option<String>,
    /// Their roles from now on; none: as they are.
    pub roles: Option<Vec<String>>,
    /// The roles of whoever becomes a user; none: nobody does.
    pub first: Option<Vec<String>>,
}

/// Why somebody is not let in, as the audit log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLetIn(pub &'static str);

/// Finds a person, or makes them a user; with what has to be written for it, and the record of what that made of them.
///
/// # Errors
/// If the store is away.
pub async fn find(
    visitor: &Visitor,
    home: &Workspace,
    vouched: Vouched,
) -> Result<Result<(UserRow, Commit), NotLetIn>, Problem> {
    let workspace = &home.id;
    let reader = visitor.app.store.reader(workspace);
    let now = visitor.now;
    let record = |action: &str, user: &UserRow, rights: Option<String>| -> Draft {
        // Nobody here did it: the other system said so.
        let mut draft = visitor_record(
            visitor,
            home,
            Actor::Engine,
            action,
            "user",
            user.id.as_str(),
        );
        draft.person = Some((user.id.clone(), user.login.clone()));
        let by = &vouched.issuer;
        draft.reason =
            Some(rights.map_or_else(|| format!("by {by}"), |it| format!("{it}, by {by}")));
        draft
    };
    let own = reader.roles().await?;
    let known = |role: &String| {
        ROLES.contains(&role.as_str()) || own.iter().any(|row| row.name.as_str() == role)
    };
    let real = |roles: Vec<String>| -> Vec<String> { roles.into_iter().filter(known).collect() };
    let roles = vouched.roles.clone().map(real);
    // Whoever is in no group that means something here has no business here.
    if roles.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Err(NotLetIn("no_role")));
    }
    let users = reader.users().await?;
    if let Some(row) = reader.identity(&vouched.issuer, &vouched.subject).await? {
        let Some(before) = users.iter().find(|user| user.id == row.user) else {
            return Ok(Err(NotLetIn("no_such_user")));
        };
        if before.disabled {
            return Ok(Err(NotLetIn("disabled")));
        }
        let mut user = before.clone();
        user.name = vouched.name.clone().unwrap_or(user.name);
        user.email = vouched.email.clone().or(user.email);
        user.roles = roles.unwrap_or(user.roles);
        let owns = |user: &UserRow| !user.disabled && user.roles.iter().any(|r| r == "owner");
        let last = owns(before)
            && !owns(&user)
            && !users.iter().any(|other| other.id != user.id && owns(other));
        if last {
            // The workspace keeps its last owner, whatever the groups say.
            user.roles.clone_from(&before.roles);
        }
        let mut led = Commit::default();
        if user != *before {
            led.audit
                .push(record("user.changed", &user, rights_changed(before, &user)));
            led.ops.push(Op::ChangeUser {
                workspace: workspace.clone(),
                user: user.clone(),
            });
        }
        return Ok(Ok((user, led)));
    }
    let Some(first) = vouched.first.clone() else {
        return Ok(Err(NotLetIn("unknown_person")));
    };
    let login = free_login(&vouched.logins, &users);
    let user = UserRow {
        id: UserId::from_bits(system::new_bits()),
        name: vouched.name.clone().unwrap_or_else(|| login.clone()),
        login,
        email: vouched.email.clone(),
        manager: None,
        password_hash: None,
        local: false,
        roles: roles.unwrap_or_else(|| real(first)),
        disabled: false,
        created_at: now,
    };
    let identity = IdentityRow {
        issuer: vouched.issuer.clone(),
        subject: vouched.subject.clone(),
        user: user.id.clone(),
        created_at: now,
    };
    let rights = format!("roles {}", user.roles.join(" "));
    let audit = vec![record("user.added", &user, Some(rights))];
    let ops = vec![
        Op::AddUser {
            workspace: workspace.clone(),
            user: user.clone(),
        },
        Op::AddIdentity {
            workspace: workspace.clone(),
            identity,
        },
    ];
    Ok(Ok((user, Commit { ops, audit })))
}

/// A login that nobody has: the first of the wishes that can be one, with a number behind it if it is taken.
fn free_login(wishes: &[String], users: &[UserRow]) -> String {
    let fits = |text: &String| -> Option<String> {
        let text = text.trim().to_lowercase();
        let text: String = text
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-_.@+".contains(*c))
            .take(80)
            .collect();
        is_login(&text).then_some(text)
    };
    let wish = wishes.iter().find_map(fits);
    let wish = wish.unwrap_or_else(|| "user".to_owned());
    let taken = |login: &str| users.iter().any(|user| user.login == login);
    if !taken(&wish) {
        return wish;
    }
    (2..=99)
        .map(|number| format!("{wish}-{number}"))
        .find(|login| !taken(login))
        .unwrap_or_else(|| {
            UserId::from_bits(system::new_bits())
                .to_string()
                .to_lowercase()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_never_gets_the_login_of_somebody_else() {
        let user = |login: &str| UserRow {
            id: UserId::from_bits(1),
            login: login.into(),
            name: login.into(),
            email: None,
            manager: None,
            password_hash: None,
            local: false,
            roles: Vec::new(),
            disabled: false,
            created_at: actas_core::Time(0),
        };
        let users = [user("ana"), user("ana-2"), user("user")];
        let login = |wishes: &[&str]| {
            let wishes: Vec<String> = wishes.iter().map(|w| (*w).to_owned()).collect();
            free_login(&wishes, &users)
        };
        assert_eq!(login(&["Ben"]), "ben");
        assert_eq!(login(&["ana"]), "ana-3");
        assert_eq!(login(&["everyone", "role:owner", "ben"]), "roleowner");
        assert_eq!(login(&["é", "erased.usr_1"]), "user-2");
    }
}
