//! The product's promises about acting as somebody, one test for each, named after its row. Every row is shown from outside, by the real
//! program, on SQLite and on PostgreSQL, through API and command line. Rows that run at the same time share one world for each database, so
//! each brings its own people and names its flows and connections after itself; a row that stops the server or changes what holds for the
//! whole workspace has a world of its own.

mod acting;
mod audit;
mod building;
mod keeping;
mod life;
mod people;
mod private;
pub mod stage;
mod typing;
mod workspace;
