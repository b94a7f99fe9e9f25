//! The engine: which WebAssembly there is, how it is compiled, how its memory is laid out, how it is interrupted.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Result,
};

/// Bytes of a guest's own stack.
pub(crate) const STACK_BYTES: usize = 512 << 10;
/// Bytes of the stack on which a guest and what it calls in the host run.
const FIBER_BYTES: usize = 2 << 20;
/// Between two ticks of the epoch: how exactly processor time is cut off, and how long a call runs before it moves out
/// of the way of others.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Functions of a backtrace.
const BACKTRACE_FRAMES_MAX: usize = 30;
/// Ticks without a call after which the ticker sleeps.
const IDLE_TICKS: u32 = 50;
/// Parts of a component, at most.
pub(crate) const CORE_INSTANCES_MAX: u32 = 30;
/// Linear memories of a component, at most.
pub(crate) const MEMORIES_MAX: u32 = 4;
/// Tables of a component, at most.
pub(crate) const TABLES_MAX: u32 = 16;
/// Bytes of the host's own data about one core instance.
const CORE_INSTANCE_BYTES_MAX: usize = 1 << 20;
/// Bytes of a memory that stay mapped between two calls: clearing them is cheaper than mapping them again.
const RESIDENT_BYTES: usize = 64 << 10;

/// How an engine differs from the one that serves calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// Serves calls.
    Serving,
    /// Counts instructions, for upload checks and the test harness.
    Metered,
}

/// Room for so many calls at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) calls: u32,
    pub(crate) memory_bytes: usize,
    pub(crate) table_elements: usize,
}

/// What both the compiling child and the serving host use: code fits only an engine of the same settings.
pub(crate) fn settings(flavour: Flavour) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(flavour == Flavour::Metered)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(FIBER_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(flavour == Flavour::Metered)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        // Tables for debuggers of machine code. Backtraces of guests are made without.
        .native_unwind_info(cfg!(windows))
        .memory_init_cow(true);
    crate::features::apply(&mut config);
    config
}

/// An engine that compiles, and can run a call now and then.
pub(crate) fn plain(flavour: Flavour) -> Result<Engine> {
    Engine::new(&settings(flavour))
}

/// The engine that serves calls, and whether its memory comes from a pool. Where address space is too small for the
/// pool, memory is mapped for each call, which is slower.
pub(crate) fn serving(room: Room) -> Result<(Engine, bool)> {
    let mut config = settings(Flavour::Serving);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(room)));
    match Engine::new(&config) {
        Ok(engine) => Ok((engine, true)),
        Err(error) => {
            tracing::warn!(%error, "no address space for a pool of memories; plugins start more slowly");
            plain(Flavour::Serving).map(|engine| (engine, false))
        }
    }
}

fn pool(room: Room) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(room.calls)
        .total_core_instances(room.calls.saturating_mul(8))
        .total_memories(room.calls.saturating_mul(2))
        .total_tables(room.calls.saturating_mul(4))
        .total_stacks(room.calls)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_core_instance_size(CORE_INSTANCE_BYTES_MAX)
        .max_memory_size(room.memory_bytes)
        .table_elements(room.table_elements)
        .linear_memory_keep_resident(RESIDENT_BYTES)
        .table_keep_resident(RESIDENT_BYTES)
        .async_stack_keep_resident(RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Moves an engine's epoch on while calls run, and sleeps when none does.
pub(crate) struct Ticker {
    calls: Mutex<Calls>,
    begun: Condvar,
}

#[derive(Default)]
struct Calls {
    running: usize,
    is_asleep: bool,
    is_closed: bool,
}

impl Ticker {
    pub(crate) fn start(engines: &[&Engine]) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self { calls: Mutex::default(), begun: Condvar::new() });
        let (engines, own) = (engines.iter().map(|engine| engine.weak()).collect::<Vec<_>>(), ticker.clone());
        std::thread::Builder::new().name("plugin-ticker".into()).spawn(move || own.run(&engines))?;
        Ok(ticker)
    }

    /// Ticks at least until the guard is dropped.
    pub(crate) fn call(self: &Arc<Self>) -> Ticking {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.running += 1;
        if calls.is_asleep {
            self.begun.notify_one();
        }
        Ticking(self.clone())
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.begun.notify_one();
    }

    fn run(&self, engines: &[EngineWeak]) {
        let mut idle = 0;
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while !calls.is_closed {
            if calls.running == 0 && idle >= IDLE_TICKS {
                calls.is_asleep = true;
                calls = self.begun.wait(calls).unwrap_or_else(PoisonError::into_inner);
                calls.is_asleep = false;
                idle = 0;
                continue;
            }
            idle = if calls.running == 0 { idle + 1 } else { 0 };
            calls = self.begun.wait_timeout(calls, TICK).unwrap_or_else(PoisonError::into_inner).0;
            for engine in engines {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        }
    }
}

/// That a call runs.
pub(crate) struct Ticking(Arc<Ticker>);

impl Drop for Ticking {
    fn drop(&mut self) {
        let mut calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.running = calls.running.saturating_sub(1);
    }
}
