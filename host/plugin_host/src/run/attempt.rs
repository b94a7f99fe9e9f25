//! One call of one fresh instance.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use wasmtime::{Result, Store, UpdateDeadline};

use super::{admission::Permit, state::State};
use crate::{
    Loaded,
    bindings::{
        chatboost::plugin::types::Fault,
        exports::chatboost::plugin::{node, trigger},
    },
    capabilities::{kv::Buffer, secrets::Placeholders},
};

/// Ticks of the epoch that a long call runs before others have their turn.
const SLOW_SLICE_TICKS: u64 = 5;
/// Nanoseconds on a processor after which a call is long.
const FAST_SLICE_NS: u64 = 1_000_000;
/// Fuel of the metered engine: more than any processor time that is granted.
const FUEL: u64 = u64::MAX >> 1;

/// What is called, with everything that goes in.
#[derive(Debug)]
pub(crate) enum Request {
    Describe,
    Execute(node::Call),
    Resume(node::Call, node::Cause),
    Matches(trigger::Call, trigger::Occurrence),
    Handle(trigger::Call, trigger::HttpRequest),
    Poll(trigger::Call, Option<String>),
}

/// What came out.
pub(crate) enum Answer {
    Description(String),
    Step(Result<node::Step, Fault>),
    Recognition(Result<Option<trigger::Recognition>, Fault>),
    Handling(Result<trigger::Handling, Fault>),
    Finding(Result<trigger::Finding, Fault>),
}

/// The plugin does not export what is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it exports no {0}")]
pub(crate) struct NoExport(&'static str);

/// What an attempt leaves behind.
pub(crate) struct Left {
    /// The values that it read and wrote.
    pub(crate) kv: Buffer,
    /// The placeholders that it was given.
    pub(crate) placeholders: Placeholders,
}

/// Calls a fresh instance, which is gone when it has ended, whatever happened. `permit`: held until then.
/// `begins_slow`: the guest's own code runs in the slow lane from its first instruction.
pub(crate) fn attempt(
    loaded: Arc<Loaded>,
    state: State,
    request: Arc<Request>,
    permit: Arc<Permit>,
    begins_slow: bool,
) -> impl Future<Output = (Result<Answer>, Left)> {
    // Made outside of the future, which is moved: it has only a pointer to it.
    let store = store(&loaded, state, begins_slow);
    async move {
        // In this order: a call that is given up goes first, then its permit.
        let (_permit, mut store) = (permit, store);
        let answer = metered_call(&loaded, &mut store, &request).await;
        let State { kv, placeholders, .. } = store.into_data();
        (answer, Left { kv, placeholders })
    }
}

/// A store with all limits of the call.
fn store(loaded: &Loaded, state: State, begins_slow: bool) -> Store<State> {
    let limits = state.caller.limits;
    let mut store = Store::new(&loaded.engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(usize::try_from(limits.hostcall_bytes).unwrap_or(usize::MAX));
    store.set_max_component_handles(usize::try_from(limits.handles).unwrap_or(usize::MAX));
    store.set_epoch_deadline(if begins_slow { 0 } else { 1 });
    let mut is_first_stop = begins_slow;
    let cpu_ns_max = limits.cpu_ms.saturating_mul(1_000_000);
    store.epoch_deadline_callback(move |context| {
        let meter = &context.data().meter;
        let spent = meter.spent_now();
        if spent >= cpu_ns_max {
            return Ok(UpdateDeadline::Interrupt);
        }
        // A tick may come right after the call has begun; only what it has used counts.
        let is_long = spent >= FAST_SLICE_NS;
        if !is_long && !std::mem::take(&mut is_first_stop) {
            return Ok(UpdateDeadline::Continue(1));
        }
        if is_long {
            meter.is_long.store(true, Relaxed);
        }
        meter.wants_slow.store(true, Relaxed);
        Ok(UpdateDeadline::YieldCustom(SLOW_SLICE_TICKS, Box::pin(tokio::task::yield_now())))
    });
    store
}

async fn metered_call(loaded: &Loaded, store: &mut Store<State>, request: &Request) -> Result<Answer> {
    if loaded.is_metered {
        store.set_fuel(FUEL)?;
    }
    let answer = call(loaded, store, request).await;
    let meter = &store.data().meter;
    meter.leave_slow_lane().await;
    if loaded.is_metered
        && let Ok(left) = store.get_fuel()
    {
        meter.instructions.store(FUEL - left, Relaxed);
    }
    answer
}

async fn call(loaded: &Loaded, store: &mut Store<State>, request: &Request) -> Result<Answer> {
    let begun = Instant::now();
    let instance = loaded.pre.instantiate_async(&mut *store).await?;
    let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    store.data().meter.instantiate_us.store(took, Relaxed);
    let node = || loaded.node.as_ref().ok_or(NoExport("node"));
    let trigger = || loaded.trigger.as_ref().ok_or(NoExport("trigger"));
    Ok(match request {
        Request::Describe => {
            let guest = loaded.manifest.load(&mut *store, &instance)?;
            Answer::Description(guest.call_describe(store).await?)
        }
        Request::Execute(call) => {
            let guest = node()?.load(&mut *store, &instance)?;
            Answer::Step(guest.call_execute(store, call).await?)
        }
        Request::Resume(call, cause) => {
            let guest = node()?.load(&mut *store, &instance)?;
            Answer::Step(guest.call_resume(store, call, cause).await?)
        }
        Request::Matches(call, occurrence) => {
            let guest = trigger()?.load(&mut *store, &instance)?;
            Answer::Recognition(guest.call_matches(store, call, occurrence).await?)
        }
        Request::Handle(call, request) => {
            let guest = trigger()?.load(&mut *store, &instance)?;
            Answer::Handling(guest.call_handle(store, call, request).await?)
        }
        Request::Poll(call, cursor) => {
            let guest = trigger()?.load(&mut *store, &instance)?;
            Answer::Finding(guest.call_poll(store, call, cursor.as_ref()).await?)
        }
    })
}
