//! What single operations cost, against numbers that are committed beside the benchmark.
//!
//! A benchmark is a program of `benches/` whose `main` builds a [`Bench`] and runs it. It can be run in two ways:
//!
//! - `cargo bench -p CRATE --bench NAME` lets criterion take times. What is compared is each operation's ratio to the
//!   reference operation of the same run, because a time by itself says more of the machine than of the program.
//! - `cargo bench -p CRATE --bench NAME -- counts` counts instructions and allocations under valgrind. They are the same
//!   on every x86-64 Linux with the same compiler, loaded or not, so tests compare them: more than a tenth above the
//!   committed number is a failure.
//!
//! The numbers are `benches/NAME.json`. `-- accept` and `-- counts accept` write what was measured there.

mod bench;
mod counts;
mod numbers;
mod times;

pub use bench::{Bench, Operation};
