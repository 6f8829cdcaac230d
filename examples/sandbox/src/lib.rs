//! The sandbox: a small CRM with its own OAuth 2 server, for `actas demo`, for tests and for people.
//!
//! It plays the part of a real system out there, so it knows nothing of Actas and uses no crate of it. Its
//! authorisation server keeps the rules that real ones keep (PKCE, exact redirect URIs, single-use codes, rotating
//! refresh tokens whose reuse ends the whole family), its API refuses what a person may not do, and every record
//! carries the name of the person whose token made it. What tests need beyond that, looking inside and making it
//! fail on purpose, stands apart: methods of [`Sandbox`], and the same over HTTP under `/_sandbox` where enabled.
//!
//! ```no_run
//! # async fn story() -> std::io::Result<()> {
//! use actas_sandbox::{Client, Config, Sandbox};
//!
//! let client = Client::new("actas", "a secret", ["http://localhost:8080/oauth/callback/ac_1"]);
//! let crm = Sandbox::start(Config { clients: vec![client], ..Config::default() }).await?;
//! println!("{}", crm.url());
//! assert_eq!(crm.calls().count(), 0);
//! crm.stop().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod app;
mod config;
mod crm;
mod erp;
mod faults;
mod log;
mod oauth;
mod pages;
mod sandbox;
mod state;
mod system;
mod wire;

pub use config::{Client, Config};
pub use crm::accounts::Account;
pub use crm::messages::Message;
pub use crm::people::{PEOPLE, Person, password_of};
pub use crm::records::Record;
pub use crm::rights::Rights;
pub use erp::{Document, erp_password_of};
pub use faults::{Act, Answer, Fault};
pub use log::{Calls, Counts, Entry};
pub use oauth::grants::{Ended, Grant};
pub use sandbox::Sandbox;
