//! The only crate that sees a secret in clear.
