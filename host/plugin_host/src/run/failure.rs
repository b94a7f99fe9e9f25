//! What went wrong, as the host's finding: a sentence for everybody, and the insides for the plugin's owner.

use std::sync::PoisonError;

use domain::plugin::{FailureKind, PluginFailure};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use super::{attempt::NoExport, meter::Meter, state::Stop};
use crate::Limits;

/// Bytes of the insides that are kept.
const DETAIL_BYTES_MAX: usize = 16 << 10;
/// How wasmtime says that a call moved more than its hostcall fuel; the type is its own.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";
/// How it says that there are too many handles.
const HANDLES: &str = "store handle limit exceeded";

/// A failure without insides.
pub(crate) fn plain(kind: FailureKind, message: impl Into<String>) -> PluginFailure {
    PluginFailure { kind, message: message.into(), detail: None }
}

/// Took too long by the clock.
pub(crate) fn too_slow(limits: &Limits, meter: &Meter) -> PluginFailure {
    let message = format!("the plugin did not answer within {} ms", limits.wall_ms);
    PluginFailure { kind: FailureKind::TimedOut, message, detail: meter.last_words() }
}

/// What an error of wasmtime means.
pub(crate) fn of(error: &wasmtime::Error, limits: &Limits, meter: &Meter) -> PluginFailure {
    let (kind, message) = kind(error, limits, meter);
    PluginFailure { kind, message, detail: Some(detail(error, meter)) }
}

fn kind(error: &wasmtime::Error, limits: &Limits, meter: &Meter) -> (FailureKind, String) {
    let refused = meter.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(refused) = refused {
        return (FailureKind::OutOfMemory, format!("the plugin was stopped: {refused}"));
    }
    if let Some(stop) = error.downcast_ref::<Stop>() {
        let kind = if matches!(stop, Stop::Denied(_)) { FailureKind::Denied } else { FailureKind::Trapped };
        return (kind, format!("the plugin was stopped: {stop}"));
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return (FailureKind::Overloaded, "there is no room for another call of a plugin".into());
    }
    if let Some(missing) = error.downcast_ref::<NoExport>() {
        return (FailureKind::Unavailable, format!("the plugin cannot do that: {missing}"));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::Interrupt | Trap::OutOfFuel => {
                (FailureKind::TimedOut, format!("the plugin used up its {} ms of processor time", limits.cpu_ms))
            }
            Trap::StackOverflow => (FailureKind::Trapped, "the plugin's stack overflowed".into()),
            Trap::UnreachableCodeReached => (FailureKind::Trapped, "the plugin panicked".into()),
            _ => (FailureKind::Trapped, format!("the plugin crashed: {trap}")),
        };
    }
    let text = error.to_string();
    let chain = error.chain().map(ToString::to_string).find(|cause| cause.contains(HOSTCALL_FUEL));
    if chain.is_some() {
        let most = limits.hostcall_bytes;
        return (FailureKind::OutOfMemory, format!("the plugin passed more than {most} bytes to the server at once"));
    }
    if error.chain().any(|cause| cause.to_string().contains(HANDLES)) {
        return (FailureKind::OutOfMemory, format!("the plugin held more than {} handles", limits.handles));
    }
    if error.is::<WasmBacktrace>() {
        return (FailureKind::Trapped, format!("the plugin crashed: {}", first_line(&text)));
    }
    (FailureKind::InvalidOutput, "the plugin's answer cannot be read".into())
}

/// What the guest said last, the error and the guest's functions in which it happened.
fn detail(error: &wasmtime::Error, meter: &Meter) -> String {
    let mut detail = String::new();
    if let Some(words) = meter.last_words() {
        detail.push_str(&words);
        detail.push('\n');
    }
    // The outermost text of a trap is the backtrace; the cause follows it.
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string).unwrap_or_default();
    for cause in error.chain().map(ToString::to_string).filter(|cause| *cause != backtrace) {
        detail.push_str(&cause);
        detail.push('\n');
    }
    detail.push_str(&backtrace);
    let end = (0..=DETAIL_BYTES_MAX.min(detail.len())).rev().find(|at| detail.is_char_boundary(*at)).unwrap_or(0);
    detail.truncate(end);
    detail.trim_end().to_owned()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
