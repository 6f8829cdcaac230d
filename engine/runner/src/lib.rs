//! The only crate that performs steps.
