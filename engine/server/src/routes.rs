//! The table of all routes, and the router built from it. A route says what it needs and who may call it in the same value that names its
//! handler; there is no other way to add one.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use futures::future::BoxFuture;

use crate::access::Privilege as P;
use crate::app::App;
use crate::call::Call;
use crate::context::{Context, Visitor};
use crate::problem::Problem;
use crate::{api, gate, pages};

/// What a handler gives back.
pub type Answer = Result<Response, Problem>;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Anybody.
    Public,
    /// A person: in a browser with a session, or at this machine's command line.
    Session,
    /// A person, or a program with an API token.
    Either,
    /// A person, or a program with an API token that was given the scope `approvals`.
    Answering,
    /// The operator of this machine, through the socket in the data directory, and nobody else.
    Operator,
    /// Another system. No cookie counts, so that it may come from anywhere; what it shows, the handler judges.
    Machine,
}

/// What kind of thing it answers with: decides how refusals look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON and problem documents.
    Api,
    /// HTML for a browser with a session.
    Page,
    /// A style sheet or script of ours.
    Asset,
}

/// What the caller needs beyond being recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is about themselves, or the handler asks for the thing at hand.
    Own,
    /// This.
    Privilege(P),
}

/// Whose the thing is that a route's path names, and so what becomes of whoever asks for it. The test of the matrix asks as everybody, for
/// one's own, for another's and for what is not there, and holds the answers against this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nobody has said: the test of the matrix fails, and says what to write.
    Unsaid,
    /// It names nothing, or nothing that is anybody's.
    Nothing,
    /// It names a thing of the workspace: whoever may call the route reaches it.
    Workspace,
    /// It names a flow: known to whoever may see flows, and to whoever is on its run list.
    Listed,
    /// It names a person's thing: to everybody else it is not there.
    Own,
    /// It names a person's thing: to everybody else it is not there either, but for whoever has one of these privileges.
    Others(&'static [P], Act),
    /// The path holds a word that nobody can guess: whoever knows it is the one it was given to.
    Word,
}

/// What somebody does with another person's thing that they may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// What the route does.
    Freely,
    /// The same with this privilege, else 403.
    With(P),
    /// Nothing: 403.
    Never,
}

/// The code behind a route.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Gets a visitor.
    Public(fn(Visitor, Call) -> BoxFuture<'static, Answer>),
    /// Gets somebody who was recognised.
    Private(fn(Context, Call) -> BoxFuture<'static, Answer>),
}

/// A route.
#[derive(Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// What it answers with.
    pub kind: Kind,
    /// Who may call it.
    pub caller: Caller,
    /// What they need.
    pub needs: Needs,
    /// Whose the thing is that the path names.
    pub reach: Reach,
    /// What it does, in a sentence, for the API's description.
    pub about: &'static str,
    /// Its code.
    pub handler: Handler,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

macro_rules! public {
    ($kind:ident $method:ident $path:literal $handler:path, $about:literal) => {
        public!($kind $method $path Public $handler, $about)
    };
    ($kind:ident $method:ident $path:literal $caller:ident $handler:path, $about:literal) => {
        // Nobody is known there, so nothing is anybody's.
        Route {
            method: Method::$method,
            path: $path,
            kind: Kind::$kind,
            caller: Caller::$caller,
            needs: Needs::Own,
            reach: Reach::Nothing,
            about: $about,
            handler: Handler::Public(|visitor, call| Box::pin($handler(visitor, call))),
        }
    };
}

macro_rules! private {
    ($kind:ident $method:ident $path:literal $caller:ident $needs:expr, $handler:path, $about:literal) => {
        private!($kind $method $path $caller $needs, $handler, $about, Reach::Unsaid)
    };
    ($kind:ident $method:ident $path:literal $caller:ident $needs:expr, $handler:path, $about:literal, $reach:expr) => {
        Route {
            method: Method::$method,
            path: $path,
            kind: Kind::$kind,
            caller: Caller::$caller,
            needs: $needs,
            reach: $reach,
            about: $about,
            handler: Handler::Private(|context, call| Box::pin($handler(context, call))),
        }
    };
}

const OWN: Needs = Needs::Own;

use Reach::{Listed, Nothing, Others, Own, Workspace};

/// Another's run: there for whoever may see runs.
const fn run(act: Act) -> Reach {
    Others(&[P::RunsView], act)
}

const fn with(privilege: P) -> Needs {
    Needs::Privilege(privilege)
}

/// All routes. Those of a terminal's links exist only where the server was started with them.
pub fn table(terminal: bool) -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(public_routes());
    routes.extend(page_routes());
    routes.extend(flow_routes());
    routes.extend(run_routes());
    routes.extend(own_routes());
    routes.extend(workspace_routes());
    routes.extend(operator_routes());
    routes.extend(lifecycle_routes());
    routes.extend(people_routes());
    if terminal {
        routes.push(public!(Page GET "/terminal/{token}" pages::terminal::show, "The link a terminal on this machine printed."));
        routes.push(public!(Page POST "/terminal/{token}" pages::terminal::enter, "Exchanges the terminal's link for a session."));
    }
    routes
}

