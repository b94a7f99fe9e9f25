//! WASI 0.2 for components of other toolchains, when the operator allows it: everything is there and nothing is to be had.

use std::{sync::Arc, time::Duration};

use wasmtime::{
    Result,
    component::{Linker, ResourceTable},
};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::{Caller, Services, run::state::State};

/// Bytes of one request for randomness.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// What WASI's host functions keep for a call.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    /// No files, no environment, no arguments, no network, no names, no input; what is printed is dropped.
    pub(crate) fn deny_all(caller: &Caller) -> Self {
        let mut builder = WasiCtx::builder();
        builder
            .max_random_size(RANDOM_BYTES_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .wall_clock(Now(caller.services.clone()));
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(caller.limits.handles).unwrap_or(usize::MAX));
        Self { context: builder.build(), table }
    }
}

/// The time as the call's services tell it.
struct Now(Arc<dyn Services>);

impl HostWallClock for Now {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().timestamp_micros()).unwrap_or(0))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Only components loaded with the linker that has WASI get here, and their state has it.
        let caller = &self.caller;
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::deny_all(caller)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

/// Adds WASI 0.2.
pub(crate) fn link(linker: &mut Linker<State>) -> Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}
