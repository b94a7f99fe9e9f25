//! What plugins can import, one file a capability. Each checks the rights of the call first, then its limits.

mod clock;
mod config;
mod http;
pub(crate) mod kv;
mod log;
mod random;
pub(crate) mod secrets;

use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

use crate::{bindings::chatboost::plugin as wit, run::state::State};

/// Adds all of them. Rights are a matter of the call, not of the linker.
pub(crate) fn link(linker: &mut Linker<State>) -> Result<()> {
    wit::types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit::log::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit::http::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit::kv::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit::secrets::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit::clock::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit::random::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit::config::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl wit::types::Host for State {}