fn public_routes() -> Vec<Route> {
    vec![
        public!(Api GET "/healthz" api::health::alive, "Whether the process lives."),
        public!(Api GET "/readyz" api::health::ready, "Whether it can take requests."),
        public!(Api GET "/api/v1/openapi.json" api::health::openapi, "This description."),
        public!(Asset GET "/assets/{file}" pages::assets::show, "Style sheet and scripts of the pages."),
        public!(Page GET "/w/{workspace}/login" pages::login::show, "The login page."),
        public!(Page POST "/w/{workspace}/login" pages::login::enter, "Logs in."),
        public!(Page GET "/w/{workspace}/link/{token}" pages::login::link, "A one-time login link."),
        public!(Page POST "/w/{workspace}/link/{token}" pages::login::use_link, "Uses a one-time login link up."),
        public!(Page POST "/w/{workspace}/oidc" pages::elsewhere::begin, "Logs in at the workspace's own provider."),
        public!(Page GET "/w/{workspace}/oidc/callback" pages::elsewhere::come_back, "Where that provider sends people back to."),
        public!(Page GET "/w/{workspace}/enter/{token}" pages::elsewhere::show_entry, "A one-time link by the word of an application."),
        public!(Page POST "/w/{workspace}/enter/{token}" pages::elsewhere::enter, "Uses it up."),
        // What the application signed is judged, and nothing else.
        public!(Api POST "/api/v1/sessions" Machine api::trusted::exchange, "Exchanges what a trusted application signed about one of its people for a link or a token."),
        public!(Api POST "/hooks/callback/{run}/{step}" Machine api::callbacks::come, "Calls a waiting step back; the address is given out once and works once."),
        // Another system's signature is judged over the bytes it sent.
        public!(Api POST "/hooks/{hook}" Machine api::hooks::receive, "Starts a flow for another system."),
        // Who brings it is judged where the code would be redeemed, with what the store knows of the attempt.
        public!(Page GET "/oauth/callback/{client}" pages::callback::show, "Where a provider sends people back to."),
    ]
}

