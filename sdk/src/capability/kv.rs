//! Small values that outlive an execution, per plugin and bot, or per plugin, bot and contact. Capability `kv`.
//!
//! A call sees its own writes at once; others see them when the call has succeeded. When somebody else has changed a value
//! meanwhile that the call depends on, the host makes the whole call again, so [`Store::update`] and [`Store::increment`]
//! lose nothing, and neither needs a loop.
//!
//! ```
//! use chatboost_sdk::prelude::*;
//!
//! #[data]
//! struct Visits {
//!     count: u32,
//! }
//!
//! fn count() -> Result<u32> {
//!     let visits = kv::contact().update("visits", |old: Option<Visits>| Visits { count: old.map_or(1, |old| old.count + 1) })?;
//!     Ok(visits.count)
//! }
//! ```

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::Fault;

/// Whose values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those of the bot.
    Bot,
    /// Those of the contact of this call.
    Contact,
}

/// A value as it is stored, and what tells it from later ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawEntry {
    /// The value.
    #[serde(with = "crate::bytes")]
    pub value: Vec<u8>,
    /// Grows with each change.
    pub version: u64,
}

/// A value and what tells it from later ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// Grows with each change; for [`Store::compare_and_set`].
    pub version: u64,
}

/// Why it did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "message", rename_all = "snake_case")]
pub enum KvError {
    /// Not granted, or a contact's value where there is no contact.
    Denied(String),
    /// A limit on keys, bytes or calls.
    Quota(String),
    /// A key that cannot be one, or a value that is not what it should be.
    Invalid(String),
    /// The store did not answer.
    Unavailable(String),
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(text) | Self::Quota(text) | Self::Invalid(text) | Self::Unavailable(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for KvError {}

impl From<KvError> for Fault {
    fn from(error: KvError) -> Self {
        let text = error.to_string();
        match error {
            KvError::Denied(_) => Self::permanent(text).code("kv_denied"),
            KvError::Quota(_) => Self::permanent(text).code("kv_quota"),
            KvError::Invalid(_) => Self::permanent(text).code("kv_invalid"),
            KvError::Unavailable(_) => Self::retryable(text),
        }
    }
}

/// Values of one scope.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    scope: Scope,
}

/// The bot's values.
pub fn bot() -> Store {
    Store { scope: Scope::Bot }
}

/// Values of the contact of this call.
pub fn contact() -> Store {
    Store { scope: Scope::Contact }
}

impl Store {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`KvError`], also when the value is of another type.
    pub fn get<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>, KvError> {
        Ok(self.entry(key)?.map(|entry| entry.value))
    }

    /// Reads a value and its version.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn entry<T: DeserializeOwned>(self, key: &str) -> Result<Option<Entry<T>>, KvError> {
        let Some(RawEntry { value, version }) = crate::host::kv_get(self.scope, key)? else { return Ok(None) };
        match serde_json::from_slice(&value) {
            Ok(value) => Ok(Some(Entry { value, version })),
            Err(fault) => Err(KvError::Invalid(format!("the value of {key} cannot be read: {fault}"))),
        }
    }

    /// Writes a value, whatever was there.
    ///
    /// # Errors
    ///
    /// [`KvError`].
    pub fn set<T: Serialize>(self, key: &str, value: &T) -> Result<(), KvError> {
        crate::host::kv_set(self.scope, key, &written(key, value)?, None)
    }

    /// Writes a value that disappears after a time, to the second.
    ///
    /// # Errors
    ///
    /// [`KvError`].
    pub fn set_for<T: Serialize>(self, key: &str, value: &T, time: Duration) -> Result<(), KvError> {
        crate::host::kv_set(self.scope, key, &written(key, value)?, Some(seconds(time)))
    }

    /// Writes a value if the present one has that version (none: if there is none). Whether it did.
    ///
    /// # Errors
    ///
    /// [`KvError`].
    pub fn compare_and_set<T: Serialize>(self, key: &str, expected: Option<u64>, value: &T) -> Result<bool, KvError> {
        crate::host::kv_compare_and_set(self.scope, key, expected, &written(key, value)?, None)
    }

    /// The same for a value that disappears after a time, to the second.
    ///
    /// # Errors
    ///
    /// [`KvError`].
    pub fn compare_and_set_for<T: Serialize>(
        self,
        key: &str,
        expected: Option<u64>,
        value: &T,
        time: Duration,
    ) -> Result<bool, KvError> {
        crate::host::kv_compare_and_set(self.scope, key, expected, &written(key, value)?, Some(seconds(time)))
    }

    /// Makes a new value of the old one, and returns it. Nothing that others write meanwhile is lost.
    ///
    /// # Errors
    ///
    /// [`KvError`].
    pub fn update<T: Serialize + DeserializeOwned>(
        self,
        key: &str,
        change: impl FnOnce(Option<T>) -> T,
    ) -> Result<T, KvError> {
        let (old, version) = match self.entry(key)? {
            Some(Entry { value, version }) => (Some(value), Some(version)),
            None => (None, None),
        };
        let new = change(old);
        if self.compare_and_set(key, version, &new)? {
            return Ok(new);
        }
        Err(KvError::Unavailable(format!("the value of {key} was changed by somebody else meanwhile")))
    }

    /// Adds to a whole number (none counts as 0), and returns the sum.
    ///
    /// # Errors
    ///
    /// [`KvError`], also when the value is no whole number.
    pub fn increment(self, key: &str, delta: i64) -> Result<i64, KvError> {
        crate::host::kv_increment(self.scope, key, delta)
    }

    /// Removes a value. Whether there was one.
    ///
    /// # Errors
    ///
    /// [`KvError`].
    pub fn delete(self, key: &str) -> Result<bool, KvError> {
        crate::host::kv_delete(self.scope, key)
    }

    /// Keys that begin with `prefix`, sorted, at most `limit` (and at most 1000), those after `after`.
    ///
    /// # Errors
    ///
    /// [`KvError`].
    pub fn keys(self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, KvError> {
        crate::host::kv_list_keys(self.scope, prefix, after, limit)
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

fn written(key: &str, value: &impl Serialize) -> Result<Vec<u8>, KvError> {
    serde_json::to_vec(value)
        .map_err(|fault| KvError::Invalid(format!("the value for {key} cannot be written: {fault}")))
}
