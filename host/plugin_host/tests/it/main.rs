//! The host with real components. Most are written as WebAssembly text, because no decent toolchain makes guests as
//! indecent as these.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod built;
mod calls;
mod capabilities;
mod compiling;
mod fairness;
mod fuzz;
mod guests;
mod hostile;
mod uploads;
mod values;
mod world;
