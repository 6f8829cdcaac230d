//! The only crate that makes outgoing HTTP requests.
