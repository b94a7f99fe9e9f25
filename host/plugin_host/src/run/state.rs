//! What a store carries for one call.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use wasmtime::Result;

use super::{limiter::Limiter, meter::Meter};
use crate::{
    Caller,
    capabilities::{kv::Buffer, secrets::Placeholders},
    wasi::Wasi,
};

/// The data of a store.
pub(crate) struct State {
    pub(crate) caller: Caller,
    pub(crate) meter: Arc<Meter>,
    pub(crate) limiter: Limiter,
    pub(crate) kv: Buffer,
    pub(crate) placeholders: Placeholders,
    pub(crate) wasi: Option<Box<Wasi>>,
    /// Only `describe` is called: nothing but the log can be used.
    pub(crate) is_describing: bool,
}

impl State {
    pub(crate) fn new(caller: Caller, meter: Arc<Meter>, has_wasi: bool, is_describing: bool) -> Self {
        let limits = caller.limits;
        Self {
            limiter: Limiter::new(meter.clone(), limits.memory_bytes, limits.table_elements),
            wasi: has_wasi.then(|| Box::new(Wasi::deny_all(&caller))),
            kv: Buffer::default(),
            placeholders: Placeholders::default(),
            caller,
            meter,
            is_describing,
        }
    }

    /// A denial, remembered for whoever tries the plugin.
    pub(crate) fn denied(&self, why: impl Into<String>) -> String {
        let why = why.into();
        self.meter.deny(&why);
        why
    }

    /// Counts a host call of `import`.
    ///
    /// # Errors
    /// Ends the guest when it makes too many, or while it only describes itself.
    pub(crate) fn host_call(&self, import: &'static str) -> Result<()> {
        let calls = self.meter.host_calls.fetch_add(1, Relaxed) + 1;
        if calls > self.caller.limits.host_calls {
            return Err(Stop::TooManyHostCalls(self.caller.limits.host_calls).into());
        }
        if self.is_describing && import != "log" {
            return Err(Stop::ImportWhileDescribing(import).into());
        }
        Ok(())
    }
}

/// Why the host ends a guest from within a host call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("it made more than {0} host calls")]
    TooManyHostCalls(u64),
    #[error("`describe` may use no import but `log`, and used `{0}`")]
    ImportWhileDescribing(&'static str),
    #[error("`random.bytes` gives at most {0} bytes at once")]
    TooMuchRandomness(u32),
    #[error("{0}")]
    Denied(String),
}
