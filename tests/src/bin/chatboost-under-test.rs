//! The program itself, as a binary of this package: that is how cargo builds it before the tests that kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::main()
}
