//! What a call has read and written.

use std::collections::BTreeMap;

use crate::{KvChanges, KvCheck, KvEntry, KvExpiry, KvScope, KvUsage, KvWrite, Limits};

/// The values that a call has read and written, until they are stored or forgotten.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    slots: BTreeMap<(KvScope, String), Slot>,
    usage: BTreeMap<KvScope, KvUsage>,
}

#[derive(Debug, Default, Clone)]
struct Slot {
    /// As it was stored when the call read it, if it did.
    stored: Option<Option<KvEntry>>,
    /// The call's result depends on that.
    is_checked: bool,
    written: Option<Written>,
    /// How often the call has written it.
    writes: u64,
}

#[derive(Debug, Clone)]
struct Written {
    value: Option<Vec<u8>>,
    expiry: KvExpiry,
}

/// A slot before it was written to.
pub(super) struct Before(Slot);

/// A value as the call sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) value: Option<Vec<u8>>,
    pub(super) version: u64,
}

impl Buffer {
    pub(super) fn has_read(&self, scope: KvScope, key: &str) -> bool {
        self.slots.get(&(scope, key.to_owned())).is_some_and(|slot| slot.stored.is_some())
    }

    pub(super) fn remember(&mut self, scope: KvScope, key: &str, found: Option<KvEntry>) {
        self.slot(scope, key).stored = Some(found);
    }

    /// Whether a value of so many bytes takes more room than the one that this call sees. Of one that it has not read, yes.
    pub(super) fn grows(&self, scope: KvScope, key: &str, bytes: usize) -> bool {
        let Some(slot) = self.slots.get(&(scope, key.to_owned())) else { return true };
        let seen = match &slot.written {
            Some(written) => written.value.as_ref().map(Vec::len),
            None => slot.stored.as_ref().and_then(Option::as_ref).map(|entry| entry.value.len()),
        };
        seen.is_none_or(|seen| bytes > seen)
    }

    pub(super) fn current(&mut self, scope: KvScope, key: &str) -> Current {
        let slot = self.slot(scope, key);
        let stored = slot.stored.as_ref().and_then(Option::as_ref);
        let version = stored.map_or(0, |entry| entry.version) + slot.writes;
        let value = match &slot.written {
            Some(written) => written.value.clone(),
            None => stored.map(|entry| entry.value.clone()),
        };
        Current { value, version }
    }

    pub(super) fn depend(&mut self, scope: KvScope, key: &str) {
        self.slot(scope, key).is_checked = true;
    }

    pub(super) fn write(&mut self, scope: KvScope, key: &str, value: Option<Vec<u8>>, expiry: KvExpiry) -> Before {
        let slot = self.slot(scope, key);
        let before = Before(slot.clone());
        let expiry = match (&slot.written, expiry) {
            // What was there is what this call wrote.
            (Some(written), KvExpiry::Kept) if written.value.is_some() => written.expiry,
            (Some(_), KvExpiry::Kept) => KvExpiry::Never,
            (_, expiry) => expiry,
        };
        slot.written = Some(Written { value, expiry });
        slot.writes += 1;
        before
    }

    pub(super) fn put_back(&mut self, scope: KvScope, key: &str, before: Before) {
        let slot = self.slot(scope, key);
        slot.written = before.0.written;
        slot.writes = before.0.writes;
    }

    pub(super) fn usage(&self, scope: KvScope) -> Option<KvUsage> {
        self.usage.get(&scope).copied()
    }

    pub(super) fn set_usage(&mut self, scope: KvScope, usage: KvUsage) {
        self.usage.insert(scope, usage);
    }

    /// What the scope holds after this call, at most: what is overwritten unread is taken to be nothing.
    pub(super) fn after(&self, scope: KvScope, stored: KvUsage) -> KvUsage {
        let mut after = stored;
        for ((_, key), slot) in self.slots.iter().filter(|((of, _), _)| *of == scope) {
            let Some(written) = &slot.written else { continue };
            if let Some(entry) = slot.stored.as_ref().and_then(Option::as_ref) {
                after.keys = after.keys.saturating_sub(1);
                after.bytes = after.bytes.saturating_sub((key.len() + entry.value.len()) as u64);
            }
            if let Some(value) = &written.value {
                after.keys += 1;
                after.bytes += (key.len() + value.len()) as u64;
            }
        }
        after
    }

    /// Keys that were written unread.
    pub(super) fn unread(&self, scope: KvScope) -> Vec<String> {
        let unread =
            self.slots.iter().filter(|((of, _), slot)| *of == scope && slot.written.is_some() && slot.stored.is_none());
        unread.map(|((_, key), _)| key.clone()).collect()
    }

    /// How many keys this call has removed.
    pub(super) fn removed(&self, scope: KvScope) -> usize {
        let is_removal = |slot: &Slot| slot.written.as_ref().is_some_and(|written| written.value.is_none());
        self.slots.iter().filter(|((of, _), slot)| *of == scope && is_removal(slot)).count()
    }

    /// Stored keys with what this call wrote and removed.
    pub(super) fn list(
        &self,
        scope: KvScope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        mut keys: Vec<String>,
    ) -> Vec<String> {
        for ((of, key), slot) in &self.slots {
            let Some(written) = &slot.written else { continue };
            if *of != scope || !key.starts_with(prefix) || after.is_some_and(|after| key.as_str() <= after) {
                continue;
            }
            match (keys.binary_search(key), written.value.is_some()) {
                (Ok(at), false) => {
                    keys.remove(at);
                }
                (Err(at), true) => keys.insert(at, key.clone()),
                _ => {}
            }
        }
        keys.truncate(limit);
        keys
    }

    /// What is to be stored, if anything.
    pub(crate) fn changes(&self, limits: &Limits) -> Option<KvChanges> {
        let mut changes = KvChanges {
            stored_keys_max: limits.kv_stored_keys,
            stored_bytes_max: limits.kv_stored_bytes,
            ..KvChanges::default()
        };
        for ((scope, key), slot) in &self.slots {
            if slot.is_checked
                && let Some(stored) = &slot.stored
            {
                let version = stored.as_ref().map(|entry| entry.version);
                changes.checks.push(KvCheck { scope: *scope, key: key.clone(), version });
            }
            if let Some(Written { value, expiry }) = slot.written.clone() {
                changes.writes.push(KvWrite { scope: *scope, key: key.clone(), value, expiry });
            }
        }
        (!changes.writes.is_empty()).then_some(changes)
    }

    fn slot(&mut self, scope: KvScope, key: &str) -> &mut Slot {
        self.slots.entry((scope, key.to_owned())).or_default()
    }
}