fn page_routes() -> Vec<Route> {
    vec![
        private!(Page GET "/" Session OWN, pages::home::show, "My flows, requests, runs and connections.", Nothing),
        private!(Page POST "/logout" Session OWN, pages::login::leave, "Logs out.", Nothing),
        private!(Page GET "/flows/{flow}" Session with(P::FlowsRun), pages::flow::show, "A flow's form.", Listed),
        private!(Page POST "/flows/{flow}" Session with(P::FlowsRun), pages::flow::run, "Runs a flow from its form.", Listed),
        private!(Page GET "/runs/{run}" Session OWN, pages::run::show, "A run.", run(Act::Freely)),
        private!(Page POST "/runs/{run}/cancel" Session OWN, pages::run::cancel, "Cancels a run.", run(Act::With(P::RunsCancel))),
        private!(Page GET "/requests" Session OWN, pages::requests::show, "What waits for me.", Nothing),
        private!(Page GET "/approvals/{request}" Session OWN, pages::approval::show, "An approval or a decision that a run waits for.", Others(&[P::RunsDecide], Act::Freely)),
        private!(Page POST "/approvals/{request}" Session OWN, pages::approval::answer, "Decides it, or signs in first.", Others(&[P::RunsDecide], Act::Freely)),
        private!(Page GET "/connect/{sign_in}" Session OWN, pages::connect::show, "A sign-in that a run waits for.", Own),
        private!(Page POST "/connect/{sign_in}" Session OWN, pages::connect::answer, "Signs in, agrees or declines.", Own),
        private!(Page GET "/connect/run/{run}" Session OWN, pages::accounts::of_run, "All accounts that a run reaches.", Own),
        private!(Page POST "/connect/run/{run}" Session OWN, pages::accounts::answer_of_run, "Connects one of them, or declines it.", Own),
        private!(Page GET "/connect/flow/{flow}" Session with(P::FlowsRun), pages::accounts::of_flow, "All accounts that a flow reaches, ahead of a run.", Listed),
        private!(Page POST "/connect/flow/{flow}" Session with(P::FlowsRun), pages::accounts::answer_of_flow, "Connects one of them.", Listed),
        private!(Page GET "/link/{what}/{first}" Session OWN, pages::link::show, "A connection to make or renew.", Own),
        private!(Page POST "/link/{what}/{first}" Session OWN, pages::link::begin, "Begins to make or renew a connection.", Own),
        private!(Page GET "/link/{what}/{first}/{second}" Session OWN, pages::link::show, "A connection to make.", Listed),
        private!(Page POST "/link/{what}/{first}/{second}" Session OWN, pages::link::begin, "Begins to make a connection.", Listed),
        private!(Page POST "/connections/{connection}/disconnect" Session OWN, pages::home::disconnect, "Disconnects one's own connection.", Own),
        private!(Page POST "/connections/{connection}/delete" Session OWN, pages::home::delete, "Deletes one's own connection.", Own),
    ]
}

fn flow_routes() -> Vec<Route> {
    vec![
        private!(Api POST "/api/v1/validate" Either with(P::FlowsView), api::flows::validate, "All faults of a flow's text.", Nothing),
        private!(Api GET "/api/v1/flows" Either OWN, api::flows::list, "The flows one may see or run.", Nothing),
        private!(Api GET "/api/v1/flows/{flow}" Either OWN, api::flows::show, "A flow.", Listed),
        private!(Api GET "/api/v1/flows/{flow}/draft" Either with(P::FlowsEdit), api::drafts::show, "The draft, as YAML or JSON.", Listed),
        private!(Api PUT "/api/v1/flows/{flow}/draft" Either with(P::FlowsEdit), api::drafts::save, "Saves the draft; build-time values are set apart.", Nothing),
        private!(Api POST "/api/v1/flows/{flow}/draft/runs" Either with(P::FlowsEdit), api::drafts::run, "Runs the draft as its author.", Listed),
        private!(Api GET "/api/v1/flows/{flow}/versions" Either with(P::FlowsView), api::versions::list, "All published versions.", Listed),
        private!(Api POST "/api/v1/flows/{flow}/versions" Either with(P::FlowsPublish), api::versions::publish, "Publishes the draft as the next version.", Listed),
        private!(Api GET "/api/v1/flows/{flow}/versions/{number}" Either with(P::FlowsView), api::versions::show, "A version.", Listed),
        private!(Api GET "/api/v1/flows/{flow}/versions/{number}/export" Either with(P::FlowsView), api::versions::export, "A version as a file.", Listed),
        private!(Api GET "/api/v1/flows/{flow}/difference" Either with(P::FlowsView), api::versions::differ, "What is different between two versions.", Listed),
        private!(Api POST "/api/v1/flows/{flow}/rollback" Either with(P::FlowsPublish), api::versions::roll_back, "Makes a new version that is equal to an older one.", Listed),
        private!(Api GET "/api/v1/flows/{flow}/accounts" Either with(P::FlowsRun), api::flows::accounts, "What the invoker would have to connect.", Listed),
        private!(Api POST "/api/v1/flows/{flow}/sign-ins" Either with(P::FlowsRun), api::flows::sign_ins, "The page to connect all accounts of the flow at, ahead of a run.", Listed),
        private!(Api GET "/api/v1/flows/{flow}/runners" Either with(P::FlowsView), api::flows::runners, "Who may run it.", Listed),
        private!(Api PUT "/api/v1/flows/{flow}/runners" Either with(P::FlowsPublish), api::flows::set_runners, "Says who may run it.", Listed),
        private!(Api POST "/api/v1/flows/{flow}/stop" Either with(P::FlowsStop), api::flows::stop, "Stops it: new runs are refused.", Listed),
        private!(Api POST "/api/v1/flows/{flow}/start" Either with(P::FlowsStop), api::flows::start, "Starts it again.", Listed),
    ]
}

