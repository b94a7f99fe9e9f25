//! What an examination found out.

use serde::{Deserialize, Serialize};

use super::Change;
use crate::{LogLine, Usage};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The component is no plugin.
    Refusal,
    /// Worth a look.
    Warning,
}

/// Something about a component that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Word for programs; see `docs/plugins.md`.
    pub code: String,
    /// Sentence for people.
    pub message: String,
    /// Where in the manifest, a JSON pointer; or which import, export or example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Panic message, backtrace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Finding {
    pub(super) fn refusal(code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity: Severity::Refusal, code: code.to_owned(), message, at: None, detail: None }
    }

    pub(super) fn warning(code: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::refusal(code, message) }
    }

    pub(super) fn at(self, at: impl Into<String>) -> Self {
        Self { at: Some(at.into()), ..self }
    }

    pub(super) fn with_detail(self, detail: Option<String>) -> Self {
        Self { detail, ..self }
    }
}

/// What a call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Instructions, where they were counted: the same on every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// Microseconds on this machine's processor.
    pub cpu_us: u64,
    /// Bytes of memory, at most.
    pub peak_memory_bytes: u64,
}

impl Cost {
    pub(super) fn of(usage: &Usage) -> Self {
        let Usage { instructions, cpu_us, peak_memory_bytes, .. } = *usage;
        Self { instructions, cpu_us, peak_memory_bytes }
    }
}

/// What became of an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExampleReport {
    /// Node or trigger type.
    #[serde(rename = "type")]
    pub of: String,
    /// Name of the example.
    pub name: String,
    /// What came of it: an exit, `wait_input`, a fault …
    pub result: String,
    /// What it cost.
    pub cost: Cost,
    /// What it logged.
    pub logs: Vec<LogLine>,
}

/// What an examination found out about a component that may become a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// SHA-256 of the component, lower-case hex.
    pub digest: String,
    /// Its size.
    pub bytes: usize,
    /// Version of the contract that it is made for.
    pub contract: String,
    /// Capabilities that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// Whether it imports WASI.
    pub has_wasi: bool,
    /// Milliseconds to compile it.
    pub compile_ms: u64,
    /// Bytes of its machine code.
    pub code_bytes: usize,
    /// Microseconds to make an instance.
    pub instantiate_us: u64,
    /// What describing itself cost.
    pub describe: Cost,
    /// Its examples.
    pub examples: Vec<ExampleReport>,
    /// Whether every example gave the same twice.
    pub is_deterministic: bool,
    /// Warnings.
    pub findings: Vec<Finding>,
    /// What is different from the version before, if there is one.
    pub changes: Vec<Change>,
}
