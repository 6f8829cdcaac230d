//! Runs as stories: a flow, a script of what happens to a run of it, and the trace of what the engine decides.
#![expect(
    clippy::unwrap_used,
    reason = "a test may stop where something is not as it was written down"
)]

mod asking;
mod batches;
mod calls;
mod conditions;
mod deciding;
mod documents;
mod failures;
mod frames;
mod hold_inputs;
mod journal;
mod legality;
mod loops;
mod private;
mod properties;
mod random;
mod retries;
mod size;
mod support;
mod waiting;
