//! What calls used and logged, until it is stored in one go.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use domain::{
    BotId, Time,
    plugin::{PluginFailure, PluginFault},
};
use plugin_host::{CallError, LogLevel, LogLine, Usage};
use serde_json::json;
use storage::{LogSource, NewPluginLog, PluginUsage, UsageKey, day_of};
use tokio::sync::Notify;

use super::{call::fault_message, setup::Setup};
use crate::nul;

/// Lines that wait to be stored; more are dropped while the database does not answer.
const LINES_WAITING_MAX: usize = 20_000;
/// Versions of plugins that have counters of their own; the others share one.
const COUNTED_MAX: usize = 200;
/// What the others are called.
const OTHERS: &str = "other";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Mutex<Entries>,
    totals: Mutex<HashMap<(String, String), PluginUsage>>,
    pub(super) written: Notify,
}

/// What waits to be stored.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) usage: BTreeMap<UsageKey, PluginUsage>,
    pub(super) lines: Vec<NewPluginLog>,
}

impl Entries {
    pub(super) fn is_empty(&self) -> bool {
        self.usage.is_empty() && self.lines.is_empty()
    }
}

/// A call, for the ledger.
pub(super) struct Entry<'a> {
    pub(super) setup: &'a Setup,
    pub(super) bot: BotId,
    pub(super) call_id: &'a str,
    pub(super) error: Option<&'a CallError>,
    pub(super) usage: &'a Usage,
    pub(super) logs: Vec<LogLine>,
    pub(super) at: Time,
}

impl Ledger {
    pub(super) fn enter(&self, entry: Entry<'_>) {
        let Entry { setup, bot, call_id, error, usage, logs, at } = entry;
        let used = PluginUsage {
            calls: 1,
            faults: i64::from(matches!(error, Some(CallError::Fault(_)))),
            failures: i64::from(matches!(error, Some(CallError::Failure(_)))),
            cpu_us: number(usage.cpu_us),
            wall_us: number(usage.wall_us),
            memory_peak: number(usage.peak_memory_bytes),
            requests: number(usage.http_calls),
            egress_bytes: number(usage.egress_bytes + usage.ingress_bytes),
        };
        self.count(setup, &used);
        let line = |source, level, message: &str, fields, detail: Option<&str>, at| NewPluginLog {
            plugin_id: setup.plugin,
            bot_id: bot,
            version: setup.version.clone(),
            call_id: nul::without_in_text(call_id),
            source,
            level,
            message: nul::without_in_text(message),
            fields,
            detail: detail.map(nul::without_in_text),
            at,
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let key = UsageKey { plugin_id: setup.plugin, bot_id: bot, version: setup.version.clone(), day: day_of(at) };
        entries.usage.entry(key).or_default().add(&used);
        for log in logs {
            let fields = log.fields.map(|fields| nul::without(serde_json::Value::Object(fields)).to_string());
            entries.lines.push(line(LogSource::Plugin, word(log.level), &log.message, fields, None, log.at));
        }
        match error {
            Some(CallError::Fault(fault)) => {
                let fields = Some(nul::without(json!({ "fault": fault_fields(fault) })).to_string());
                entries.lines.push(line(LogSource::Plugin, "warn", fault_message(fault), fields, None, at));
            }
            Some(CallError::Failure(PluginFailure { kind, message, detail })) => {
                let fields = Some(json!({ "kind": kind }).to_string());
                entries.lines.push(line(LogSource::Host, "error", message, fields, detail.as_deref(), at));
            }
            None => {}
        }
        let spare = entries.lines.len().saturating_sub(LINES_WAITING_MAX);
        entries.lines.drain(..spare);
        drop(entries);
        self.written.notify_one();
    }

    fn count(&self, setup: &Setup, used: &PluginUsage) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let own = (setup.name.clone(), setup.version.clone());
        let key = if totals.len() < COUNTED_MAX || totals.contains_key(&own) {
            own
        } else {
            (OTHERS.to_owned(), OTHERS.to_owned())
        };
        totals.entry(key).or_default().add(used);
    }

    /// Takes what waits.
    pub(super) fn take(&self) -> Entries {
        std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be stored.
    pub(super) fn put_back(&self, taken: Entries) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, usage) in taken.usage {
            entries.usage.entry(key).or_default().add(&usage);
        }
        let newer = std::mem::replace(&mut entries.lines, taken.lines);
        entries.lines.extend(newer);
    }

    /// What each version of a plugin used since the process began.
    pub(super) fn totals(&self) -> BTreeMap<(String, String), PluginUsage> {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.iter().map(|(key, usage)| (key.clone(), *usage)).collect()
    }
}

fn fault_fields(fault: &PluginFault) -> serde_json::Value {
    match fault {
        PluginFault::InvalidConfig { pointer, .. } => json!({ "kind": "invalid_config", "pointer": pointer }),
        PluginFault::Retryable { retry_after_ms, .. } => {
            json!({ "kind": "retryable", "retry_after_ms": retry_after_ms })
        }
        PluginFault::Permanent { code, .. } => json!({ "kind": "permanent", "code": code }),
    }
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
