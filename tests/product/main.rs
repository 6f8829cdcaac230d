//! The product from outside: the real program as a process, real databases, a real OAuth 2 server, the sandbox. One binary
//! for all suites, so that it links once. Must not reach into the engine for what a user can see.

mod actas;
mod approvals;
mod asking;
mod callbacks;
mod canaries;
mod codes;
mod commands;
mod demo;
mod examples;
mod faults;
mod flows;
mod foreign;
mod hostile;
mod kill9;
mod logins;
mod needles;
mod notices;
mod rows;
mod rules;
mod story;
mod triggers;
mod vault;
mod versions;
mod world;
