//! Values in memory, by the rules of the `kv` interface.

use crate::{
    kv::{KvError, RawEntry, Scope},
    testing::protocol::{Stored, World},
};

/// The most bytes of a key, and keys of one answer.
const KEY_BYTES_MAX: usize = 256;
const LISTED_KEYS_MAX: u32 = 1000;

pub(crate) fn get(world: &World, scope: Scope, key: &str) -> Result<Option<RawEntry>, KvError> {
    check(key)?;
    Ok(living(world, scope)
        .find(|stored| stored.key == key)
        .map(|stored| RawEntry { value: stored.value.clone(), version: stored.version }))
}

pub(crate) fn set(
    world: &mut World,
    scope: Scope,
    key: &str,
    value: &[u8],
    ttl_seconds: Option<u32>,
) -> Result<(), KvError> {
    check(key)?;
    // Versions of a value that is gone do not come back.
    let version = world.kv.iter().map(|stored| stored.version).max().unwrap_or(0) + 1;
    let expires_at_ms = ttl_seconds.map(|seconds| world.now_ms + u64::from(seconds) * 1000);
    world.kv.retain(|stored| stored.scope != scope || stored.key != key);
    world.kv.push(Stored { scope, key: key.to_owned(), value: value.to_owned(), version, expires_at_ms });
    Ok(())
}

pub(crate) fn increment(world: &mut World, scope: Scope, key: &str, delta: i64) -> Result<i64, KvError> {
    let number = match get(world, scope, key)? {
        None => 0,
        Some(entry) => std::str::from_utf8(&entry.value)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .ok_or_else(|| KvError::Invalid(format!("the value of {key} is no whole number")))?,
    };
    let sum =
        number.checked_add(delta).ok_or_else(|| KvError::Invalid(format!("the value of {key} would be too large")))?;
    // Increments leave the time at which a value disappears.
    let expires_at_ms = living(world, scope).find(|stored| stored.key == key).and_then(|stored| stored.expires_at_ms);
    set(world, scope, key, sum.to_string().as_bytes(), None)?;
    if let Some(stored) = world.kv.last_mut() {
        stored.expires_at_ms = expires_at_ms;
    }
    Ok(sum)
}

pub(crate) fn delete(world: &mut World, scope: Scope, key: &str) -> Result<bool, KvError> {
    let found = get(world, scope, key)?.is_some();
    world.kv.retain(|stored| stored.scope != scope || stored.key != key);
    Ok(found)
}

pub(crate) fn keys(world: &World, scope: Scope, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let mut keys: Vec<String> = living(world, scope)
        .map(|stored| stored.key.clone())
        .filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after))
        .collect();
    keys.sort();
    keys.truncate(usize::try_from(limit.min(LISTED_KEYS_MAX)).unwrap_or_default());
    keys
}

fn living(world: &World, scope: Scope) -> impl Iterator<Item = &Stored> {
    let now = world.now_ms;
    world.kv.iter().filter(move |stored| stored.scope == scope && stored.expires_at_ms.is_none_or(|at| at > now))
}

fn check(key: &str) -> Result<(), KvError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(KvError::Invalid(format!("a key has 1 to {KEY_BYTES_MAX} bytes")));
    }
    Ok(())
}
