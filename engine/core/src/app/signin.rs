//! What a manifest says about signing in: the addresses, whose account it is, and which values may be kept. The exchange itself belongs
//! to whoever holds the client's secret.

use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use crate::app::address;
use crate::app::answer;
use crate::app::discovery::Metadata;
use crate::app::encode;
use crate::app::interpret::{Account, Call, OAuthEndpoints, Response};
use crate::app::manifest::Manifest;
use crate::app::perform::scope;
use crate::app::request::{Additions, Request};
use crate::error::{ErrorKind, StepError};
use crate::expr::{Scope, Template};

/// The addresses of an OAuth 2 sign-in, with places for settings.
#[derive(Debug)]
pub struct Endpoints {
    /// The issuer whose metadata tells what is not said here (RFC 8414).
    pub discovery: Option<Template>,
    /// Where the person is sent.
    pub authorize: Option<Template>,
    /// Where the code is redeemed.
    pub token: Option<Template>,
    /// Where tokens are refreshed, if elsewhere.
    pub refresh: Option<Template>,
    /// RFC 7009.
    pub revoke: Option<Template>,
    /// RFC 9207.
    pub issuer: Option<Template>,
}

/// How to find out whose account it is.
#[derive(Debug)]
pub struct AccountLookup {
    /// What to ask.
    pub request: Request,
    /// The app's stable id in the answer.
    pub subject: Template,
    /// What people call it; the subject if the manifest does not say.
    pub name: Option<Template>,
}

impl Manifest {
    /// The hosts (`host` or `host:port`) credentials may be sent to.
    ///
    /// # Errors
    /// If a setting is missing or does not fit its pattern.
    pub fn hosts(&self, facts: &Value) -> Result<Vec<String>, StepError> {
        self.site.hosts(&self.scope(facts)?)
    }

    /// The issuer whose metadata [`Self::oauth_endpoints`] needs, as a text and as an address; none if the manifest says all by itself.
    ///
    /// # Errors
    /// If a setting is missing.
    pub fn discovery(&self, facts: &Value) -> Result<Option<(String, Url)>, StepError> {
        let Some(template) = self.endpoints.as_ref().and_then(|e| e.discovery.as_ref()) else {
            return Ok(None);
        };
        let text = template.evaluate(&self.scope(facts)?)?;
        let url = address::base(&text)?;
        Ok(encode::scalar(&text).map(|text| (text, url)))
    }

    /// Whether the metadata of an issuer is asked for at all.
    pub fn discovers(&self) -> bool {
        self.endpoints
            .as_ref()
            .is_some_and(|e| e.discovery.is_some())
    }

    /// The addresses of the OAuth 2 sign-in: what the manifest says, else what the provider's metadata says.
    ///
    /// # Errors
    /// If the app has none, or a setting is missing.
    pub fn oauth_endpoints(
        &self,
        facts: &Value,
        metadata: Option<&Metadata>,
    ) -> Result<OAuthEndpoints, StepError> {
        let (Some(oauth2), Some(endpoints)) = (&self.auth.oauth2, &self.endpoints) else {
            return Err(StepError::new(
                ErrorKind::InvalidInput,
                format!("`{}` has no OAuth 2 sign-in", self.app),
            )
            .with_code("no_oauth2"));
        };
        let scope = self.scope(facts)?;
        let said =
            |template: &Option<Template>, found: Option<&Url>| -> Result<Option<Url>, StepError> {
                match template {
                    Some(template) => address::whole(&template.evaluate(&scope)?).map(Some),
                    None => Ok(found.cloned()),
                }
            };
        let need = |url: Option<Url>, what: &str| {
            url.ok_or_else(|| {
                StepError::new(
                    ErrorKind::InvalidInput,
                    format!("neither `{}` nor its provider says where {what}", self.app),
                )
                .with_code("no_oauth2")
            })
        };
        // Compared as a text (RFC 9207 §2.4), so it is kept as written.
        let issuer = match &endpoints.issuer {
            Some(issuer) => {
                let text = issuer.evaluate(&scope)?;
                address::whole(&text)?;
                encode::scalar(&text)
            }
            None => None,
        };
        let found = |part: fn(&Metadata) -> &Option<Url>| metadata.and_then(|m| part(m).as_ref());
        Ok(OAuthEndpoints {
            authorize: need(
                said(&endpoints.authorize, found(|m| &m.authorize))?,
                "people sign in",
            )?,
            token: need(
                said(&endpoints.token, found(|m| &m.token))?,
                "tokens are given",
            )?,
            refresh: said(&endpoints.refresh, None)?,
            revoke: said(&endpoints.revoke, found(|m| &m.revoke))?,
            push: found(|m| &m.push).filter(|_| oauth2.par).cloned(),
            dpop: oauth2.dpop && metadata.is_some_and(|m| m.dpop),
            issuer_always: issuer.is_some() || metadata.is_some_and(|m| m.says_issuer),
            issuer: issuer.or_else(|| metadata.map(|m| m.issuer.clone())),
            client_auth: oauth2.client_auth,
        })
    }

