//! `kv`: small values that outlive an execution. A call works on a buffer that is stored when it has succeeded.

mod buffer;

use std::sync::atomic::Ordering::Relaxed;

use wasmtime::Result;

pub(crate) use self::buffer::Buffer;
use self::buffer::Current;
use crate::{
    KvExpiry, KvScope,
    bindings::chatboost::plugin::kv::{Entry, Error, Host, Scope},
    run::state::State,
};

/// Bytes of a key.
const KEY_BYTES_MAX: usize = 256;
/// Keys of one list.
const LIST_MAX: u32 = 1000;

impl State {
    /// Checks rights and counts; what every call begins with.
    fn kv_call(&self, scope: Scope, key: Option<&str>) -> Result<KvScope, Error> {
        let scope = match scope {
            Scope::Bot => KvScope::Bot,
            Scope::Contact => KvScope::Contact,
        };
        self.caller.rights.kv(scope).map_err(|denial| Error::Denied(self.denied(denial)))?;
        if scope == KvScope::Contact && !self.caller.has_contact {
            return Err(Error::Denied(self.denied("there is no contact in this call")));
        }
        let most = self.caller.limits.kv_calls;
        if self.meter.kv_calls.fetch_add(1, Relaxed) >= most {
            return Err(Error::Quota(format!("a call may use kv {most} times")));
        }
        if let Some(key) = key
            && (key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control))
        {
            return Err(Error::Invalid(format!(
                "a key has 1 to {KEY_BYTES_MAX} bytes, none of them control characters"
            )));
        }
        Ok(scope)
    }

    /// Counts bytes that come in or go out.
    fn kv_bytes(&self, bytes: usize) -> Result<(), Error> {
        let most = self.caller.limits.kv_bytes;
        let used = self.meter.kv_bytes.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        if used > most { Err(Error::Quota(format!("a call may read and write {most} bytes of kv"))) } else { Ok(()) }
    }

    /// The value as this call sees it.
    async fn kv_current(&mut self, scope: KvScope, key: &str) -> Result<Current, Error> {
        if !self.kv.has_read(scope, key) {
            let found = self.meter.outside(self.caller.services.kv_get(scope, key)).await;
            let found = found.map_err(|error| Error::Unavailable(error.to_string()))?;
            self.kv_bytes(key.len() + found.as_ref().map_or(0, |entry| entry.value.len()))?;
            self.kv.remember(scope, key, found);
        }
        Ok(self.kv.current(scope, key))
    }

    async fn kv_write(
        &mut self,
        scope: KvScope,
        key: &str,
        value: Option<Vec<u8>>,
        expiry: KvExpiry,
    ) -> Result<(), Error> {
        if expiry == KvExpiry::After(0) {
            return Err(Error::Invalid("`ttl-seconds` is at least 1".into()));
        }
        let bytes = value.as_ref().map_or(0, Vec::len);
        let most = self.caller.limits.kv_value_bytes;
        if bytes as u64 > most {
            return Err(Error::Quota(format!("a value has at most {most} bytes")));
        }
        if value.as_ref().is_some_and(|value| !self.placeholders.within(value).is_empty())
            || !self.placeholders.within(key.as_bytes()).is_empty()
        {
            return Err(Error::Invalid("a placeholder of a secret cannot be kept: it means nothing later".into()));
        }
        self.kv_bytes(key.len() + bytes)?;
        let grows = value.is_some() && self.kv.grows(scope, key, bytes);
        let before = self.kv.write(scope, key, value, expiry);
        if grows && let Err(error) = self.kv_room(scope).await {
            self.kv.put_back(scope, key, before);
            return Err(error);
        }
        Ok(())
    }

    /// Whether the scope, with what this call writes, holds no more than it may. What is overwritten is looked at only
    /// when it matters.
    async fn kv_room(&mut self, scope: KvScope) -> Result<(), Error> {
        let usage = match self.kv.usage(scope) {
            Some(usage) => usage,
            None => {
                let usage = self.meter.outside(self.caller.services.kv_usage(scope)).await;
                let usage = usage.map_err(|error| Error::Unavailable(error.to_string()))?;
                self.kv.set_usage(scope, usage);
                usage
            }
        };
        let (keys_max, bytes_max) = (self.caller.limits.kv_stored_keys, self.caller.limits.kv_stored_bytes);
        let most = self.kv.after(scope, usage);
        if most.keys <= keys_max && most.bytes <= bytes_max {
            return Ok(());
        }
        for key in self.kv.unread(scope) {
            self.kv_current(scope, &key).await?;
        }
        let exactly = self.kv.after(scope, usage);
        if exactly.keys > keys_max {
            return Err(Error::Quota(format!("there may be {keys_max} keys")));
        }
        if exactly.bytes > bytes_max {
            return Err(Error::Quota(format!("keys and values may have {bytes_max} bytes together")));
        }
        Ok(())
    }

    async fn kv_get(&mut self, scope: Scope, key: &str) -> Result<Option<Entry>, Error> {
        let scope = self.kv_call(scope, Some(key))?;
        let current = self.kv_current(scope, key).await?;
        Ok(current.value.map(|value| Entry { value, version: current.version }))
    }

    async fn kv_compare_and_set(
        &mut self,
        scope: Scope,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl_seconds: Option<u32>,
    ) -> Result<bool, Error> {
        let scope = self.kv_call(scope, Some(key))?;
        let current = self.kv_current(scope, key).await?;
        // What the guest concludes from the answer, whichever it is, holds only as long as the value does.
        self.kv.depend(scope, key);
        if current.value.as_ref().map(|_| current.version) != expected {
            return Ok(false);
        }
        self.kv_write(scope, key, Some(value), expiry(ttl_seconds)).await.map(|()| true)
    }

    async fn kv_increment(&mut self, scope: Scope, key: &str, delta: i64) -> Result<i64, Error> {
        let scope = self.kv_call(scope, Some(key))?;
        let current = self.kv_current(scope, key).await?;
        self.kv.depend(scope, key);
        let number = match &current.value {
            None => Some(0),
            Some(value) => std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok()),
        };
        let number = number.ok_or_else(|| Error::Invalid(format!("the value of {key} is no whole number")))?;
        let sum = number.checked_add(delta).ok_or_else(|| Error::Invalid("the sum is out of range".into()))?;
        self.kv_write(scope, key, Some(sum.to_string().into_bytes()), KvExpiry::Kept).await.map(|()| sum)
    }

    async fn kv_delete(&mut self, scope: Scope, key: &str) -> Result<bool, Error> {
        let scope = self.kv_call(scope, Some(key))?;
        let had_one = self.kv_current(scope, key).await?.value.is_some();
        if had_one {
            self.kv_write(scope, key, None, KvExpiry::Never).await?;
        }
        Ok(had_one)
    }

    async fn kv_list(
        &mut self,
        scope: Scope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let scope = self.kv_call(scope, None)?;
        let limit = limit.min(LIST_MAX);
        // Some of what is stored may be removed by this call: so many more are asked for.
        let more = u32::try_from(self.kv.removed(scope)).unwrap_or(u32::MAX);
        let stored = self.caller.services.kv_keys(scope, prefix, after, limit.saturating_add(more));
        let stored = self.meter.outside(stored).await.map_err(|error| Error::Unavailable(error.to_string()))?;
        self.kv_bytes(stored.iter().map(String::len).sum())?;
        Ok(self.kv.list(scope, prefix, after, limit as usize, stored))
    }
}

