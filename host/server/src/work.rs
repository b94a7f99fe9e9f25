//! Everything that works in the background, put together: ingest, runner, outbox, and this host's membership.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{
    Address, BotId, Clock, Contact, ContactId, DeliveryStatus, ExecutionId, ExecutionStatus, FlowId, JsonMap,
    MessageId, OutgoingMessage,
};
use engine::Limits;
use storage::{
    Arrival, Bot, Db, ExecutionRow, ItemKind, MessageRow, NewExecution, NewInbound, NewItem, NewOutbound, Tx,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    changes::Changes,
    config::Config,
    credentials::Defaults,
    egress::EgressAllow,
    host::Membership,
    ingest::{Ingest, Routes},
    outbox::{Outbox, OutboxSettings},
    runner::{Cache, Effects, Egress, Runner, new_execution},
    secrets::Secrets,
};

/// How long a server that stops waits for what is under way.
const DRAIN_MAX: Duration = Duration::from_secs(9);

/// The background work of one host, and the verbs by which the API reaches it.
pub struct Work {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    runner: Arc<Runner>,
    outbox: Arc<Outbox>,
    ingest: Ingest,
    routes: Routes,
    defaults: Defaults,
    changes: Changes,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("host", &self.membership.host()).finish_non_exhaustive()
    }
}

