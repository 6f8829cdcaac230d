//! Where a page leads back to: the name of a page we know, never an address.

use std::fmt;
use std::str::FromStr;

use actas_core::ids::{FlowName, RequestId, RunId, SignInId};

/// A page of ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// The first page.
    #[default]
    Home,
    /// A run.
    Run(RunId),
    /// A sign-in that a run waits for.
    Connect(SignInId),
    /// All accounts that a run reaches.
    Accounts(RunId),
    /// All accounts that a flow reaches, ahead of a run.
    Ahead(FlowName),
    /// An approval or a decision that a run waits for.
    Approval(RequestId),
    /// What waits for somebody.
    Requests,
    /// A flow's form.
    Flow(FlowName),
    /// A connection to be made or renewed from the list, by what the link said.
    Link(crate::pages::link::LinkTarget),
}

impl Target {
    /// Its path.
    pub fn path(&self) -> String {
        match self {
            Self::Home => "/".to_owned(),
            Self::Run(run) => format!("/runs/{run}"),
            Self::Connect(sign_in) => format!("/connect/{sign_in}"),
            Self::Accounts(run) => format!("/connect/run/{run}"),
            Self::Ahead(flow) => format!("/connect/flow/{flow}"),
            Self::Approval(request) => format!("/approvals/{request}"),
            Self::Requests => "/requests".to_owned(),
            Self::Flow(flow) => format!("/flows/{flow}"),
            Self::Link(link) => link.path(),
        }
    }

    /// The page of a path, to come back to after logging in.
    pub fn of_path(path: &str) -> Self {
        match path.trim_start_matches('/').split_once('/') {
            Some(("connect", rest)) => match rest.split_once('/') {
                Some(("run", run)) => Self::of(&format!("accounts:{run}")),
                Some(("flow", flow)) => Self::of(&format!("ahead:{flow}")),
                _ => Self::of(&format!("connect:{rest}")),
            },
            Some(("approvals", id)) => Self::of(&format!("approval:{id}")),
            Some(("runs", id)) => Self::of(&format!("run:{id}")),
            Some(("flows", name)) => Self::of(&format!("flow:{name}")),
            Some(("link", link)) => Self::of(&format!("link:{}", link.replace('/', ":"))),
            None if path == "/requests" => Self::Requests,
            _ => Self::Home,
        }
    }

    /// What a parameter named; anything unknown leads home.
    pub fn of(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home => f.write_str("home"),
            Self::Run(run) => write!(f, "run:{run}"),
            Self::Connect(sign_in) => write!(f, "connect:{sign_in}"),
            Self::Accounts(run) => write!(f, "accounts:{run}"),
            Self::Ahead(flow) => write!(f, "ahead:{flow}"),
            Self::Approval(request) => write!(f, "approval:{request}"),
            Self::Requests => f.write_str("requests"),
            Self::Flow(flow) => write!(f, "flow:{flow}"),
            Self::Link(link) => write!(f, "link:{link}"),
        }
    }
}

/// The text names no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such page")]
pub struct Unknown;

impl FromStr for Target {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text.split_once(':') {
            None if text == "home" => Ok(Self::Home),
            None if text == "requests" => Ok(Self::Requests),
            Some(("approval", id)) => id.parse().map(Self::Approval).map_err(|_| Unknown),
            Some(("accounts", id)) => id.parse().map(Self::Accounts).map_err(|_| Unknown),
            Some(("ahead", name)) => name.parse().map(Self::Ahead).map_err(|_| Unknown),
            Some(("run", id)) => id.parse().map(Self::Run).map_err(|_| Unknown),
            Some(("connect", id)) => id.parse().map(Self::Connect).map_err(|_| Unknown),
            Some(("flow", name)) => name.parse().map(Self::Flow).map_err(|_| Unknown),
            Some(("link", link)) => link.parse().map(Self::Link).map_err(|_| Unknown),
            _ => Err(Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_pages_can_be_returned_to() {
        for known in [
            Target::Run(RunId::from_bits(1)),
            Target::Approval(RequestId::from_bits(1)),
            Target::Requests,
            Target::Accounts(RunId::from_bits(1)),
            Target::Ahead("new-opportunity".parse().expect("a flow")),
        ] {
            assert_eq!(Target::of(&known.to_string()), known);
            assert_eq!(Target::of_path(&known.path()), known);
        }
        for odd in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "run:https://evil.example",
            "connect:../../logout",
            "accounts:../../logout",
            "/connect/run/../../logout",
            "/connect/elsewhere/x",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(Target::of(odd), Target::Home, "{odd}");
            assert_eq!(Target::of_path(odd), Target::Home, "{odd}");
        }
    }
}
