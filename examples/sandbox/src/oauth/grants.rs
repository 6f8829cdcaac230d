//! The rules about codes and tokens: what is given for what, once, for how long, and what ends it. No HTTP.
//!
//! Codes and tokens are kept as their SHA-256 only. A *grant* is what one person agreed to once; all tokens that came
//! from it are its family, and they die together (RFC 9700, section 4.14.2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::system::{random_token, s256};

/// How long a code waits to be redeemed, in milliseconds. RFC 6749 recommends ten minutes at most; one is plenty.
const CODE_TTL: i64 = 60_000;

/// What a person agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Names the grant; not a secret.
    pub id: String,
    /// The client it was given to.
    pub client: String,
    /// The name of the person who gave it.
    pub user: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// Why it no longer works; none while it does.
    pub ended: Option<Ended>,
}

/// Why a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The client gave it back (RFC 7009).
    GivenBack,
    /// The person or an operator took it away.
    TakenAway,
    /// Its code was presented a second time, so somebody else has seen it.
    CodeReused,
    /// A refresh token was presented after it had been replaced, so somebody else has it.
    RefreshTokenReused,
}

/// All grants with their codes and tokens.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    grants: BTreeMap<String, Grant>,
    codes: BTreeMap<String, Code>,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
}

/// What a code stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub client: String,
    pub user: String,
    pub scopes: Vec<String>,
    pub redirect_uri: String,
    /// The S256 challenge of PKCE (RFC 7636).
    pub challenge: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Code {
    asked: Asked,
    expires_at: i64,
    redeemed: Redeemed,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Redeemed {
    No,
    /// Presented by the right client with something else wrong: it gives nothing any more.
    Spoilt,
    For(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Access {
    grant: String,
    scopes: Vec<String>,
    expires_at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refresh {
    grant: String,
    replaced: bool,
}

/// What the token endpoint gives.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub access: String,
    pub refresh: String,
    pub user: String,
    pub scopes: Vec<String>,
}

/// Why it gives nothing; the texts are for the developer of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    InvalidGrant(&'static str),
    InvalidScope,
}

/// Who calls, and what their token allows.
#[derive(Debug, Clone)]
pub(crate) struct Bearer {
    pub user: String,
    pub scopes: Vec<String>,
}

impl Grants {
    /// A code for what a person just agreed to.
    pub(crate) fn give_code(&mut self, asked: Asked, now: i64) -> String {
        let code = random_token();
        self.codes.insert(
            s256(&code),
            Code {
                asked,
                expires_at: now + CODE_TTL,
                redeemed: Redeemed::No,
            },
        );
        code
    }

    /// Redeems a code. Every check that fails spoils it, so that nobody can try twice.
    pub(crate) fn redeem(
        &mut self,
        client: &str,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
        now: i64,
        ttl: i64,
    ) -> Result<Tokens, Refused> {
        // Another client's code is treated as unknown, or one client could spoil the codes of another.
        let known = self
            .codes
            .get_mut(&s256(code))
            .filter(|known| known.asked.client == client);
        let known = known.ok_or(Refused::InvalidGrant("the code is unknown"))?;
        match &known.redeemed {
            Redeemed::No => {}
            Redeemed::Spoilt => return Err(Refused::InvalidGrant("the code was presented before")),
            Redeemed::For(grant) => {
                let grant = grant.clone();
                self.end(&grant, Ended::CodeReused);
                return Err(Refused::InvalidGrant(
                    "the code was redeemed before; what it gave is revoked",
                ));
            }
        }
        known.redeemed = Redeemed::Spoilt;
        if known.expires_at <= now {
            return Err(Refused::InvalidGrant("the code has expired"));
        }
        if known.asked.redirect_uri != redirect_uri {
            return Err(Refused::InvalidGrant(
                "redirect_uri is not the one the code was asked with",
            ));
        }
        if s256(verifier) != known.asked.challenge {
            return Err(Refused::InvalidGrant(
                "code_verifier does not fit the code_challenge",
            ));
        }
        let grant = Grant {
            id: format!("grant_{}", self.grants.len() + 1),
            client: known.asked.client.clone(),
            user: known.asked.user.clone(),
            scopes: known.asked.scopes.clone(),
            ended: None,
        };
        known.redeemed = Redeemed::For(grant.id.clone());
        self.grants.insert(grant.id.clone(), grant.clone());
        let scopes = grant.scopes.clone();
        Ok(self.issue(&grant, scopes, now + ttl))
    }

    /// Replaces a refresh token. One that was replaced before ends the whole family.
    pub(crate) fn refresh(
        &mut self,
        client: &str,
        token: &str,
        scopes: Option<Vec<String>>,
        now: i64,
        ttl: i64,
    ) -> Result<Tokens, Refused> {
        let unknown = Refused::InvalidGrant("the refresh token is unknown or revoked");
        let known = self.refresh.get(&s256(token)).ok_or(unknown)?;
        let grant = self
            .grants
            .get(&known.grant)
            .filter(|grant| grant.client == client)
            .ok_or(unknown)?
            .clone();
        if grant.ended.is_some() {
            return Err(unknown);
        }
        if known.replaced {
            self.end(&grant.id, Ended::RefreshTokenReused);
            return Err(Refused::InvalidGrant(
                "the refresh token was replaced before; its whole family is revoked",
            ));
        }
        let scopes = scopes.unwrap_or_else(|| grant.scopes.clone());
        if !scopes.iter().all(|scope| grant.scopes.contains(scope)) {
            return Err(Refused::InvalidScope);
        }
        if let Some(known) = self.refresh.get_mut(&s256(token)) {
            known.replaced = true;
        }
        Ok(self.issue(&grant, scopes, now + ttl))
    }

    fn issue(&mut self, grant: &Grant, scopes: Vec<String>, expires_at: i64) -> Tokens {
        let (access, refresh) = (random_token(), random_token());
        self.access.insert(
            s256(&access),
            Access {
                grant: grant.id.clone(),
                scopes: scopes.clone(),
                expires_at,
            },
        );
        self.refresh.insert(
            s256(&refresh),
            Refresh {
                grant: grant.id.clone(),
                replaced: false,
            },
        );
        Tokens {
            access,
            refresh,
            user: grant.user.clone(),
            scopes,
        }
    }

    /// Gives a token back (RFC 7009): a refresh token with its whole family, an access token alone.
    pub(crate) fn give_back(&mut self, client: &str, token: &str) {
        let hash = s256(token);
        let own = |grants: &BTreeMap<String, Grant>, id: &str| {
            grants.get(id).is_some_and(|g| g.client == client)
        };
        if let Some(known) = self.refresh.get(&hash)
            && own(&self.grants, &known.grant)
        {
            let grant = known.grant.clone();
            self.end(&grant, Ended::GivenBack);
        } else if let Some(known) = self.access.get(&hash)
            && own(&self.grants, &known.grant)
        {
            self.access.remove(&hash);
        }
    }

    /// Whose access token this is, while it works.
    pub(crate) fn bearer(&self, token: &str, now: i64) -> Option<Bearer> {
        let access = self
            .access
            .get(&s256(token))
            .filter(|access| access.expires_at > now)?;
        let grant = self
            .grants
            .get(&access.grant)
            .filter(|grant| grant.ended.is_none())?;
        Some(Bearer {
            user: grant.user.clone(),
            scopes: access.scopes.clone(),
        })
    }

    /// Whose token this is or once was: for the log, never for a decision.
    pub(crate) fn once_belonged_to(&self, token: &str) -> Option<&Grant> {
        self.grants.get(&self.access.get(&s256(token))?.grant)
    }

    /// Takes away everything a person agreed to; returns how many grants that ended.
    pub(crate) fn take_away(&mut self, user: &str) -> usize {
        let of = self
            .grants
            .values()
            .filter(|grant| grant.user == user && grant.ended.is_none());
        let ids: Vec<_> = of.map(|grant| grant.id.clone()).collect();
        for id in &ids {
            self.end(id, Ended::TakenAway);
        }
        ids.len()
    }

    /// Takes away one grant of a person; nothing happens where it is not theirs.
    pub(crate) fn take_away_one(&mut self, user: &str, id: &str) {
        if self.grants.get(id).is_some_and(|grant| grant.user == user) {
            self.end(id, Ended::TakenAway);
        }
    }

    /// Lets the access tokens of a person expire now; their refresh tokens go on.
    pub(crate) fn expire_access(&mut self, user: &str) -> usize {
        let grants = &self.grants;
        let of = |access: &Access| {
            grants
                .get(&access.grant)
                .is_some_and(|grant| grant.user == user)
        };
        let before = self.access.len();
        self.access.retain(|_, access| !of(access));
        before - self.access.len()
    }

    /// All grants, oldest first.
    pub(crate) fn list(&self) -> Vec<Grant> {
        let mut all: Vec<_> = self.grants.values().cloned().collect();
        all.sort_by_key(|grant| {
            grant
                .id
                .rsplit('_')
                .next()
                .and_then(|n| n.parse::<u64>().ok())
        });
        all
    }

    fn end(&mut self, grant: &str, why: Ended) {
        if let Some(grant) = self.grants.get_mut(grant)
            && grant.ended.is_none()
        {
            grant.ended = Some(why);
        }
    }
}
