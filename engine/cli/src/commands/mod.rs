//! The commands, a file for each group. Each is a client of the API; only `validate`, `schema`, `serve` and `completions` need no server.

pub mod audit;
pub mod connections;
pub mod flows;
pub mod lists;
pub mod local;
pub mod operator;
pub mod people;
pub mod proof;
pub mod run;
pub mod runs;
pub mod serve;
pub mod triggers;
pub mod typed;
pub mod values;
pub mod workspace;
