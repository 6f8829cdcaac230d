//! The chain, its tree, its checkpoints and its exports against everything that may be done to them behind our back.

#![expect(clippy::unwrap_used, reason = "a test may stop where it finds nothing")]

mod chain;
mod export;
mod mutations;
mod note;
mod tree;

use sha2::{Digest, Sha256};

use super::*;
