//! Which accounts people may connect for themselves, as their workspace has decided: told by the e-mail address that the app names. What is the
//! workspace's own is not guarded here. Where an app names no address, nothing is known, and so nothing is let in.

use actas_core::ids::UserId;
use actas_core::policies::AccountGuard;
use actas_store::{ClientRow, CommitError, ReadError, Reader};

use crate::connections::{Connections, now};
use crate::who::Who;

/// Why an account is not let in. The sentence is for the person who brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Guarded {
    /// It has another address than the one Actas knows of its person.
    #[error(
        "this workspace takes only the account with the e-mail address it knows of you: sign out at the app, then sign in with that one"
    )]
    OtherEmail,
    /// Its address is of another domain.
    #[error(
        "this workspace takes only accounts of its own organisation: sign out at the app, then sign in with your account there"
    )]
    OtherDomain,
    /// Nobody knows its address, or that of its person.
    #[error(
        "this workspace tells accounts by their e-mail address, and there is none to compare: ask whoever looks after the workspace"
    )]
    NoEmail,
}

impl Guarded {
    /// A stable word for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::OtherEmail => "account_guard_email",
            Self::OtherDomain => "account_guard_domain",
            Self::NoEmail => "account_guard_no_email",
        }
    }
}

/// What a guard says to an account's name; none: it is let in.
fn judge(guard: &AccountGuard, account: &str, email: Option<&str>) -> Option<Guarded> {
    if !guard.same_email && guard.domains.is_empty() {
        return None;
    }
    let account = account.trim().to_ascii_lowercase();
    let Some(domain) = domain_of(&account) else {
        return Some(Guarded::NoEmail);
    };
    if !guard.domains.is_empty() && !guard.domains.iter().any(|of| of == domain) {
        return Some(Guarded::OtherDomain);
    }
    if !guard.same_email {
        return None;
    }
    match email.map(|email| email.trim().to_ascii_lowercase()) {
        None => Some(Guarded::NoEmail),
        Some(email) if email == account => None,
        Some(_) => Some(Guarded::OtherEmail),
    }
}

/// The domain of what looks like an e-mail address.
fn domain_of(address: &str) -> Option<&str> {
    let (local, domain) = address.rsplit_once('@')?;
    let plain = |text: &str| !text.is_empty() && !text.contains([' ', '@', '<', '>', ',']);
    (plain(local) && plain(domain)).then_some(domain)
}

/// Why a guard could not be asked, or what it said.
pub(crate) enum GuardError {
    Guarded(Guarded),
    Read(ReadError),
    Commit(CommitError),
}

impl From<ReadError> for GuardError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<CommitError> for GuardError {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

impl Connections {
    /// Whether a person may connect an account of this name. A refusal is audited with the account that came.
    pub(crate) async fn guarded(
        &self,
        reader: &Reader,
        person: &UserId,
        client: &ClientRow,
        account: &str,
        who: &Who,
    ) -> Result<(), GuardError> {
        let guard = reader.policies().await?.policies.account_guard;
        let user = reader.user(person).await?;
        let email = user.as_ref().and_then(|user| user.email.as_deref());
        let Some(refusal) = judge(&guard, account, email) else {
            return Ok(());
        };
        let mut draft = who.draft(
            reader.workspace(),
            now(),
            "account.refused",
            ("app_client", client.id.as_str()),
            "refused",
        );
        draft.person = user.map(|user| (user.id, user.login));
        draft.account = Some(account.to_owned());
        draft.reason = Some(refusal.code().to_owned());
        self.commit(Vec::new(), vec![draft]).await?;
        Err(GuardError::Guarded(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(guard: &AccountGuard, account: &str, email: Option<&str>) -> String {
        let said = judge(guard, account, email).map_or("let in", Guarded::code);
        format!("{account:20} {:17} {said}\n", email.unwrap_or("-"))
    }

    #[test]
    fn a_guard_goes_by_the_address_that_the_app_names_and_lets_nothing_unknown_in() {
        let domains = vec!["example.com".to_owned(), "example.org".to_owned()];
        let none = AccountGuard::default();
        let same = AccountGuard {
            same_email: true,
            domains: Vec::new(),
        };
        let of = AccountGuard {
            same_email: false,
            domains: domains.clone(),
        };
        let both = AccountGuard {
            same_email: true,
            domains,
        };
        let mut text = String::new();
        for (name, guard) in [
            ("none", none),
            ("same", same),
            ("domains", of),
            ("both", both),
        ] {
            text.push_str(&format!("{name}\n"));
            for (account, email) in [
                ("Ana@Example.com", Some("ana@example.com")),
                ("ana@example.com", Some("ben@example.com")),
                ("ana@evil.example.com", Some("ana@example.com")),
                ("ana@gmail.example", Some("ana@gmail.example")),
                ("a@x@example.com", None),
                ("ana", Some("ana")),
                ("ana@example.org", None),
            ] {
                text.push_str(&said(&guard, account, email));
            }
        }
        expect_test::expect![[r#"
            none
            Ana@Example.com      ana@example.com   let in
            ana@example.com      ben@example.com   let in
            ana@evil.example.com ana@example.com   let in
            ana@gmail.example    ana@gmail.example let in
            a@x@example.com      -                 let in
            ana                  ana               let in
            ana@example.org      -                 let in
            same
            Ana@Example.com      ana@example.com   let in
            ana@example.com      ben@example.com   account_guard_email
            ana@evil.example.com ana@example.com   account_guard_email
            ana@gmail.example    ana@gmail.example let in
            a@x@example.com      -                 account_guard_no_email
            ana                  ana               account_guard_no_email
            ana@example.org      -                 account_guard_no_email
            domains
            Ana@Example.com      ana@example.com   let in
            ana@example.com      ben@example.com   let in
            ana@evil.example.com ana@example.com   account_guard_domain
            ana@gmail.example    ana@gmail.example account_guard_domain
            a@x@example.com      -                 account_guard_no_email
            ana                  ana               account_guard_no_email
            ana@example.org      -                 let in
            both
            Ana@Example.com      ana@example.com   let in
            ana@example.com      ben@example.com   account_guard_email
            ana@evil.example.com ana@example.com   account_guard_domain
            ana@gmail.example    ana@gmail.example account_guard_domain
            a@x@example.com      -                 account_guard_no_email
            ana                  ana               account_guard_no_email
            ana@example.org      -                 account_guard_no_email
        "#]]
        .assert_eq(&text);
    }
}
