//! The child's side.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::ExitCode,
};

use super::{Order, precompile};

/// The exit code of a compiler that says no.
pub(super) const REFUSED: i32 = 2;

/// What the compiling child does, and all that it does: limits itself, reads WebAssembly from standard input, writes
/// machine code to standard output. To be called first thing, before the process has any thread but its first.
pub fn compile_child() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // The parent reads it; if it cannot be written there is nobody to tell.
            writeln!(std::io::stderr(), "{why}").ok();
            ExitCode::from(REFUSED as u8)
        }
    }
}

fn run() -> Result<(), String> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| error.to_string())?;
    let order: Order = serde_json::from_str(&line).map_err(|error| format!("the order cannot be read: {error}"))?;
    limit(&order)?;
    let mut wasm = Vec::new();
    input.read_to_end(&mut wasm).map_err(|error| error.to_string())?;
    let code = precompile(&wasm, order.flavour)?;
    std::io::stdout().lock().write_all(&code).map_err(|error| error.to_string())
}

#[cfg(unix)]
fn limit(order: &Order) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let bounds = [
        (Resource::As, order.memory_bytes),
        (Resource::Cpu, order.cpu_seconds),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ];
    for (resource, most) in bounds {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| format!("the limits cannot be set: {error}"))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn limit(_: &Order) -> Result<(), String> {
    Ok(())
}