fn run_routes() -> Vec<Route> {
    vec![
        private!(Api POST "/api/v1/flows/{flow}/runs" Either with(P::FlowsRun), api::runs::create, "Runs the published version.", Listed),
        private!(Api GET "/api/v1/runs" Either OWN, api::runs::list, "One's own runs, or all with the privilege.", Nothing),
        private!(Api GET "/api/v1/runs/{run}" Either OWN, api::runs::show, "A run.", run(Act::Freely)),
        private!(Api GET "/api/v1/runs/{run}/journal" Either OWN, api::runs::journal, "What happened in a run, in order.", run(Act::Freely)),
        private!(Api GET "/api/v1/runs/{run}/events" Either OWN, api::events::stream, "The run's document at every change, as server-sent events.", run(Act::Freely)),
        private!(Api POST "/api/v1/runs/{run}/cancel" Either OWN, api::runs::cancel, "Cancels a run.", run(Act::With(P::RunsCancel))),
        private!(Api POST "/api/v1/runs/{run}/retry" Either with(P::FlowsRun), api::runs::retry, "Goes on from where a run of one's own failed, in a new run.", run(Act::Never)),
        private!(Api POST "/api/v1/runs/{run}/replay" Either with(P::FlowsRun), api::runs::replay, "Runs the same version with the same inputs anew, as the caller.", run(Act::With(P::FlowsRun))),
        private!(Api POST "/api/v1/runs/{run}/approve" Answering OWN, api::answers::approve, "Approves or rejects what a step asks; by those who are asked.", run(Act::Never)),
        private!(Api POST "/api/v1/runs/{run}/decide" Answering OWN, api::answers::decide, "Says what is true of a step whose outcome nobody knows.", Others(&[P::RunsView, P::RunsDecide], Act::With(P::RunsDecide))),
        private!(Api POST "/api/v1/runs/{run}/callback" Either OWN, api::answers::callback, "Brings a waiting step the call it waits for.", Others(&[P::RunsView, P::RunsDecide], Act::With(P::RunsDecide))),
    ]
}

