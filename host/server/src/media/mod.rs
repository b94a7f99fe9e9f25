//! Files that people send: fetched from Meta when asked for, and kept, if the operator wants it, from when they come.
//!
//! Meta hands a file out in two steps and only for a week, so with `MEDIA_STORE` each one is fetched right after its
//! message was stored. What is to be fetched is a row, written in the message's own transaction; a crash loses nothing.

mod fetch;
mod s3;
mod store;
mod work;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::TimeDelta;
use domain::{Clock, MessageId, Time};
use futures_util::stream::BoxStream;
use storage::{Bot, Db, NewInbound, NewMedia};
use tokio::sync::{Notify, Semaphore};
use whatsapp::client::Client;

use crate::{
    config::MediaConfig,
    credentials::Defaults,
    signals::{Signal, Signals},
};

pub(crate) use fetch::{FetchError, Fetched};
pub(crate) use store::StoreError;
use store::{Key, Store};

/// Uploads by API at a time: each has a file on the disk meanwhile.
const UPLOADS_MAX: usize = 16;

/// The types of messages that come with a file.
pub(crate) const KINDS: [&str; 5] = ["image", "video", "audio", "document", "sticker"];

/// Where a message's file is, as its content says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRef {
    /// Meta's id.
    pub(crate) media_id: String,
    /// Its hash, if the message tells it.
    pub(crate) sha256: Option<String>,
}

impl FileRef {
    /// The file of a message of this type and content.
    pub(crate) fn of(kind: &str, content: &serde_json::Value) -> Option<Self> {
        if !KINDS.contains(&kind) {
            return None;
        }
        let text = |name: &str| content.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self { media_id: text("id")?, sha256: text("sha256") })
    }
}

/// A file that is kept.
pub(crate) struct Kept {
    /// Media type.
    pub(crate) mime_type: Option<String>,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Its bytes.
    pub(crate) bytes: BoxStream<'static, Result<bytes::Bytes, StoreError>>,
}

/// See the module.
pub(crate) struct Media {
    db: Db,
    clock: Arc<dyn Clock>,
    client: Client,
    defaults: Defaults,
    store: Option<Store>,
    /// How long files are kept; none: for ever.
    retention: Option<TimeDelta>,
    changed: Notify,
    /// Whether files were noted since the last look.
    noted: AtomicBool,
    /// Who fetches, where this host does not.
    elsewhere: Option<Arc<Signals>>,
    pub(crate) uploads: Semaphore,
}

impl Media {
    /// `elsewhere`: tells those who fetch, where this host does not.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub(crate) fn open(
        db: &Db,
        clock: &Arc<dyn Clock>,
        client: &Client,
        defaults: &Defaults,
        config: &MediaConfig,
        elsewhere: Option<Arc<Signals>>,
    ) -> Result<Arc<Self>, StoreError> {
        let media = Arc::new(Self {
            db: db.clone(),
            clock: clock.clone(),
            client: client.clone(),
            defaults: defaults.clone(),
            store: Store::open(&config.store)?,
            retention: config.retention_days.map(|days| TimeDelta::days(days.into())),
            changed: Notify::new(),
            noted: AtomicBool::new(false),
            elsewhere,
            uploads: Semaphore::new(UPLOADS_MAX),
        });
        let weak = Arc::downgrade(&media);
        clock.on_move(Arc::new(move || {
            if let Some(media) = weak.upgrade() {
                media.changed.notify_one();
            }
        }));
        Ok(media)
    }

    /// What to note of an inbound message that was stored under an id, in the same transaction. Nothing when files are not
    /// kept, or the message has none that Meta could fetch.
    pub(crate) fn note(&self, id: MessageId, message: &NewInbound) -> Option<NewMedia> {
        if self.store.is_none() || message.error.is_some() || message.is_echo {
            return None;
        }
        let FileRef { media_id, sha256 } = FileRef::of(&message.kind, &message.content)?;
        let (bot_id, contact_id) = (message.bot_id, message.contact_id);
        self.noted.store(true, Ordering::Relaxed);
        Some(NewMedia { message_id: id, bot_id, contact_id, media_id, sha256 })
    }

    /// What speaks with Meta.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// What was noted is committed: it is to be fetched, by this host or by those that work for it.
    pub(crate) fn look(&self) {
        if self.noted.swap(false, Ordering::Relaxed) {
            match &self.elsewhere {
                None => self.look_here(),
                Some(others) => others.send(Signal::Files),
            }
        }
    }

    /// Files wait to be fetched by this host.
    pub(crate) fn look_here(&self) {
        self.changed.notify_one();
    }

    /// The file of a message, if it is kept here.
    ///
    /// # Errors
    /// When the database or the store does not answer.
    pub(crate) async fn kept(&self, id: MessageId) -> Result<Option<Kept>, StoreError> {
        let Some(store) = &self.store else { return Ok(None) };
        let mut tx = self.db.read().await?;
        let row = tx.stored_media(id).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let found = store.get(&Key { bot: row.bot_id, message: id }).await?;
        Ok(found.map(|(size, bytes)| Kept { mime_type: row.mime_type, size, bytes }))
    }

    /// Begins to fetch a file from Meta for a bot.
    ///
    /// # Errors
    /// Says whether the file is gone, or Meta does not answer.
    pub(crate) async fn fetch(&self, bot: &Bot, file: &FileRef) -> Result<Fetched, FetchError> {
        let credentials = self.defaults.of(bot).ok_or(FetchError::NoCredentials)?;
        let hash = file.sha256.as_deref().and_then(whatsapp::client::sha256);
        fetch::begin(&self.client, &file.media_id, credentials.access_token.reveal(), hash).await
    }

    /// Files that came before this are to be removed.
    fn kept_since(&self, now: Time) -> Option<Time> {
        self.retention.map(|retention| now - retention)
    }
}
