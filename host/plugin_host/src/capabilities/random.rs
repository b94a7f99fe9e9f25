//! `random`: bytes from the host's source.

use wasmtime::Result;

use crate::{
    bindings::chatboost::plugin::random::Host,
    run::state::{State, Stop},
};

/// Bytes of one call.
const BYTES_MAX: u32 = 4096;

impl Host for State {
    fn bytes(&mut self, length: u32) -> Result<Vec<u8>> {
        self.host_call("random")?;
        self.caller.rights.random().map_err(|denial| Stop::Denied(self.denied(denial)))?;
        if length > BYTES_MAX {
            return Err(Stop::TooMuchRandomness(BYTES_MAX).into());
        }
        let mut bytes = vec![0; length as usize];
        self.caller.services.random(&mut bytes);
        Ok(bytes)
    }
}
