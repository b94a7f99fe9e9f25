//! Running guests.

pub(crate) mod admission;
pub(crate) mod answers;
pub(crate) mod attempt;
pub(crate) mod breaker;
pub(crate) mod failure;
pub(crate) mod lanes;
pub(crate) mod limiter;
pub(crate) mod meter;
pub(crate) mod state;