fn expiry(ttl_seconds: Option<u32>) -> KvExpiry {
    ttl_seconds.map_or(KvExpiry::Never, KvExpiry::After)
}

impl Host for State {
    async fn get(&mut self, scope: Scope, key: String) -> Result<Result<Option<Entry>, Error>> {
        self.host_call("kv")?;
        Ok(self.kv_get(scope, &key).await)
    }

    async fn set(
        &mut self,
        scope: Scope,
        key: String,
        value: Vec<u8>,
        ttl_seconds: Option<u32>,
    ) -> Result<Result<(), Error>> {
        self.host_call("kv")?;
        Ok(match self.kv_call(scope, Some(&key)) {
            Ok(scope) => self.kv_write(scope, &key, Some(value), expiry(ttl_seconds)).await,
            Err(error) => Err(error),
        })
    }

    async fn compare_and_set(
        &mut self,
        scope: Scope,
        key: String,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl_seconds: Option<u32>,
    ) -> Result<Result<bool, Error>> {
        self.host_call("kv")?;
        Ok(self.kv_compare_and_set(scope, &key, expected, value, ttl_seconds).await)
    }

    async fn increment(&mut self, scope: Scope, key: String, delta: i64) -> Result<Result<i64, Error>> {
        self.host_call("kv")?;
        Ok(self.kv_increment(scope, &key, delta).await)
    }

    async fn delete(&mut self, scope: Scope, key: String) -> Result<Result<bool, Error>> {
        self.host_call("kv")?;
        Ok(self.kv_delete(scope, &key).await)
    }

    async fn list_keys(
        &mut self,
        scope: Scope,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Vec<String>, Error>> {
        self.host_call("kv")?;
        Ok(self.kv_list(scope, &prefix, after.as_deref(), limit).await)
    }
}
