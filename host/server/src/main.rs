//! The program `chatboost`; see [`server::cli`].

use std::process::ExitCode;

/// A message is hundreds of small allocations, made by one thread and freed by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    server::cli::main()
}
