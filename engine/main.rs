//! Joins the engine to the modules; nothing else does.
fn main() {}
