//! Bots and flows as the runner needs them, kept between messages.
//!
//! Every change of a bot, its triggers or its published flows bumps the bot's `revision`, on whichever host. A batch
//! reads the revisions of its bots, so a cached bot is never staler than the batch itself. Flow versions never change.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{
    BotId, BotInfo, FlowDefinition, FlowId, Trigger,
    plugin::{Catalogue, FailureKind, Usable},
};
use engine::{Flow, triggers::Triggers};
use lru::LruCache;
use storage::{Db, Health, Tx};

use super::desk::FlowKey;
use crate::{
    credentials::{Credentials, Defaults},
    plugins::Plugins,
};

/// Most bots kept.
const BOTS_MAX: NonZeroUsize = NonZeroUsize::new(2_000).unwrap();
/// From so many triggers on, compiling them is taken off the async threads.
const TRIGGERS_AT_ONCE: usize = 100;
/// Most flow versions kept.
const FLOWS_MAX: NonZeroUsize = NonZeroUsize::new(2_000).unwrap();

/// A bot with what starts and sends its flows.
pub(crate) struct BotRuntime {
    pub(crate) info: BotInfo,
    pub(crate) is_active: bool,
    pub(crate) revision: i64,
    pub(crate) triggers: Triggers,
    /// The version that new executions of each flow run.
    pub(crate) published: HashMap<FlowId, i64>,
    pub(crate) health: Health,
    /// The message templates that are known to be for marketing: languages by name.
    pub(crate) marketing: HashMap<String, Vec<String>>,
    /// How to send; none when neither the bot nor the environment says.
    pub(crate) credentials: Option<Credentials>,
}

impl BotRuntime {
    /// Whether a message template is known to be for marketing.
    pub(crate) fn is_marketing(&self, name: &str, language: &str) -> bool {
        self.marketing.get(name).is_some_and(|languages| languages.iter().any(|known| known == language))
    }
}

/// A flow version, compiled; or the reason why it cannot run.
pub(crate) struct CompiledFlow {
    pub(crate) name: String,
    pub(crate) flow: Result<Flow, String>,
}

/// See the module.
pub(crate) struct Cache {
    defaults: Defaults,
    plugins: Arc<Plugins>,
    bots: Mutex<LruCache<BotId, Arc<BotRuntime>>>,
    flows: Mutex<LruCache<FlowKey, Arc<CompiledFlow>>>,
}

impl Cache {
    pub(crate) fn new(defaults: Defaults, plugins: Arc<Plugins>) -> Self {
        let (bots, flows) = (Mutex::new(LruCache::new(BOTS_MAX)), Mutex::new(LruCache::new(FLOWS_MAX)));
        Self { defaults, plugins, bots, flows }
    }

