//! What a call of a plugin needs from outside: storage, secrets, requests.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use domain::{BotId, Clock, ContactId, PluginId, Time, plugin::PluginOutcome};
use plugin_host::{
    Commit, Exchange, ExchangeError, KvChanges, KvCheck, KvEntry, KvExpiry, KvScope, KvUsage, KvWrite, Reply,
    ServiceError, Services,
};
use storage::{Db, Holder, KeptOutcome, ValueCheck, ValueCommit, ValueExpiry, ValueLimits, ValueWrite};

use super::{exchange::Outside, lock, pending::PendingValues, setup::HeldSecrets};

/// What becomes of what a call does.
#[derive(Debug)]
pub(super) enum Mode {
    /// It is real.
    Real,
    /// It is real, and what it keeps is left here, to be stored with what it found.
    Later(Arc<Mutex<PendingValues>>),
    /// It is a trial: nothing is kept.
    Trial {
        /// Whether requests are made.
        allows_http: bool,
    },
}

/// One call's part of the world.
pub(super) struct CallServices {
    pub(super) db: Db,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) outside: Arc<Outside>,
    pub(super) plugin: PluginId,
    pub(super) bot: BotId,
    pub(super) contact: Option<ContactId>,
    pub(super) call_id: String,
    pub(super) secrets: Arc<HeldSecrets>,
    pub(super) mode: Mode,
}

impl CallServices {
    fn holder(&self, scope: KvScope) -> Holder {
        let contact = match scope {
            KvScope::Bot => None,
            KvScope::Contact => self.contact,
        };
        Holder { plugin: self.plugin, bot: self.bot, contact }
    }

    fn scope_of(holder: Holder) -> KvScope {
        if holder.contact.is_some() { KvScope::Contact } else { KvScope::Bot }
    }

    async fn commit(&self, changes: &KvChanges, outcome: Option<&PluginOutcome>) -> storage::Result<Commit> {
        let now = self.clock.now();
        let PendingValues { checks, writes, limits } = match &self.mode {
            Mode::Real => self.values(changes, now),
            Mode::Later(pending) => {
                *lock(pending) = self.values(changes, now);
                return Ok(Commit::Done);
            }
            Mode::Trial { .. } => return Ok(Commit::Done),
        };
        let mut tx = self.db.begin().await?;
        let done = tx.change_values(&checks, &writes, limits, now).await?;
        if done == ValueCommit::Done
            && let Some(outcome) = outcome
        {
            let outcome = serde_json::to_string(outcome).map_err(|error| storage::Error::Corrupt(error.to_string()))?;
            let kept = KeptOutcome {
                plugin: self.plugin,
                bot: self.bot,
                contact: self.contact,
                call_id: &self.call_id,
                outcome: &outcome,
            };
            tx.keep_outcome(kept, now).await?;
        }
        if done == ValueCommit::Done {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(match done {
            ValueCommit::Done => Commit::Done,
            ValueCommit::Conflict => Commit::Conflict,
            ValueCommit::OverQuota(holder) => Commit::OverQuota(Self::scope_of(holder)),
            ValueCommit::Gone => return Err(storage::Error::Dangling("the plugin or the bot".into())),
        })
    }
}

impl CallServices {
    /// What a call wants kept, as storage takes it.
    fn values(&self, changes: &KvChanges, now: Time) -> PendingValues {
        let check = |check: &KvCheck| ValueCheck {
            holder: self.holder(check.scope),
            key: check.key.clone(),
            version: check.version.map(stored),
        };
        let write = |write: &KvWrite| ValueWrite {
            holder: self.holder(write.scope),
            key: write.key.clone(),
            value: write.value.clone(),
            expiry: match write.expiry {
                KvExpiry::Never => ValueExpiry::Never,
                KvExpiry::After(seconds) => ValueExpiry::At(now + TimeDelta::seconds(seconds.into())),
                KvExpiry::Kept => ValueExpiry::Kept,
            },
        };
        PendingValues {
            checks: changes.checks.iter().map(check).collect(),
            writes: changes.writes.iter().map(write).collect(),
            limits: ValueLimits { keys: stored(changes.stored_keys_max), bytes: stored(changes.stored_bytes_max) },
        }
    }
}

#[async_trait::async_trait]
impl Services for CallServices {
    async fn exchange(&self, exchange: Exchange) -> Result<Reply, ExchangeError> {
        if matches!(self.mode, Mode::Trial { allows_http: false }) {
            let why = "a trial makes no requests; send `allow_http: true` with it to let it";
            return Err(ExchangeError::Refused(why.into()));
        }
        self.outside.exchange(exchange).await
    }

    async fn kv_get(&self, scope: KvScope, key: &str) -> Result<Option<KvEntry>, ServiceError> {
        let get = async || {
            let mut tx = self.db.read().await?;
            let found = tx.held_value(self.holder(scope), key, self.clock.now()).await?;
            tx.commit().await?;
            Ok(found.map(|held| KvEntry { value: held.value, version: held.version.unsigned_abs() }))
        };
        get().await.map_err(|error| silent(&error))
    }

    async fn kv_keys(
        &self,
        scope: KvScope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, ServiceError> {
        let list = async || {
            let mut tx = self.db.read().await?;
            let (holder, after) = (self.holder(scope), after.unwrap_or_default());
            let keys = tx.held_keys(holder, prefix, after, limit.into(), self.clock.now()).await?;
            tx.commit().await?;
            Ok(keys)
        };
        list().await.map_err(|error| silent(&error))
    }

    async fn kv_usage(&self, scope: KvScope) -> Result<KvUsage, ServiceError> {
        let usage = async || {
            let mut tx = self.db.read().await?;
            let usage = tx.held_usage(self.holder(scope), self.clock.now()).await?;
            tx.commit().await?;
            Ok(KvUsage { keys: usage.keys.unsigned_abs(), bytes: usage.bytes.unsigned_abs() })
        };
        usage().await.map_err(|error| silent(&error))
    }

    async fn kv_commit(&self, changes: &KvChanges, outcome: Option<&PluginOutcome>) -> Result<Commit, ServiceError> {
        match self.commit(changes, outcome).await {
            Ok(done) => Ok(done),
            // Two transactions in each other's way, or another host that made the same call: look again.
            Err(storage::Error::Retry(_) | storage::Error::Conflict(_)) => Ok(Commit::Conflict),
            Err(error) => Err(silent(&error)),
        }
    }

    async fn secret(&self, name: &str) -> Result<Option<String>, ServiceError> {
        match self.secrets.get(name) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value.reveal().to_owned())),
            Some(Err(error)) => Err(ServiceError(error.to_string())),
        }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn random(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // A guest must not take zeros for randomness.
            tracing::error!(%error, "the system has no randomness");
            panic!("no randomness");
        }
    }
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Logs what the database said and tells the plugin only that it did not answer.
pub(super) fn silent(error: &storage::Error) -> ServiceError {
    tracing::warn!(%error, "a plugin's values cannot be reached");
    ServiceError("the store does not answer".into())
}
