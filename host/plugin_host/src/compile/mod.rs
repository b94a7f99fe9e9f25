//! From WebAssembly to machine code, in a process of its own that can be killed.
//!
//! Compilers are not made for hostile input: what they do with it may take long or much memory, or end in a crash. None
//! of that is the server's when it happens in a child that has limits.

mod child;

use std::{ffi::OsString, path::PathBuf, process::ExitStatus, process::Stdio, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

pub use self::child::compile_child;
use crate::{Flavour, engine};

/// Bytes of the child's last words.
const WORDS_BYTES_MAX: u64 = 4 << 10;
/// Threads of the child: it shares the machine with the server.
const THREADS: &str = "2";

/// Where code is compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In a child: `program` with `arguments` must do nothing but [`compile_child`].
    Child {
        /// The program, as a rule the server's own.
        program: PathBuf,
        /// Its arguments, as a rule a hidden subcommand.
        arguments: Vec<OsString>,
        /// What the child may use.
        limits: CompileLimits,
    },
    /// In this process, without limits: for tools that run their user's own code.
    InProcess,
}

/// What a compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of address space.
    pub memory_bytes: u64,
    /// Seconds on processors, all threads together.
    pub cpu_seconds: u64,
    /// From start to end.
    pub wall: Duration,
    /// Bytes of machine code.
    pub code_bytes: u64,
}

/// Why there is no machine code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The compiler refuses it; its words.
    #[error("{0}")]
    Refused(String),
    /// It would take too much; which limit.
    #[error("compiling it {0}")]
    TooMuch(String),
    /// The child cannot be run.
    #[error("the compiler cannot be run: {0}")]
    Host(String),
}

/// What the child is told, one line of JSON before the WebAssembly.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    flavour: Flavour,
    memory_bytes: u64,
    cpu_seconds: u64,
}

impl Compiler {
    /// Compiles a component for an engine of that flavour. Only what this returns, or a cache that nobody else can write
    /// to, may be run.
    pub(crate) async fn compile(&self, wasm: &[u8], flavour: Flavour) -> Result<Vec<u8>, CompileError> {
        match self {
            Self::Child { program, arguments, limits } => in_child(program, arguments, limits, wasm, flavour).await,
            Self::InProcess => {
                let wasm = wasm.to_vec();
                let compiled = tokio::task::spawn_blocking(move || precompile(&wasm, flavour)).await;
                compiled.map_err(|error| CompileError::Refused(error.to_string()))?.map_err(CompileError::Refused)
            }
        }
    }
}

fn precompile(wasm: &[u8], flavour: Flavour) -> Result<Vec<u8>, String> {
    let engine = engine::plain(flavour).map_err(|error| format!("{error:#}"))?;
    engine.precompile_component(wasm).map_err(|error| format!("{error:#}"))
}

async fn in_child(
    program: &PathBuf,
    arguments: &[OsString],
    limits: &CompileLimits,
    wasm: &[u8],
    flavour: Flavour,
) -> Result<Vec<u8>, CompileError> {
    let host = |error: std::io::Error| CompileError::Host(error.to_string());
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("RAYON_NUM_THREADS", THREADS)
        // The server's allocator would take a large part of the child's address space before it is used; in KiB.
        .env("MIMALLOC_ARENA_RESERVE", "32768")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(host)?;
    match tokio::time::timeout(limits.wall, talk(&mut child, limits, wasm, flavour)).await {
        Ok(result) => result,
        Err(_) => {
            child.kill().await.map_err(host)?;
            Err(CompileError::TooMuch(format!("took longer than {} s", limits.wall.as_secs())))
        }
    }
}

async fn talk(
    child: &mut Child,
    limits: &CompileLimits,
    wasm: &[u8],
    flavour: Flavour,
) -> Result<Vec<u8>, CompileError> {
    let host = |error: std::io::Error| CompileError::Host(error.to_string());
    let (Some(mut input), Some(output), Some(words)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::Host("it has no pipes".into()));
    };
    let order = Order { flavour, memory_bytes: limits.memory_bytes, cpu_seconds: limits.cpu_seconds };
    let mut line = serde_json::to_vec(&order).map_err(|error| CompileError::Host(error.to_string()))?;
    line.push(b'\n');
    let writes = async {
        // A child that ends before it has read everything says why by its status.
        if input.write_all(&line).await.is_ok() {
            input.write_all(wasm).await.ok();
        }
        drop(input);
    };
    let mut code = Vec::new();
    let mut said = Vec::new();
    let mut output = output.take(limits.code_bytes + 1);
    let mut words = words.take(WORDS_BYTES_MAX);
    let reads_code = output.read_to_end(&mut code);
    let reads_words = words.read_to_end(&mut said);
    let ((), read, _) = tokio::join!(writes, reads_code, reads_words);
    read.map_err(host)?;
    if code.len() as u64 > limits.code_bytes {
        child.kill().await.map_err(host)?;
        return Err(CompileError::TooMuch(format!("makes more than {} bytes of machine code", limits.code_bytes)));
    }
    let status = child.wait().await.map_err(host)?;
    if status.success() {
        return Ok(code);
    }
    Err(verdict(status, String::from_utf8_lossy(&said).trim(), limits))
}

fn verdict(status: ExitStatus, words: &str, limits: &CompileLimits) -> CompileError {
    if status.code() == Some(child::REFUSED) {
        return CompileError::Refused(words.to_owned());
    }
    if words.contains("memory allocation of") || words.contains("Cannot allocate memory") {
        return CompileError::TooMuch(format!("needs more than {} bytes of memory", limits.memory_bytes));
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        let signal = status.signal().and_then(rustix::process::Signal::from_named_raw);
        if matches!(signal, Some(rustix::process::Signal::XCPU | rustix::process::Signal::KILL)) {
            return CompileError::TooMuch(format!("takes more than {} s of processor time", limits.cpu_seconds));
        }
        if let Some(signal) = status.signal() {
            return CompileError::Refused(format!("the compiler crashed on it (signal {signal})"));
        }
    }
    CompileError::Refused(format!("the compiler gave up on it: {words}"))
}