    /// The bots that are kept and still as they are in this transaction, and those that are not.
    pub(super) async fn bots_at_hand(
        &self,
        tx: &mut Tx,
        ids: &[BotId],
    ) -> storage::Result<(HashMap<BotId, Arc<BotRuntime>>, Vec<BotId>)> {
        let mut found = HashMap::new();
        let mut stale = Vec::new();
        let revisions = tx.revisions(ids).await?;
        let mut bots = self.bots.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, revision) in revisions {
            match bots.get(&id) {
                Some(bot) if bot.revision == revision => {
                    found.insert(id, bot.clone());
                }
                _ => stale.push(id),
            }
        }
        Ok((found, stale))
    }

    /// The bots, each as of this transaction. Bots that are gone are missing.
    pub(crate) async fn bots(&self, tx: &mut Tx, ids: &[BotId]) -> storage::Result<HashMap<BotId, Arc<BotRuntime>>> {
        let (mut found, stale) = self.bots_at_hand(tx, ids).await?;
        for row in tx.bot_runtimes(&stale).await? {
            let id = row.id;
            let triggers = tx.active_triggers(id).await?;
            let mut flows: Vec<FlowId> = triggers.iter().map(|trigger| trigger.flow_id).collect();
            flows.sort_unstable();
            flows.dedup();
            let published = tx.published_versions(&flows).await?.into_iter().collect();
            let mut marketing: HashMap<String, Vec<String>> = HashMap::new();
            for (name, language) in tx.marketing_templates(id).await? {
                marketing.entry(name).or_default().push(language);
            }
            let bot = Arc::new(BotRuntime {
                info: row.info(),
                is_active: row.is_active,
                revision: row.revision,
                triggers: index(&triggers),
                published,
                health: row.health.clone(),
                marketing,
                credentials: self.defaults.of(&row),
            });
            self.bots.lock().unwrap_or_else(PoisonError::into_inner).put(id, bot.clone());
            found.insert(id, bot);
        }
        Ok(found)
    }

    /// A bot has changed: it is read anew.
    pub(crate) fn forget(&self, bot: BotId) {
        self.bots.lock().unwrap_or_else(PoisonError::into_inner).pop(&bot);
    }

    /// Nothing is known for certain any more of any bot.
    pub(crate) fn forget_all(&self) {
        self.bots.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The bot's credentials for a send. As of the last batch that the bot was in, or of now when `fresh`.
    pub(crate) async fn credentials(&self, db: &Db, id: BotId, fresh: bool) -> storage::Result<Option<Credentials>> {
        if !fresh && let Some(bot) = self.bots.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(bot.credentials.clone());
        }
        let mut tx = db.read().await?;
        let bots = self.bots(&mut tx, &[id]).await?;
        tx.commit().await?;
        Ok(bots.get(&id).and_then(|bot| bot.credentials.clone()))
    }

    /// A flow version, if it is at hand.
    pub(crate) fn flow(&self, key: FlowKey) -> Option<Arc<CompiledFlow>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Brings a flow version to hand.
    pub(crate) async fn load_flow(&self, db: &Db, key: FlowKey) -> storage::Result<()> {
        let mut tx = db.read().await?;
        let stored = tx.flow_version(key.0, key.1).await?;
        tx.commit().await?;
        let compiled = match stored {
            None => CompiledFlow { name: String::new(), flow: Err("the flow version is gone".into()) },
            Some((name, definition)) => {
                let flow = self.pinned(&definition).await?.and_then(|catalogue| {
                    Flow::compile_with(&definition, &catalogue).map_err(|issues| {
                        let first = issues.first().map(|issue| format!(": {} at {}", issue.detail, issue.pointer));
                        format!("the flow version is not valid{}", first.unwrap_or_default())
                    })
                });
                CompiledFlow { name, flow }
            }
        };
        self.flows.lock().unwrap_or_else(PoisonError::into_inner).put(key, Arc::new(compiled));
        Ok(())
    }
}

impl Cache {
    /// The plugins of a flow version, exactly as they were when it was published. The inner error is a sentence for
    /// people: a plugin that is gone for good.
    async fn pinned(&self, definition: &FlowDefinition) -> storage::Result<Result<Catalogue, String>> {
        let mut usable = Vec::with_capacity(definition.plugins.len());
        for pin in definition.plugins.values() {
            match self.plugins.manifest(pin).await {
                Ok(manifest) => usable.push(Usable { pin: pin.clone(), manifest }),
                Err(failure) if failure.kind == FailureKind::HostError => {
                    return Err(storage::Error::Shared(failure.message));
                }
                Err(failure) => return Ok(Err(failure.message)),
            }
        }
        Ok(Ok(Catalogue::new(usable, [])))
    }
}

/// Compiles triggers. Thousands of them take a while, which must not hold up what else this thread does.
fn index(triggers: &[Trigger]) -> Triggers {
    if triggers.len() < TRIGGERS_AT_ONCE {
        Triggers::build(triggers)
    } else {
        tokio::task::block_in_place(|| Triggers::build(triggers))
    }
}
