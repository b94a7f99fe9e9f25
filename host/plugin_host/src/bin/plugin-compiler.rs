//! The compiling child as a program of its own, for whoever runs the host without the server: the host's own tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_host::compile_child()
}
