//! The server's runtime for plugins, for a developer's own code on a developer's machine.

use std::{sync::Arc, time::Duration};

use domain::Clock;
use plugin_host::{AdmissionLimits, BreakerLimits, Compiler, Host, HostSettings, Limits, StructureLimits};

/// Calls at once; a developer makes one after the other.
const CALLS: u32 = 2;
/// Bytes of machine code that stay in memory.
const READY_BYTES_MAX: usize = 256 << 20;

/// A host with the limits that servers have unless told otherwise.
pub(super) fn host(clock: Arc<dyn Clock>) -> Result<Arc<Host>, String> {
    let settings = HostSettings {
        limits_max: Limits::usual(),
        admission: AdmissionLimits {
            calls: CALLS,
            calls_per_tenant: CALLS,
            calls_per_plugin: CALLS,
            waiting_per_tenant: CALLS,
            wait: Duration::from_secs(10),
        },
        // Tests of failures are meant to fail, again and again.
        breaker: BreakerLimits { failures: u32::MAX, rest: Duration::ZERO },
        allows_wasi: true,
        compiler: Compiler::InProcess,
        cache: None,
        ready_bytes_max: READY_BYTES_MAX,
    };
    Host::new(settings, clock).map_err(|error| error.to_string())
}

/// What components may be made of.
pub(super) fn structure() -> StructureLimits {
    StructureLimits::usual()
}