fn own_routes() -> Vec<Route> {
    vec![
        private!(Api GET "/api/v1/me" Either OWN, api::me::show, "Who one is and what one may do.", Nothing),
        private!(Api GET "/api/v1/me/requests" Either OWN, api::me::requests, "What is asked of me.", Nothing),
        private!(Api GET "/api/v1/me/connections" Either OWN, api::me::connections, "My connections.", Nothing),
        private!(Api POST "/api/v1/me/connections" Either OWN, api::me::connect, "The page to make a connection of mine at.", Nothing),
        private!(Api PUT "/api/v1/me/connections/{connection}/password" Session OWN, api::typed::set_own, "Gives a connection of mine a new password or key.", Own),
        private!(Api POST "/api/v1/me/connections/{connection}/reconnect" Either OWN, api::me::reconnect, "The page to renew a connection of mine at.", Own),
        private!(Api POST "/api/v1/me/connections/{connection}/disconnect" Either OWN, api::me::disconnect, "Disconnects a connection of mine.", Own),
        private!(Api DELETE "/api/v1/me/connections/{connection}" Either OWN, api::me::delete, "Deletes a connection of mine.", Own),
        private!(Api GET "/api/v1/tokens" Either OWN, api::tokens::list, "One's own API tokens, or with the privilege those of others.", Nothing),
        private!(Api POST "/api/v1/tokens" Session OWN, api::tokens::add, "Makes an API token; shown once.", Nothing),
        private!(Api DELETE "/api/v1/tokens/{token}" Either OWN, api::tokens::revoke, "Revokes an API token; what it has open ends.", Others(&[P::TokensView], Act::Freely)),
    ]
}

fn workspace_routes() -> Vec<Route> {
    vec![
        private!(Api GET "/api/v1/connections" Either with(P::ConnectionsView), api::connections::list, "Shared connections.", Nothing),
        private!(Api POST "/api/v1/connections" Either with(P::ConnectionsAdd), api::connections::add, "The page to make a shared connection at.", Nothing),
        private!(Api GET "/api/v1/connections/{connection}" Either with(P::ConnectionsView), api::connections::show, "A shared connection.", Workspace),
        private!(Api PUT "/api/v1/connections/{connection}/password" Session with(P::ConnectionsEdit), api::typed::set_shared, "Gives a shared connection a new password or key.", Workspace),
        private!(Api DELETE "/api/v1/connections/{connection}" Either with(P::ConnectionsDelete), api::connections::delete, "Deletes a shared connection; stops the flows that use it.", Workspace),
        private!(Api GET "/api/v1/runtime-connections" Either with(P::RuntimeConnectionsView), api::connections::personal, "Whose personal connections there are.", Nothing),
        private!(Api DELETE "/api/v1/runtime-connections/{connection}" Either with(P::ConnectionsDelete), api::connections::delete_personal, "Deletes a person's connection.", Workspace),
        private!(Api GET "/api/v1/apps" Either OWN, api::apps::list, "The apps there are.", Nothing),
        private!(Api GET "/api/v1/apps/{app}" Either OWN, api::apps::show, "An app with its modules.", Workspace),
        private!(Api GET "/api/v1/apps/{app}/clients" Either with(P::ConnectionsView), api::apps::clients, "How the workspace is known to an app.", Workspace),
        private!(Api POST "/api/v1/apps/{app}/clients" Either with(P::AppsEdit), api::apps::add_client, "Makes an app client.", Workspace),
        private!(Api PUT "/api/v1/apps/{app}/clients/{name}" Either with(P::AppsEdit), api::apps::change_client, "Changes an app client.", Workspace),
        private!(Api GET "/api/v1/vars" Either with(P::FlowsView), api::values::vars, "The workspace's values that flows read.", Nothing),
        private!(Api PUT "/api/v1/vars/{name}" Either with(P::VarsEdit), api::values::set_var, "Sets a value.", Workspace),
        private!(Api DELETE "/api/v1/vars/{name}" Either with(P::VarsEdit), api::values::delete_var, "Deletes a value.", Workspace),
        private!(Api GET "/api/v1/secrets" Either with(P::FlowsView), api::values::secrets, "The names of the workspace's secrets.", Nothing),
        private!(Api POST "/api/v1/secrets" Either with(P::SecretsEdit), api::values::add_secret, "Adds a secret; it never comes out again.", Nothing),
        private!(Api PUT "/api/v1/secrets/{name}" Either with(P::SecretsEdit), api::values::rotate_secret, "Gives a secret another value.", Workspace),
        private!(Api DELETE "/api/v1/secrets/{name}" Either with(P::SecretsEdit), api::values::delete_secret, "Deletes a secret.", Workspace),
        private!(Api GET "/api/v1/audit" Either with(P::AuditView), api::audit::list, "Audit records, newest first.", Nothing),
        private!(Api GET "/api/v1/audit/{seq}" Either with(P::AuditView), api::audit::show, "One audit record.", Workspace),
        private!(Api GET "/api/v1/audit/verify" Either with(P::AuditView), api::audit::verify, "Whether the chain is as it was written.", Nothing),
        private!(Api GET "/api/v1/audit/export" Either with(P::AuditExport), api::audit::export, "The audit log or a part of it, as JSON Lines that prove themselves or as CSV.", Nothing),
        private!(Api GET "/api/v1/audit/reviews" Either with(P::AuditView), api::audit::reviews, "How far the audit log was reviewed, and by whom.", Nothing),
        private!(Api POST "/api/v1/audit/reviews" Session with(P::AuditReview), api::audit::review, "Leaves the reviewer's own record.", Nothing),
        private!(Api GET "/api/v1/audit/key" Either with(P::AuditView), api::audit::key, "The public key that checkpoints of the audit log are signed with.", Nothing),
        private!(Api GET "/api/v1/audit/checkpoint" Either with(P::AuditView), api::audit::consistency, "Signs the audit log as it stands; with a size, also a proof that it only grew since.", Nothing),
        private!(Api GET "/api/v1/settings" Either with(P::SettingsView), api::health::settings, "Effective settings, secrets hidden.", Nothing),
    ]
}

