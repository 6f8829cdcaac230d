//! Parameters of OAuth requests, from a query or a form: each at most once (RFC 6749, section 3.1).

use std::collections::BTreeMap;

/// The parameters of one request. Empty values count as absent, as the RFC has it.
#[derive(Debug, Default)]
pub(crate) struct Params {
    values: BTreeMap<String, String>,
    repeated: Option<String>,
}

impl Params {
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut params = Self::default();
        for (name, value) in url::form_urlencoded::parse(text) {
            if value.is_empty() {
                continue;
            }
            if params
                .values
                .insert(name.to_string(), value.into_owned())
                .is_some()
            {
                params.repeated = Some(name.into_owned());
            }
        }
        params
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A parameter that was sent more than once.
    pub(crate) fn repeated(&self) -> Option<&str> {
        self.repeated.as_deref()
    }

    /// The scopes asked for; `None` where none are named, an error where one is unknown.
    pub(crate) fn scopes(&self) -> Result<Option<Vec<String>>, String> {
        let Some(text) = self.get("scope") else {
            return Ok(None);
        };
        let scopes: Vec<String> = text
            .split(' ')
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        match scopes
            .iter()
            .find(|scope| !super::SCOPES.iter().any(|(known, _)| known == scope))
        {
            Some(unknown) => Err(format!("there is no scope {unknown}")),
            None => Ok(Some(scopes)),
        }
    }
}
