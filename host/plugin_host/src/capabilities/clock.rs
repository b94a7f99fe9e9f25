//! `clock`: the time.

use wasmtime::Result;

use crate::{
    bindings::chatboost::plugin::clock::Host,
    run::state::{State, Stop},
};

impl Host for State {
    fn now_ms(&mut self) -> Result<u64> {
        self.host_call("clock")?;
        self.caller.rights.clock().map_err(|denial| Stop::Denied(self.denied(denial)))?;
        Ok(u64::try_from(self.caller.services.now().timestamp_millis()).unwrap_or(0))
    }
}
