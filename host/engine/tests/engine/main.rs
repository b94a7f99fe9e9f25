//! The engine, seen from outside.

#![expect(clippy::unwrap_used, reason = "what tests set up is known to be right, or they fail here")]

mod cases;
mod graphs;
mod limits;
mod support;
mod triggers;
