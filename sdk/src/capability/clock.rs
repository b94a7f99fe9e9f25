//! The time. Capability `clock`. [`Context::now`](crate::Context::now) often does, and takes no grant.

/// Milliseconds since 1970-01-01T00:00:00Z. Without the grant the call ends with the failure `denied`.
pub fn now_ms() -> u64 {
    crate::host::clock_now_ms()
}
