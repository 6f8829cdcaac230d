//! The handle of a running sandbox: start, stop, look inside, make it fail. Speaks no HTTP itself.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{self, App};
use crate::config::{Client, Config};
use crate::crm::messages::Message;
use crate::crm::people::Person;
use crate::crm::records::Record;
use crate::crm::rights::Rights;
use crate::erp::Document;
use crate::faults::Fault;
use crate::log::{Calls, Counts, Entry};
use crate::oauth::grants::Grant;
use crate::state::State;
use crate::wire::{Peer, Wires};
use crate::{admin, crm, erp, log, oauth, pages};

/// A running sandbox. It ends when this is dropped; [`Sandbox::stop`] waits for it.
#[derive(Debug)]
pub struct Sandbox {
    app: Arc<App>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

impl Sandbox {
    /// Starts a sandbox on the running tokio runtime. It listens when this returns.
    ///
    /// # Errors
    /// The address can't be listened on, or the state file can't be read.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let url = config
            .public_url
            .unwrap_or_else(|| format!("http://{address}"));
        let saved = config
            .state_file
            .as_deref()
            .map(app::load)
            .transpose()?
            .flatten();
        let mut state = saved.unwrap_or_else(State::new);
        state.configure(&config.clients, config.access_token_ttl);
        let app = App::new(
            url.trim_end_matches('/').to_owned(),
            config.admin,
            state,
            config.state_file,
        );
        let app = Arc::new(app);
        // What was configured is saved at once, so that a first start already leaves a state that can be read.
        app.write(|_| ());

        let service = router(&app).into_make_service_with_connect_info::<Peer>();
        let (stop, mut stopped) = watch::channel(false);
        let serve = axum::serve(Wires(listener), service).with_graceful_shutdown(async move {
            // An error means that the handle was dropped, which is a stop as well.
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        let server = tokio::spawn(serve.into_future());
        Ok(Self {
            app,
            address,
            stop,
            server,
        })
    }

    /// Stops listening, and waits up to two seconds for the requests under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.app.faults.clear();
        let Self { mut server, .. } = self;
        if tokio::time::timeout(Duration::from_secs(2), &mut server)
            .await
            .is_err()
        {
            server.abort();
        }
    }

    /// Where it is, without a slash at the end: the `instance_url` and the OAuth issuer.
    pub fn url(&self) -> &str {
        &self.app.url
    }

    /// What it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a client known, or changes the one with this id.
    pub fn register_client(&self, client: Client) {
        self.app
            .write(|state| state.clients.insert(client.id.clone(), client));
    }

    /// Makes a person known who may do everything; their password is [`crate::password_of`] the name.
    pub fn add_person(&self, name: &str) {
        self.app.write(|state| {
            let number = state.people.len() + 1;
            state
                .people
                .entry(name.to_owned())
                .or_insert_with(|| Person::new(number, name, name));
        });
    }

    /// How long access tokens given from now on live.
    pub fn set_access_token_ttl(&self, ttl: Duration) {
        self.app.write(|state| state.configure(&[], ttl));
    }

    /// Replaces the rights of a person. Returns whether there is such a person.
    pub fn set_rights(&self, user: &str, rights: Rights) -> bool {
        self.app.write(|state| {
            state
                .people
                .get_mut(user)
                .map(|person| person.rights = rights)
                .is_some()
        })
    }

    /// Takes away all grants of a person, as they themselves could in their account; returns how many there were.
    pub fn revoke_user(&self, user: &str) -> usize {
        self.app.write(|state| state.grants.take_away(user))
    }

    /// Lets the access tokens of a person expire now, while their refresh tokens go on; returns how many there were.
    pub fn expire_access_tokens(&self, user: &str) -> usize {
        self.app.write(|state| state.grants.expire_access(user))
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.app.faults.add(fault);
    }

    /// Forgets all faults and lets go the requests that are held.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// How many requests are held by a fault right now.
    pub fn held(&self) -> usize {
        self.app.faults.held()
    }

    /// Lets go the requests that are held.
    pub fn release(&self) {
        self.app.faults.release();
    }

    /// Every request since the start or the last [`Sandbox::clear_log`], pages too.
    pub fn log(&self) -> Vec<Entry> {
        self.app.log.all()
    }

    /// Forgets the log.
    pub fn clear_log(&self) {
        self.app.log.clear();
    }

    /// The calls to the API.
    pub fn calls(&self) -> Calls {
        self.app.log.calls()
    }

    /// The requests to the token endpoint.
    pub fn token_requests(&self) -> Calls {
        self.app.log.token_requests()
    }

    /// How often what was asked.
    pub fn counts(&self) -> Counts {
        self.app.log.counts()
    }

    /// All records of everybody, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.app
            .read(|state| state.records.iter().cloned().collect())
    }

    /// All messages of everybody, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.app.read(|state| state.messages.clone())
    }

    /// All documents of the ERP, oldest first.
    pub fn documents(&self) -> Vec<Document> {
        self.app.read(|state| state.erp.documents().to_vec())
    }

    /// Changes a person's password in the ERP, as they themselves could there.
    pub fn set_erp_password(&self, user: &str, password: &str) {
        self.app.write(|state| {
            let passwords = &mut state.erp.passwords;
            passwords.insert(user.to_owned(), password.to_owned())
        });
    }

    /// Makes a key or PIN of the ERP out to a person.
    pub fn add_erp_key(&self, user: &str, key: &str) {
        self.app
            .write(|state| state.erp.keys.insert(key.to_owned(), user.to_owned()));
    }

    /// Takes a key or PIN of the ERP back.
    pub fn drop_erp_key(&self, key: &str) {
        self.app.write(|state| state.erp.keys.remove(key));
    }

    /// How often somebody came to the ERP with a wrong password, key or PIN.
    pub fn erp_refusals(&self) -> u64 {
        self.app.read(|state| state.erp.refused)
    }

    /// The calls to the ERP.
    pub fn erp_calls(&self) -> Calls {
        self.app.log.erp_calls()
    }

    /// All that people agreed to, oldest first, with what became of it.
    pub fn grants(&self) -> Vec<Grant> {
        self.app.read(|state| state.grants.list())
    }

    /// As new, but for the clients and the lifetime of tokens: no records, grants, sessions, faults or log.
    pub fn reset(&self) {
        reset(&self.app);
    }
}

/// See [`Sandbox::reset`].
pub(crate) fn reset(app: &App) {
    app.write(|state| {
        let fresh = State::new();
        let old = std::mem::replace(state, fresh);
        state.clients = old.clients;
        state.access_token_ttl = old.access_token_ttl;
    });
    app.faults.clear();
    app.log.clear();
}

fn router(app: &Arc<App>) -> Router {
    Router::new()
        .merge(pages::routes())
        .merge(oauth::routes())
        .merge(crm::routes())
        .merge(erp::routes())
        .merge(admin::routes(app.admin))
        .layer(middleware::from_fn_with_state(Arc::clone(app), log::record))
        .with_state(Arc::clone(app))
}
