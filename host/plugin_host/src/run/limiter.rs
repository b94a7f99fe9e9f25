//! Memory and tables, all of a call's together.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use wasmtime::{ResourceLimiter, Result, bail};

use super::meter::Meter;
use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};

/// Sums over all memories and all tables of a store, which wasmtime's own limiter does not. What is refused traps: a
/// guest that goes on without the memory it wanted says nothing useful later.
#[derive(Debug)]
pub(crate) struct Limiter {
    meter: Arc<Meter>,
    memory_bytes_max: u64,
    table_elements_max: u64,
    memory_bytes: u64,
    table_elements: u64,
}

impl Limiter {
    pub(crate) fn new(meter: Arc<Meter>, memory_bytes_max: u64, table_elements_max: u64) -> Self {
        Self { meter, memory_bytes_max, table_elements_max, memory_bytes: 0, table_elements: 0 }
    }

    fn refuse(&self, what: &str) -> Result<bool> {
        self.meter.refuse(what.to_owned());
        bail!("{what}")
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let total = self.memory_bytes.saturating_add((desired - current) as u64);
        if total > self.memory_bytes_max {
            return self.refuse(&format!("it wanted {total} bytes of memory and may have {}", self.memory_bytes_max));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own bound, which it may test for.
            return Ok(false);
        }
        self.memory_bytes = total;
        self.meter.memory_bytes.fetch_max(total, Relaxed);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        tracing::debug!(%error, "a plugin's memory did not grow");
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let total = self.table_elements.saturating_add((desired - current) as u64);
        if total > self.table_elements_max {
            return self
                .refuse(&format!("it wanted tables of {total} elements and may have {}", self.table_elements_max));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}
