//! Runs plugins: WebAssembly components in a sandbox with no rights but those granted.
//!
//! The only crate with wasmtime. It knows neither storage nor HTTP servers: what a guest needs from outside comes through
//! [`Services`], what it may do through [`Rights`], what it may use through [`Limits`]. Every call runs in a fresh
//! instance, which is thrown away; whatever a guest does ends as an answer, a fault or a failure of that call.

mod bindings;
mod cache;
mod calling;
mod calls;
mod capabilities;
mod compile;
mod engine;
mod features;
mod host;
mod limits;
mod load;
mod loaded;
mod rights;
mod run;
mod services;
mod upload;
mod wasi;

pub use cache::CacheSettings;
pub use calls::{
    CallError, Called, Caller, Finding, Handling, HookRequest, LogLevel, LogLine, Occurrence, Recognition, TriggerCall,
    Usage,
};
pub use compile::{CompileError, CompileLimits, Compiler, compile_child};
pub use engine::Flavour;
pub use host::{Host, HostSettings, Load, SetupError};
pub use limits::Limits;
pub use load::digest_of;
pub use loaded::Loaded;
pub use rights::{Denial, HostPattern, OperatorPolicy, Rights, intersect, rule_faults};
pub use run::{
    admission::AdmissionLimits,
    answers::read_answer,
    breaker::{BreakerLimits, OpenCircuit},
};
pub use services::{
    Commit, Exchange, ExchangeError, KvChanges, KvCheck, KvEntry, KvExpiry, KvScope, KvUsage, KvWrite, Reply,
    ServiceError, Services,
};
pub use upload::{
    CONTRACTS, Change, Cost, Examination, ExamineError, Examined, ExampleReport, Finding as UploadFinding, Outline,
    Report, Severity, StructureLimits, differences, manifest_faults, outline,
};