fn lifecycle_routes() -> Vec<Route> {
    vec![
        private!(Api DELETE "/api/v1/flows/{flow}" Either with(P::FlowsDelete), api::lifecycle::delete_flow, "Deletes a flow of which no run is living; its versions stay for the audit.", Listed),
        private!(Api DELETE "/api/v1/apps/{app}/clients/{name}" Either with(P::AppsEdit), api::lifecycle::delete_client, "Deletes an app client that no connection was made with.", Workspace),
        private!(Api GET "/api/v1/me/connections/{connection}" Either OWN, api::grants::connection, "A connection of mine.", Own),
        private!(Api GET "/api/v1/me/connections/{connection}/where-used" Either OWN, api::grants::where_used, "Where a connection of mine is used.", Own),
        private!(Api POST "/api/v1/me/connections/{connection}/switch" Either OWN, api::grants::switch, "The page to sign in at with another account, in the place of this one.", Own),
        private!(Api GET "/api/v1/me/grants" Either OWN, api::grants::list, "What I agreed to, slot by slot, with the accounts I can choose.", Nothing),
        private!(Api PUT "/api/v1/me/grants/{flow}/{slot}" Session OWN, api::grants::choose, "Chooses another account of mine for a slot.", Own),
        private!(Api DELETE "/api/v1/me/grants/{flow}/{slot}" Session OWN, api::grants::withdraw, "Takes back what I agreed to for a slot.", Own),
        private!(Api GET "/api/v1/connections/{connection}/impact" Either with(P::ConnectionsView), api::lifecycle::show_impact, "What deleting a shared connection would stop, and whom it is about.", Workspace),
        private!(Api GET "/api/v1/connections/{connection}/where-used" Either with(P::ConnectionsView), api::lifecycle::where_used, "The flows and drafts that use a shared connection.", Workspace),
        private!(Api POST "/api/v1/connections/{connection}/disconnect" Either with(P::ConnectionsEdit), api::lifecycle::disconnect, "Disconnects a shared connection.", Workspace),
        private!(Api POST "/api/v1/connections/{connection}/reconnect" Either with(P::ConnectionsEdit), api::lifecycle::reconnect, "The page to renew a shared connection at.", Workspace),
        private!(Api POST "/api/v1/connections/{connection}/adopt" Either with(P::ConnectionsEdit), api::lifecycle::adopt, "Takes orphans of a deleted connection in.", Workspace),
        private!(Api GET "/api/v1/runtime-connections/{connection}/where-used" Either with(P::RuntimeConnectionsView), api::lifecycle::personal_use, "Where a person's connection is used.", Workspace),
        private!(Api POST "/api/v1/runtime-connections/purge" Either with(P::ConnectionsDelete), api::lifecycle::purge, "Deletes orphans for good and revokes them.", Nothing),
    ]
}

