//! Signatures as four senders make them, everything that can be wrong with one, and what a flow is given.

mod bodies;
mod signatures;
