//! What one call of a plugin may use.

use serde::{Deserialize, Serialize};

/// What one call of a plugin may use. There is no default on purpose: whoever calls has thought of every bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of all linear memories together.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Milliseconds on a processor, time in host calls not counted.
    pub cpu_ms: u64,
    /// Milliseconds from admission to answer, requests of the plugin included.
    pub wall_ms: u64,
    /// Bytes of everything that a call returns.
    pub output_bytes: u64,
    /// Lines in the log. More are dropped, and that they were is the last line.
    pub log_lines: u64,
    /// Bytes of those lines, fields included.
    pub log_bytes: u64,
    /// HTTP exchanges, redirects included.
    pub http_calls: u64,
    /// Bytes of bodies and headers of those exchanges, both directions.
    pub http_bytes: u64,
    /// Milliseconds for one request, redirects included.
    pub http_timeout_ms: u64,
    /// Calls of `kv`.
    pub kv_calls: u64,
    /// Bytes of keys and values read from and written to `kv`.
    pub kv_bytes: u64,
    /// Bytes of one value of `kv`.
    pub kv_value_bytes: u64,
    /// Keys of one scope of `kv`: the bot's, or one contact's.
    pub kv_stored_keys: u64,
    /// Bytes of keys and values of one scope of `kv`.
    pub kv_stored_bytes: u64,
    /// Handles of the component model that are open at once.
    pub handles: u64,
    /// Bytes that one host call may copy out of the guest.
    pub hostcall_bytes: u64,
    /// Calls of any import.
    pub host_calls: u64,
}

impl Limits {
    /// These limits, none of them above the operator's.
    #[must_use]
    pub fn within(self, most: &Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.min(most.memory_bytes),
            table_elements: self.table_elements.min(most.table_elements),
            cpu_ms: self.cpu_ms.min(most.cpu_ms),
            wall_ms: self.wall_ms.min(most.wall_ms),
            output_bytes: self.output_bytes.min(most.output_bytes),
            log_lines: self.log_lines.min(most.log_lines),
            log_bytes: self.log_bytes.min(most.log_bytes),
            http_calls: self.http_calls.min(most.http_calls),
            http_bytes: self.http_bytes.min(most.http_bytes),
            http_timeout_ms: self.http_timeout_ms.min(most.http_timeout_ms),
            kv_calls: self.kv_calls.min(most.kv_calls),
            kv_bytes: self.kv_bytes.min(most.kv_bytes),
            kv_value_bytes: self.kv_value_bytes.min(most.kv_value_bytes),
            kv_stored_keys: self.kv_stored_keys.min(most.kv_stored_keys),
            kv_stored_bytes: self.kv_stored_bytes.min(most.kv_stored_bytes),
            handles: self.handles.min(most.handles),
            hostcall_bytes: self.hostcall_bytes.min(most.hostcall_bytes),
            host_calls: self.host_calls.min(most.host_calls),
        }
    }

    /// What the server starts with, unless the operator says otherwise: room for a plugin of a chat, not for a program.
    pub const fn usual() -> Self {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        Self {
            memory_bytes: 64 * MIB,
            table_elements: 20_000,
            cpu_ms: 500,
            wall_ms: 30_000,
            output_bytes: MIB,
            log_lines: 200,
            log_bytes: 64 * KIB,
            http_calls: 10,
            http_bytes: 4 * MIB,
            http_timeout_ms: 20_000,
            kv_calls: 200,
            kv_bytes: MIB,
            kv_value_bytes: 64 * KIB,
            kv_stored_keys: 10_000,
            kv_stored_bytes: 8 * MIB,
            handles: 1_000,
            hostcall_bytes: 8 * MIB,
            host_calls: 10_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_above_the_operators_limits() {
        let most = Limits::usual();
        let mut wanted = most;
        wanted.cpu_ms = 10;
        wanted.memory_bytes = u64::MAX;
        let limits = wanted.within(&most);
        assert_eq!(limits.cpu_ms, 10);
        assert_eq!(limits.memory_bytes, most.memory_bytes);
        assert_eq!(Limits { cpu_ms: most.cpu_ms, ..limits }, most);
    }
}