fn people_routes() -> Vec<Route> {
    vec![
        private!(Api GET "/api/v1/users" Either with(P::UsersView), api::users::list, "People.", Nothing),
        private!(Api POST "/api/v1/users" Either with(P::UsersEdit), api::users::add, "Adds a person; answers a person with the new one's one-time link, and a program without.", Nothing),
        private!(Api PUT "/api/v1/users/{login}" Either with(P::UsersEdit), api::users::change, "Changes a person.", Workspace),
        private!(Api POST "/api/v1/users/{login}/disable" Either with(P::UsersEdit), api::users::disable, "Switches a person off: their access ends, their own connections are erased and revoked, their runs stop.", Workspace),
        private!(Api POST "/api/v1/users/{login}/erase" Session with(P::UsersErase), api::users::erase, "Switches a person off and erases what is known of them, in the audit log too.", Workspace),
        private!(Api POST "/api/v1/users/{login}/link" Session with(P::UsersEdit), api::users::link, "A new one-time link for a person.", Workspace),
        private!(Api GET "/api/v1/roles" Either with(P::UsersView), api::roles::list, "Roles: those that come with Actas and the workspace's own.", Nothing),
        private!(Api PUT "/api/v1/roles/{role}" Session with(P::RolesEdit), api::roles::put, "Makes or changes a role of the workspace's own.", Workspace),
        private!(Api DELETE "/api/v1/roles/{role}" Session with(P::RolesEdit), api::roles::delete, "Deletes a role that nobody has.", Workspace),
        private!(Api GET "/api/v1/oidc" Either with(P::SettingsView), api::trusted::oidc, "Where people log in, if not here.", Nothing),
        private!(Api PUT "/api/v1/oidc" Session with(P::PoliciesEdit), api::trusted::set_oidc, "Says where people log in.", Nothing),
        private!(Api DELETE "/api/v1/oidc" Session with(P::PoliciesEdit), api::trusted::drop_oidc, "They log in here alone.", Nothing),
        private!(Api GET "/api/v1/hosts" Either with(P::SettingsView), api::trusted::hosts, "The applications whose word for who somebody is counts.", Nothing),
        private!(Api PUT "/api/v1/hosts/{host}" Session with(P::PoliciesEdit), api::trusted::set_host, "Trusts an application, or says something else of it.", Workspace),
        private!(Api DELETE "/api/v1/hosts/{host}" Session with(P::PoliciesEdit), api::trusted::delete_host, "Trusts an application no more.", Workspace),
        private!(Api GET "/api/v1/policies" Either with(P::SettingsView), api::policies::show, "What the workspace has decided.", Nothing),
        private!(Api PUT "/api/v1/policies" Session with(P::PoliciesEdit), api::policies::change, "Decides for the workspace; what is left out stays as it is.", Nothing),
    ]
}

fn operator_routes() -> Vec<Route> {
    vec![
        private!(Api GET "/api/v1/workspaces" Operator OWN, api::workspaces::list, "The workspaces of this server.", Nothing),
        private!(Api POST "/api/v1/workspaces" Operator OWN, api::workspaces::add, "Adds a workspace with its first owner, whose one-time link is shown once.", Nothing),
        private!(Api POST "/api/v1/key/rotate" Operator OWN, api::workspaces::rotate, "Gives every workspace a new key, or the vault another operator's key.", Nothing),
    ]
}

/// The router of a table. The routes live as long as the process: they are the same for every request.
pub fn router(app: &Arc<App>, table: &'static [Route]) -> Router {
    let mut router = Router::new();
    for route in table {
        let app = Arc::clone(app);
        let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
        router = router.route(
            route.path,
            on(filter, move |request: Request| {
                gate::pass(route, Arc::clone(&app), request)
            }),
        );
    }
    router.fallback(gate::nothing)
}