    /// The request that tells whose account it is.
    ///
    /// # Errors
    /// If a setting is missing.
    pub fn account_call(&self, facts: &Value) -> Result<Option<Call>, StepError> {
        self.lookup
            .as_ref()
            .map(|lookup| self.own_call(&lookup.request, facts))
            .transpose()
    }

    /// Whose account it is, from the answer.
    ///
    /// # Errors
    /// If the answer is an error or has no subject.
    pub fn account(&self, facts: &Value, response: &Response) -> Result<Account, StepError> {
        let Some(lookup) = &self.lookup else {
            return Err(StepError::new(
                ErrorKind::Internal,
                format!("`{}` cannot say whose account it is", self.app),
            ));
        };
        let scope = self.answer_scope(facts, response)?;
        if let Some(error) = answer::error(&self.errors, &[], &scope, response) {
            return Err(error);
        }
        let text = |template: &Template| {
            let value = template
                .evaluate(&scope)
                .map_err(|e| answer::unexpected(&e.message))?;
            encode::scalar(&value)
                .filter(|text| !text.trim().is_empty())
                .ok_or_else(|| answer::unexpected("it does not say whose account it is"))
        };
        // Who somebody is is never shortened: two accounts must not become one.
        let subject = text(&lookup.subject)?;
        if subject.chars().count() > answer::MOST_NAME {
            return Err(answer::unexpected("its account id is too long"));
        }
        let name = match &lookup.name {
            Some(name) => text(name)?,
            None => subject.clone(),
        };
        let name = answer::bounded(&name, answer::MOST_NAME);
        Ok(Account { subject, name })
    }

    /// The request that shows whether a credential is accepted: `auth.verify`, else the account's.
    ///
    /// # Errors
    /// If a setting is missing.
    pub fn verify_call(&self, facts: &Value) -> Result<Option<Call>, StepError> {
        match &self.verify {
            Some(request) => self.own_call(request, facts).map(Some),
            None => self.account_call(facts),
        }
    }

    /// Whether a credential is tried with another request than the one that tells whose account it is.
    pub fn verifies_apart(&self) -> bool {
        self.verify.is_some() || self.lookup.is_none()
    }

    /// Whether the answer to [`Self::verify_call`] accepts the credential.
    ///
    /// # Errors
    /// What the manifest's `errors` make of the answer.
    pub fn verified(&self, facts: &Value, response: &Response) -> Result<(), StepError> {
        let scope = self.answer_scope(facts, response)?;
        answer::error(&self.errors, &[], &scope, response).map_or(Ok(()), Err)
    }

    /// Checks values for the settings (an app client's, or kept from a token answer) against their patterns.
    ///
    /// # Errors
    /// Every setting that is missing or does not fit.
    pub fn check_settings(&self, values: &Value) -> Result<(), Vec<String>> {
        let faults = self.settings_check.faults(values);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// Of a token answer the fields that are kept on the connection, each checked against its setting's pattern: an answer must not
    /// point the connection at a foreign host. Fields that the answer does not have are left out.
    ///
    /// # Errors
    /// Every field that does not fit.
    pub fn kept_fields(&self, token_answer: &Value) -> Result<Map<String, Value>, Vec<String>> {
        let keep = self.auth.oauth2.iter().flat_map(|oauth2| &oauth2.keep);
        let kept: Map<_, _> = keep
            .filter_map(|name| {
                Some((
                    name.clone(),
                    token_answer.get(name).filter(|v| !v.is_null())?.clone(),
                ))
            })
            .collect();
        let faults: Vec<_> = kept
            .iter()
            .filter_map(|(name, value)| self.settings_check.fault(name, Some(value)))
            .collect();
        if faults.is_empty() {
            Ok(kept)
        } else {
            Err(faults)
        }
    }

    fn scope(&self, facts: &Value) -> Result<Scope, StepError> {
        Ok(scope(&Arc::default(), &Arc::new(self.facts(facts)?)))
    }

    fn answer_scope(&self, facts: &Value, response: &Response) -> Result<Scope, StepError> {
        let mut scope = self.scope(facts)?;
        scope.roots.push(("response", answer::as_value(response)));
        Ok(scope)
    }

    /// A request of the manifest itself, with the credential, to one of the app's hosts.
    fn own_call(&self, request: &Request, facts: &Value) -> Result<Call, StepError> {
        let scope = self.scope(facts)?;
        let call = request.build(&self.site, &scope, &Additions::default())?;
        if !self.site.hosts(&scope)?.contains(&address::host(&call.url)) {
            return Err(StepError::new(
                ErrorKind::Internal,
                format!("`{}` is not a host of the app", address::host(&call.url)),
            )
            .with_code("foreign_host"));
        }
        Ok(Call {
            authenticated: true,
            ..call
        })
    }
}
