//! What a call needs from outside. The host runs guests and checks rights; whoever uses it brings the world.

use domain::{Time, plugin::PluginOutcome};

/// What one call needs from outside: made for one plugin, bot, contact and call. Every method is called after the rights
/// and limits of the call were checked.
#[async_trait::async_trait]
pub trait Services: Send + Sync + 'static {
    /// One HTTP exchange through the egress guard. Follows no redirect, sends exactly these headers beside those of the
    /// connection, and reads no more than `body_bytes_max` of the answer.
    async fn exchange(&self, exchange: Exchange) -> Result<Reply, ExchangeError>;

    /// A value as it is stored now.
    async fn kv_get(&self, scope: KvScope, key: &str) -> Result<Option<KvEntry>, ServiceError>;

    /// Stored keys that begin with `prefix`, sorted, at most `limit`, those after `after`.
    async fn kv_keys(
        &self,
        scope: KvScope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, ServiceError>;

    /// How much a scope holds now.
    async fn kv_usage(&self, scope: KvScope) -> Result<KvUsage, ServiceError>;

    /// Applies a call's changes in one transaction, if all checks hold. For a node's call, `outcome` is to be kept in the
    /// same transaction: the call must not be made again after it.
    async fn kv_commit(&self, changes: &KvChanges, outcome: Option<&PluginOutcome>) -> Result<Commit, ServiceError>;

    /// The value of a secret that is granted, if somebody has stored one.
    async fn secret(&self, name: &str) -> Result<Option<String>, ServiceError>;

    /// The time.
    fn now(&self) -> Time;

    /// Fills with randomness fit for cryptography.
    fn random(&self, bytes: &mut [u8]);
}

/// The service did not answer; a sentence for the plugin's author without the server's insides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ServiceError(pub String);

/// One HTTP exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Method, upper case.
    pub method: String,
    /// Address with its final values, http or https, without user name and fragment.
    pub url: url::Url,
    /// Headers with their final values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body with its final values.
    pub body: Option<Vec<u8>>,
    /// For the whole exchange.
    pub timeout_ms: u64,
    /// Most bytes to read of the answer's body.
    pub body_bytes_max: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeError {
    /// An address that nothing may call; a sentence.
    Refused(String),
    /// No connection, or a broken one; a sentence.
    Unreachable(String),
    /// No complete answer in time.
    TimedOut,
    /// The body is longer than `body_bytes_max`.
    TooLarge,
}

/// Whose values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KvScope {
    /// The bot's.
    Bot,
    /// Those of the call's contact.
    Contact,
}

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// The value.
    pub value: Vec<u8>,
    /// Grows with each change of the key, also over its removal.
    pub version: u64,
}

/// How much a scope holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KvUsage {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// What a call wants to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KvChanges {
    /// What must still be so.
    pub checks: Vec<KvCheck>,
    /// What becomes of which key; each key once.
    pub writes: Vec<KvWrite>,
    /// Most keys of a scope after it.
    pub stored_keys_max: u64,
    /// Most bytes of keys and values of a scope after it.
    pub stored_bytes_max: u64,
}

/// A value on which the call's result depends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvCheck {
    /// Whose.
    pub scope: KvScope,
    /// Which.
    pub key: String,
    /// Its version when the call read it; none: there was none.
    pub version: Option<u64>,
}

/// A change of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvWrite {
    /// Whose.
    pub scope: KvScope,
    /// Which.
    pub key: String,
    /// The new value; none: removed.
    pub value: Option<Vec<u8>>,
    /// When it disappears.
    pub expiry: KvExpiry,
}

/// When a value disappears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvExpiry {
    /// Never.
    Never,
    /// So many seconds after it was written.
    After(u32),
    /// As the value that was there, if there was one; else never.
    Kept,
}

/// What became of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// They are stored.
    Done,
    /// A check did not hold; nothing is stored. The call is made again.
    Conflict,
    /// The scope would hold more than it may; nothing is stored.
    OverQuota(KvScope),
}