/// Why background work could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The secret key can neither be read nor made.
    #[error("the secret key: {0}")]
    SecretKey(#[from] std::io::Error),
    /// The HTTP client for Meta could not be made.
    #[error(transparent)]
    Client(#[from] whatsapp::client::BuildError),
    /// The HTTP client for flows could not be made.
    #[error("the HTTP client for webhook actions: {0}")]
    Egress(#[from] reqwest::Error),
}

/// What is asked of an execution from outside.
#[derive(Debug, Clone)]
pub enum Request {
    /// Give it a message as if the contact had sent it.
    Input {
        /// Message type; `text` mostly.
        kind: String,
        /// The text.
        text: String,
    },
    /// End its wait now.
    Resume,
    /// Stop it.
    Cancel,
}

impl Work {
    /// Joins the hosts and starts working.
    ///
    /// # Errors
    /// When the database refuses or a client cannot be made.
    pub async fn start(
        db: &Db,
        clock: &Arc<dyn Clock>,
        config: &Config,
        secrets: &Secrets,
    ) -> Result<Self, StartError> {
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let defaults = Defaults {
            phone_number_id: config.whatsapp.phone_number_id.clone(),
            access_token: config.whatsapp.access_token.clone(),
            app_secret: config.whatsapp.app_secret.clone(),
            secrets: secrets.clone(),
        };
        let client = whatsapp::client::Client::new(&config.whatsapp.api_base_url, &config.whatsapp.api_version)?;
        let effects = Effects::new(Egress::new(EgressAllow::new(config.egress.allow.clone()))?);
        let membership = Membership::join(db.clone(), clock.clone()).await?;
        let cache = Arc::new(Cache::new(defaults.clone()));
        let changes = Changes::new(db.is_shared());
        let settings = OutboxSettings {
            messages_per_second: config.whatsapp.messages_per_second.unwrap_or(0),
            pair_pacing: config.whatsapp.pair_pacing,
            doubt: TimeDelta::seconds(config.whatsapp.unknown_send_seconds.into()),
        };
        let outbox = Outbox::new(
            db.clone(),
            clock.clone(),
            membership.clone(),
            cache.clone(),
            client,
            settings,
            changes.clone(),
            stop.clone(),
        );
        let runner = Runner::new(
            db.clone(),
            clock.clone(),
            membership.clone(),
            cache,
            outbox.clone(),
            effects,
            Limits::default(),
            changes.clone(),
            stop.clone(),
        );
        let ingest = Ingest::start(db, clock, &membership, &runner, &TaskTracker::new());
        outbox.start(&tasks);
        runner.start(&tasks);
        let freed = runner.clone();
        tasks.spawn(membership.clone().keep(stop.clone(), move || freed.look()));
        tasks.close();
        let routes = Routes::new(db.clone(), defaults.clone());
        Ok(Self {
            db: db.clone(),
            clock: clock.clone(),
            membership,
            runner,
            outbox,
            ingest,
            routes,
            defaults,
            changes,
            stop,
            tasks,
        })
    }

    pub(crate) fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Contacts in work and messages not yet settled on this host, for tests and metrics: both 0 when it is idle.
    pub fn pending(&self) -> (usize, usize) {
        (self.runner.in_work(), self.outbox.len())
    }

    /// Begins an execution. Durable when it returns; the first steps may still be to do.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn execute(
        &self,
        mut tx: Tx,
        flow: (FlowId, i64),
        contact: &Contact,
        state: JsonMap,
    ) -> storage::Result<ExecutionId> {
        let now = self.clock.now();
        let id = ExecutionId(tx.reserve_execution_ids(1).await?);
        let execution = new_execution(id, contact.bot_id, contact.id, flow.0, flow.1, state, now);
        tx.save_executions(&[NewExecution { execution, trigger_id: None }]).await?;
        let item = NewItem { contact_id: contact.id, kind: ItemKind::Start, message_id: None, execution_id: Some(id) };
        self.deliver(tx, contact.bot_id, item).await?;
        Ok(id)
    }

    /// Asks something of an execution and waits, up to `patience`, until it was dealt with. Returns the execution as it
    /// is then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ask(
        &self,
        mut tx: Tx,
        row: &ExecutionRow,
        request: Request,
        patience: Duration,
    ) -> storage::Result<Option<ExecutionRow>> {
        let execution = &row.execution;
        let (id, contact_id) = (execution.id, execution.contact_id);
        let now = self.clock.now();
        let (kind, message_id) = match request {
            Request::Resume => (ItemKind::Resume, None),
            Request::Cancel => (ItemKind::Cancel, None),
            Request::Input { kind, text } => {
                let message = NewInbound {
                    bot_id: execution.bot_id,
                    contact_id,
                    phone_number_id: String::new(),
                    wamid: None,
                    context_wamid: None,
                    content: serde_json::json!({ "body": text }),
                    kind,
                    text: Some(text),
                    reply_id: None,
                    raw: None,
                    timestamp: now,
                };
                let ids: Vec<Option<MessageId>> = tx.insert_inbound(&[message], now).await?;
                (ItemKind::Input, ids.first().copied().flatten())
            }
        };
        let mut changes = self.changes.listen();
        let item = NewItem { contact_id, kind, message_id, execution_id: Some(id) };
        self.deliver(tx, execution.bot_id, item).await?;
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let mut tx = self.db.read().await?;
            let waits = tx.item_waits(contact_id, id).await?;
            let row = tx.execution(id).await?;
            tx.commit().await?;
            if !waits || tokio::time::Instant::now() >= deadline {
                return Ok(row);
            }
            changes.wait(contact_id, deadline).await;
        }
    }

    /// Waits, up to `patience`, until an execution waits for something or has ended, and returns it as it is then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn settled(&self, id: ExecutionId, patience: Duration) -> storage::Result<Option<ExecutionRow>> {
        let mut changes = self.changes.listen();
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let mut tx = self.db.read().await?;
            let row = tx.execution(id).await?;
            tx.commit().await?;
            let Some(row) = row else { return Ok(None) };
            let busy = matches!(row.execution.status, ExecutionStatus::Running | ExecutionStatus::WaitingEffect);
            if !busy || tokio::time::Instant::now() >= deadline {
                return Ok(Some(row));
            }
            changes.wait(row.execution.contact_id, deadline).await;
        }
    }

    /// Meta's id of the number that a bot sends from, if it can send.
    pub fn sender(&self, bot: &Bot) -> Option<String> {
        self.defaults.of(bot).map(|credentials| credentials.phone_number_id)
    }

    /// Queues a message to a contact. Durable when it returns; not sent yet.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn send(
        &self,
        mut tx: Tx,
        contact: &Contact,
        phone_number_id: String,
        message: OutgoingMessage,
    ) -> storage::Result<MessageId> {
        let row = NewOutbound {
            bot_id: contact.bot_id,
            contact_id: contact.id,
            execution_id: None,
            phone_number_id,
            text: message.text(),
            kind: message.kind,
            content: message.content,
            status: DeliveryStatus::Queued,
            error: None,
        };
        let ids = tx.insert_outbound(&[row], self.clock.now()).await?;
        self.arrive(tx, Arrival { contact_id: contact.id, bot_id: contact.bot_id, count: 1, open: 1 }).await?;
        ids.first().copied().ok_or_else(|| storage::Error::Corrupt("a message was stored without an id".into()))
    }

    /// Waits, up to `patience`, until Meta has taken or refused a message, and returns it as it is then.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn sent(
        &self,
        id: MessageId,
        contact: ContactId,
        patience: Duration,
    ) -> storage::Result<Option<MessageRow>> {
        let mut changes = self.changes.listen();
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let mut tx = self.db.read().await?;
            let row = tx.message(id).await?;
            tx.commit().await?;
            let waits = row.as_ref().is_some_and(|row| matches!(row.status.as_str(), "queued" | "sending"));
            if !waits || tokio::time::Instant::now() >= deadline {
                return Ok(row);
            }
            changes.wait(contact, deadline).await;
        }
    }

    /// Puts an item into a mailbox and commits; then sees that somebody looks at it.
    async fn deliver(&self, mut tx: Tx, bot_id: BotId, item: NewItem) -> storage::Result<()> {
        let contact_id = item.contact_id;
        tx.add_items(&[item], self.clock.now()).await?;
        self.arrive(tx, Arrival { contact_id, bot_id, count: 1, open: 0 }).await
    }

    /// Notes an arrival and commits; then sees that somebody looks at it.
    async fn arrive(&self, mut tx: Tx, arrival: Arrival) -> storage::Result<()> {
        let now = self.clock.now();
        let host = self.membership.host();
        let contact_id = arrival.contact_id;
        let claimant = self.runner.has_room().then_some(host);
        let owners = tx.note_arrivals(&[arrival], claimant, now).await?;
        tx.commit().await?;
        match owners.first() {
            Some((_, Some(owner))) if *owner == host => self.runner.wake([contact_id]),
            Some((_, None)) => self.runner.look(),
            _ => {}
        }
        Ok(())
    }

    /// The contact that an address names, made if there is none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn contact(&self, tx: &mut Tx, bot: BotId, address: &Address) -> storage::Result<Contact> {
        if let Some(contact) = tx.contact_by_address(bot, address).await? {
            return Ok(contact);
        }
        let (phone, bsuid) = match address.clone() {
            Address::Phone(phone) => (Some(phone), None),
            Address::Bsuid(bsuid) => (None, Some(bsuid)),
        };
        let fields = storage::ContactFields { phone, bsuid, source: "api".into(), ..Default::default() };
        tx.create_contact(bot, &fields, self.clock.now()).await
    }

    /// Stops: takes on nothing more, finishes what is under way, and gives what is left back to be claimed. Takes
    /// less than ten seconds.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        let drained = tokio::time::timeout(DRAIN_MAX, self.tasks.wait()).await;
        if drained.is_err() {
            tracing::warn!("stopped before everything under way had finished; it will be taken up again");
        }
        if let Err(error) = self.membership.leave().await {
            tracing::warn!(%error, "could not sign off");
        }
    }
}
