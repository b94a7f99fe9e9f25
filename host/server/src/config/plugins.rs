//! What plugins may do and use.

use std::{path::PathBuf, time::Duration};

use domain::plugin::{HttpRule, KvScopes};
use plugin_host::{AdmissionLimits, BreakerLimits, HostPattern, Limits, OperatorPolicy};

use super::reader::Reader;

/// Calls of a user that wait for room.
const WAITING_PER_USER: u32 = 1_000;
/// How long a call waits for room.
const WAIT: Duration = Duration::from_secs(10);
/// Failures in a row after which a plugin is left alone for a while.
const FAILURES: u32 = 10;
/// How long it is left alone.
const REST: Duration = Duration::from_secs(30);
/// Most kilobytes that any variable may say.
const KB_MAX: u64 = 4 * 1024 * 1024;
/// The capabilities by name.
const CAPABILITIES: [&str; 7] = ["http", "kv", "secrets", "log", "clock", "random", "config"];

/// What plugins may do and use.
#[derive(Debug, Clone)]
pub struct PluginsConfig {
    /// What may be granted at all.
    pub policy: OperatorPolicy,
    /// The most that one call may use, whatever is set for its plugin.
    pub limits: Limits,
    /// How many calls run and wait.
    pub admission: AdmissionLimits,
    /// When a plugin that fails again and again is left alone.
    pub breaker: BreakerLimits,
    /// Whether components may import WASI, which gives them nothing.
    pub allows_wasi: bool,
    /// Most bytes of a component.
    pub upload_bytes_max: usize,
    /// The program that compiles components in a process of its own, with the argument `compile-plugin`; this program
    /// itself when absent.
    pub compiler: Option<PathBuf>,
}

pub(super) fn read(r: &mut Reader<'_>) -> PluginsConfig {
    let calls = r.number("PLUGIN_MAX_CALLS", 64, 1, 1_000);
    let calls_per_tenant = r.number("PLUGIN_MAX_CALLS_PER_USER", 16, 1, 1_000).min(calls);
    PluginsConfig {
        policy: policy(r),
        limits: limits(r),
        admission: AdmissionLimits {
            calls,
            calls_per_tenant,
            calls_per_plugin: calls_per_tenant,
            waiting_per_tenant: WAITING_PER_USER,
            wait: WAIT,
        },
        breaker: BreakerLimits { failures: FAILURES, rest: REST },
        allows_wasi: r.boolean("PLUGIN_WASI", false),
        upload_bytes_max: r.number("PLUGIN_MAX_UPLOAD_KB", 16 * 1024, 1, 1024 * 1024) * 1024,
        compiler: None,
    }
}

fn limits(r: &mut Reader<'_>) -> Limits {
    let usual = Limits::usual();
    let mut kb = |name, usual: u64, least| r.number(name, usual / 1024, least, KB_MAX) * 1024;
    let (memory_bytes, http_bytes) =
        (kb("PLUGIN_MAX_MEMORY_KB", usual.memory_bytes, 1024), kb("PLUGIN_MAX_HTTP_KB", usual.http_bytes, 1));
    let kv_stored_bytes = kb("PLUGIN_MAX_KV_KB", usual.kv_stored_bytes, 1);
    let wall_ms = r.number("PLUGIN_MAX_WALL_MS", usual.wall_ms, 10, 600_000);
    Limits {
        memory_bytes,
        http_bytes,
        kv_stored_bytes,
        wall_ms,
        http_timeout_ms: usual.http_timeout_ms.min(wall_ms),
        cpu_ms: r.number("PLUGIN_MAX_CPU_MS", 2_000, 1, 600_000),
        http_calls: r.number("PLUGIN_MAX_HTTP_CALLS", usual.http_calls, 1, 1_000),
        kv_stored_keys: r.number("PLUGIN_MAX_KV_KEYS", usual.kv_stored_keys, 1, 1_000_000),
        ..usual
    }
}

fn policy(r: &mut Reader<'_>) -> OperatorPolicy {
    let names = r.value("PLUGIN_CAPABILITIES", CAPABILITIES.map(str::to_owned).to_vec(), |text| {
        let names = entries(text).filter(|name| *name != "none");
        let known = |name: &str| {
            if CAPABILITIES.contains(&name) {
                Ok(name.to_owned())
            } else {
                Err(format!("has {name:?}, but must be a list of {}, or none", CAPABILITIES.join(", ")))
            }
        };
        names.map(known).collect()
    });
    let hosts = r.value("PLUGIN_HTTP_HOSTS", vec!["*".to_owned()], |text| {
        entries(text)
            .map(|host| HostPattern::parse(host).map(|_| host.to_owned()).map_err(|fault| format!("is wrong: {fault}")))
            .collect()
    });
    let has = |name: &str| names.iter().any(|known| known == name);
    let rule = |host| HttpRule { host, methods: Vec::new(), path_prefixes: Vec::new() };
    OperatorPolicy {
        http: if has("http") { hosts.into_iter().map(rule).collect() } else { Vec::new() },
        kv: KvScopes { bot: has("kv"), contact: has("kv") },
        secrets: has("secrets"),
        log: has("log"),
        clock: has("clock"),
        random: has("random"),
        config: has("config"),
    }
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn config(vars: &[(&str, &str)]) -> Result<Config, crate::config::ConfigError> {
        Config::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_operator_says_what_plugins_may_do_and_use() {
        let plugins = config(&[]).unwrap().plugins;
        assert_eq!(plugins.policy, plugin_host::OperatorPolicy::everything());
        assert_eq!(plugins.upload_bytes_max, 16 * 1024 * 1024);
        let plugins = config(&[
            ("PLUGIN_CAPABILITIES", "http, log"),
            ("PLUGIN_HTTP_HOSTS", "*.example.com,crm.test:8443"),
            ("PLUGIN_MAX_CPU_MS", "7"),
            ("PLUGIN_MAX_MEMORY_KB", "2048"),
            ("PLUGIN_MAX_CALLS", "4"),
        ])
        .unwrap()
        .plugins;
        assert_eq!(
            plugins.policy.http.iter().map(|rule| rule.host.as_str()).collect::<Vec<_>>(),
            ["*.example.com", "crm.test:8443"]
        );
        assert!(plugins.policy.log && !plugins.policy.kv.bot && !plugins.policy.secrets);
        assert_eq!((plugins.limits.cpu_ms, plugins.limits.memory_bytes), (7, 2 * 1024 * 1024));
        assert_eq!((plugins.admission.calls, plugins.admission.calls_per_tenant), (4, 4));
        let none = config(&[("PLUGIN_CAPABILITIES", "none")]).unwrap().plugins.policy;
        assert!(none.http.is_empty() && !none.log && !none.config);
    }

    #[test]
    fn faults_are_named() {
        let error = config(&[
            ("PLUGIN_CAPABILITIES", "http,files"),
            ("PLUGIN_HTTP_HOSTS", "https://x"),
            ("PLUGIN_MAX_CPU_MS", "0"),
        ]);
        let text = error.unwrap_err().to_string();
        for name in ["PLUGIN_CAPABILITIES has \"files\"", "PLUGIN_HTTP_HOSTS is wrong", "PLUGIN_MAX_CPU_MS must be"] {
            assert!(text.contains(name), "{text}");
        }
    }
}
