//! What plugins use, in the Prometheus text format.

use std::fmt::Write as _;

use storage::PluginUsage;

use super::Plugins;

/// A counter of every version of a plugin.
type Counter = (&'static str, &'static str, fn(&PluginUsage) -> f64);

const COUNTERS: [Counter; 6] = [
    ("chatboost_plugin_calls_total", "Calls of plugins", |usage| usage.calls as f64),
    ("chatboost_plugin_faults_total", "Calls that the plugin answered with a fault", |usage| usage.faults as f64),
    ("chatboost_plugin_failures_total", "Calls that the server stopped or could not make", |usage| {
        usage.failures as f64
    }),
    ("chatboost_plugin_cpu_seconds_total", "Processor time of calls", |usage| usage.cpu_us as f64 / 1e6),
    ("chatboost_plugin_requests_total", "HTTP exchanges of plugins", |usage| usage.requests as f64),
    ("chatboost_plugin_egress_bytes_total", "Bytes of these", |usage| usage.egress_bytes as f64),
];

impl Plugins {
    /// What this process has counted, and how busy it is with plugins. Versions beyond the first so many share one line.
    pub(crate) fn prometheus(&self) -> String {
        let totals = self.ledger.totals();
        let mut text = String::new();
        for (name, help, value) in COUNTERS {
            // Writing into a text cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n");
            for ((plugin, version), usage) in &totals {
                let _ = writeln!(text, "{name}{{plugin=\"{plugin}\",version=\"{version}\"}} {}", value(usage));
            }
        }
        let load = self.host.load_now();
        let circuits = self.host.open_circuits().len();
        for (name, help, value) in [
            ("chatboost_plugin_calls_running", "Calls of plugins that run", load.running as usize),
            ("chatboost_plugin_calls_waiting", "Calls of plugins that wait for room", load.waiting as usize),
            ("chatboost_plugin_circuits_open", "Versions of plugins left alone after many failures", circuits),
            ("chatboost_plugin_pool", "Whether memory of plugins comes from a pool", usize::from(load.is_pooled)),
        ] {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
        text
    }
}
