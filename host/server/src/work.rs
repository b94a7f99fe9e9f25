//! Everything that works in the background, put together: ingest, runner, outbox, and this host's membership.

mod findings;
mod hearing;
mod telling;

pub(crate) use findings::failure;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{
    Address, BotId, Clock, Contact, ContactId, DeliveryStatus, EventType, ExecutionId, ExecutionStatus, FlowId, HostId,
    JsonMap, MessageId, OutgoingMessage,
};
use engine::Limits;
use storage::{
    Arrival, Bot, Db, ExecutionRow, ItemKind, MessageRow, NewExecution, NewInbound, NewItem, NewOutbound, RequestKey,
    Tx,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    changes::Changes,
    config::Config,
    credentials::{Credentials, Defaults},
    egress::{self, EgressAllow},
    essential,
    graves::Graves,
    host::{Membership, News},
    ingest::{Ingest, Routes},
    media::Media,
    outbox::{Outbox, OutboxSettings},
    outdated,
    plugins::Plugins,
    pollers::Pollers,
    retention::Retention,
    runner::{Cache, Courtesies, Effects, Egress, Payload, Runner, new_execution},
    schedules::Schedules,
    secrets::Secrets,
    signals::{Signal, Signals},
    templates::Templates,
};

use hearing::Ears;

/// How long a server that stops waits for what is under way.
const DRAIN_MAX: Duration = Duration::from_secs(9);

/// The background work of one host, and the verbs by which the API reaches it.
pub struct Work {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    signals: Arc<Signals>,
    runner: Arc<Runner>,
    schedules: Arc<Schedules>,
    pollers: Arc<Pollers>,
    graves: Arc<Graves>,
    outbox: Arc<Outbox>,
    ingest: Ingest,
    templates: Arc<Templates>,
    media: Arc<Media>,
    routes: Routes,
    defaults: Defaults,
    changes: Changes,
    /// A newer program has taken the database over.
    outdated: CancellationToken,
    /// Stops everything but the outbox, which has to see what is under way to its end.
    stop: CancellationToken,
    tasks: TaskTracker,
    stop_sending: CancellationToken,
    sending: TaskTracker,
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
    /// Where files are kept cannot be opened.
    #[error("{0}")]
    MediaStore(String),
    /// Plugins cannot be run on this machine.
    #[error(transparent)]
    Plugins(#[from] plugin_host::SetupError),
    /// This program, which compiles plugins in a process of its own, cannot be found.
    #[error("this program's own file: {0}")]
    Program(std::io::Error),
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
    /// Joins the hosts and starts working; `client` speaks to Meta.
    ///
    /// # Errors
    /// When the database refuses or a client cannot be made.
    pub async fn start(
        db: &Db,
        clock: &Arc<dyn Clock>,
        config: &Config,
        secrets: &Secrets,
        plugins: &Arc<Plugins>,
        client: whatsapp::client::Client,
    ) -> Result<Self, StartError> {
        let (stop, stop_sending) = (CancellationToken::new(), CancellationToken::new());
        let (tasks, sending) = (TaskTracker::new(), TaskTracker::new());
        let defaults = Defaults {
            phone_number_id: config.whatsapp.phone_number_id.clone(),
            business_account_id: config.whatsapp.business_account_id.clone(),
            access_token: config.whatsapp.access_token.clone(),
            app_secret: config.whatsapp.app_secret.clone(),
            secrets: secrets.clone(),
        };
        let allow = EgressAllow::new(&config.egress);
        let elsewhere = egress::client_for_files(&Arc::new(allow.clone()))?;
        let client = client.with_elsewhere(elsewhere);
        let effects = Effects::new(Egress::new(allow)?, plugins.clone());
        let templates = Templates::new(db, clock, &client, &defaults, &tasks, &stop);
        let works = config.role.works();
        let membership = Membership::join(db.clone(), clock.clone(), config.role).await?;
        let signals = Signals::new(db, &membership);
        let media = Media::open(db, clock, &client, &defaults, &config.media, (!works).then(|| signals.clone()))
            .map_err(|error| StartError::MediaStore(error.to_string()))?;
        let cache = Arc::new(Cache::new(defaults.clone(), plugins.clone()));
        let changes = Changes::new(db.is_shared());
        let settings = OutboxSettings {
            messages_per_second: config.whatsapp.messages_per_second.unwrap_or(0),
            pair_pacing: config.whatsapp.pair_pacing,
            doubt: TimeDelta::seconds(config.whatsapp.unknown_send_seconds.into()),
        };
        let courtesies = Courtesies::new(db.clone(), cache.clone(), client.clone(), stop.clone());
        let outbox = Outbox::new(
            db.clone(),
            clock.clone(),
            membership.clone(),
            signals.clone(),
            cache.clone(),
            templates.clone(),
            client.clone(),
            settings,
            changes.clone(),
            stop_sending.clone(),
        );
        let runner = Runner::new(
            db.clone(),
            clock.clone(),
            membership.clone(),
            signals.clone(),
            cache.clone(),
            outbox.clone(),
            effects,
            courtesies,
            Limits::default(),
            changes.clone(),
            stop.clone(),
        );
        outbox.tell(&runner);
        outbox.share_with(membership.workers());
        let ingest = Ingest::start(db, clock, &membership, &runner, &media, &TaskTracker::new());
        let schedules = Schedules::new(db, clock, &membership, &runner);
        let pollers = Pollers::new(db, clock, &membership, &runner, plugins, config.triggers.poll_seconds_min);
        if works {
            outbox.probe_all().await?;
            outbox.start(&sending);
            runner.start(&tasks);
            essential::spawn(&tasks, "schedules", schedules.clone().run(stop.clone()));
            essential::spawn(&tasks, "pollers", pollers.clone().run(stop.clone()));
            essential::spawn(&tasks, "media", media.clone().run(stop.clone()));
        }
        let graves = Arc::new(Graves::default());
        essential::spawn(&tasks, "graves", graves.clone().run(db.clone(), stop.clone()));
        essential::spawn(&tasks, "retention", Retention::new(db, clock, &config.retention).run(stop.clone()));
        let outdated = CancellationToken::new();
        essential::spawn(&tasks, "outdated", outdated::watch(db.clone(), stop.clone(), outdated.clone()));
        essential::spawn(&tasks, "plugins", plugins.clone().keep(stop.clone()));
        let ears = Ears {
            membership: membership.clone(),
            runner: runner.clone(),
            outbox: outbox.clone(),
            cache,
            schedules: schedules.clone(),
            pollers: pollers.clone(),
            media: media.clone(),
        };
        let listening = signals.clone().listen(stop.clone(), move |heard| ears.hear(heard));
        essential::spawn(&tasks, "listening", listening);
        essential::watch_disk(&sending, db.clone(), stop_sending.clone());
        // Until the last message is settled, its contact is this host's.
        essential::spawn(&sending, "signals", signals.clone().run(stop_sending.clone()));
        let (teller, sender, keeper) = (signals.clone(), outbox.clone(), runner.clone());
        let lease = membership.clone().keep(stop_sending.clone(), move |news| match news {
            News::Freed => keeper.look_together(),
            News::Reborn => {
                sender.forget_all();
                teller.send(Signal::Hosts);
            }
            News::Workers(hosts) => sender.share_with(hosts),
        });
        essential::spawn(&sending, "lease", lease);
        signals.send(Signal::Hosts);
        tasks.close();
        sending.close();
        let account = config.whatsapp.business_account_id.clone();
        let routes = Routes::new(db.clone(), clock.clone(), defaults.clone(), account);
        Ok(Self {
            db: db.clone(),
            clock: clock.clone(),
            membership,
            signals,
            runner,
            schedules,
            pollers,
            graves,
            outbox,
            ingest,
            templates,
            media,
            routes,
            defaults,
            changes,
            outdated,
            stop,
            tasks,
            stop_sending,
            sending,
        })
    }

    /// This host's id, as of now.
    pub(crate) fn host(&self) -> HostId {
        self.membership.host()
    }

    pub(crate) fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(crate) fn templates(&self) -> &Arc<Templates> {
        &self.templates
    }

    pub(crate) fn media(&self) -> &Arc<Media> {
        &self.media
    }

    /// With what a bot speaks to Meta, if it can.
    pub(crate) fn credentials(&self, bot: &Bot) -> Option<Credentials> {
        self.defaults.of(bot)
    }

    /// A bot was deleted: what it leaves behind is to be removed.
    pub fn bury(&self) {
        self.graves.look();
    }

    /// When a trigger fires by the clock has changed.
    pub fn reschedule(&self) {
        self.schedules.nudge();
        self.pollers.nudge();
        self.signals.send(Signal::Schedules);
    }

    /// How many hosts send, this one included, as far as it has heard.
    pub fn hosts_sending(&self) -> usize {
        self.outbox.hosts()
    }

    /// Contacts in work and messages not yet settled on this host, for tests and metrics: both 0 when it is idle.
    pub fn pending(&self) -> (usize, usize) {
        (self.runner.in_work(), self.outbox.len())
    }

    /// How many sends are on their way, for tests.
    pub fn in_flight(&self) -> usize {
        self.outbox.in_flight()
    }

    /// Begins an execution. Durable when it returns; the first steps may still be to do. The request that asked for it,
    /// if it is to be done once, is told its id in the same transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn execute(
        &self,
        mut tx: Tx,
        flow: (FlowId, i64),
        contact: &Contact,
        state: JsonMap,
        request: Option<&RequestKey>,
    ) -> storage::Result<ExecutionId> {
        let now = self.clock.now();
        let id = ExecutionId(tx.reserve_execution_ids(1).await?);
        let execution = new_execution(id, contact.bot_id, contact.id, flow.0, flow.1, state, now);
        tx.save_executions(&[NewExecution { execution, trigger_id: None }]).await?;
        if let Some(request) = request {
            tx.note_resource(request, id.0).await?;
        }
        let (contact_id, kind) = (contact.id, ItemKind::Start);
        let item = NewItem { contact_id, kind, message_id: None, execution_id: Some(id), payload: None };
        self.deliver(tx, contact.bot_id, item).await?;
        Ok(id)
    }

    /// Tells the triggers of something that happened to a contact, and commits. Nothing is left to do where nobody
    /// watches for events.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn announce(&self, mut tx: Tx, contact: &Contact, event_type: EventType) -> storage::Result<()> {
        if !tx.watches_events(contact.bot_id, contact.id).await? {
            return tx.commit().await;
        }
        let payload = Payload { event_type: Some(event_type), ..Payload::default() }.stored();
        let kind = ItemKind::Event;
        let item = NewItem { contact_id: contact.id, kind, message_id: None, execution_id: None, payload };
        self.deliver(tx, contact.bot_id, item).await
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
                    context: None,
                    referral: None,
                    error: None,
                    group_id: None,
                    is_echo: false,
                    raw: None,
                    timestamp: now,
                };
                let ids: Vec<Option<MessageId>> = tx.insert_inbound(&[message], now).await?;
                (ItemKind::Input, ids.first().copied().flatten())
            }
        };
        let mut changes = self.changes.listen();
        let item = NewItem { contact_id, kind, message_id, execution_id: Some(id), payload: None };
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

    /// What may have kept a bot from sending was changed, and what waited for it was released: it is tried at once.
    pub(crate) fn mended(&self, bot: BotId) {
        self.runner.mended(bot);
    }

    /// Meta's id of the number that a bot sends from, if it can send.
    pub fn sender(&self, bot: &Bot) -> Option<String> {
        self.defaults.of(bot).map(|credentials| credentials.phone_number_id)
    }

    /// Queues a message to a contact. Durable when it returns; not sent yet. The request that asked for it, if it is to
    /// be done once, is told its id in the same transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn send(
        &self,
        mut tx: Tx,
        contact: &Contact,
        phone_number_id: String,
        message: OutgoingMessage,
        request: Option<&RequestKey>,
    ) -> storage::Result<MessageId> {
        let row = NewOutbound {
            bot_id: contact.bot_id,
            contact_id: contact.id,
            execution_id: None,
            node: None,
            turn: 0,
            phone_number_id,
            text: message.text(),
            kind: message.kind,
            content: message.content,
            fallback: None,
            status: DeliveryStatus::Queued,
            error: None,
        };
        // The lock comes first: messages of a contact then have ids in the order in which they are committed.
        let arrival = Arrival { contact_id: contact.id, bot_id: contact.bot_id, count: 1, open: 1 };
        let owner = self.note(&mut tx, arrival).await?;
        let ids = tx.insert_outbound(&[row], self.clock.now()).await?;
        let id = ids.first().copied();
        let id = id.ok_or_else(|| storage::Error::Corrupt("a message was stored without an id".into()))?;
        if let Some(request) = request {
            tx.note_resource(request, id.0).await?;
        }
        self.finish(tx, contact.id, owner).await?;
        Ok(id)
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
        let owner = self.note(&mut tx, Arrival { contact_id, bot_id, count: 1, open: 0 }).await?;
        self.finish(tx, contact_id, owner).await
    }

    /// Notes an arrival: from here on the transaction holds the mailbox's lock. Returns the mailbox's owner.
    async fn note(&self, tx: &mut Tx, arrival: Arrival) -> storage::Result<Option<HostId>> {
        let owners = tx.note_arrivals(&[arrival], self.runner.claimant(), self.clock.now()).await?;
        Ok(owners.first().and_then(|(_, owner)| *owner))
    }

    /// Commits, and sees that somebody looks at the mailbox; also if the request that waits for it goes away.
    async fn finish(&self, tx: Tx, contact: ContactId, owner: Option<HostId>) -> storage::Result<()> {
        let (runner, host) = (self.runner.clone(), self.membership.host());
        let done = tokio::spawn(async move {
            tx.commit().await?;
            runner.see_to(host, [(contact, owner)]);
            Ok(())
        });
        done.await.unwrap_or(Err(storage::Error::Stopping))
    }

    /// The contact that an address names, made if there is none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn contact(&self, tx: &mut Tx, bot: BotId, address: &Address) -> storage::Result<Contact> {
        tx.ensure_contact(bot, address, "api", self.clock.now()).await
    }

    /// Comes when a newer program has taken the database over.
    pub(crate) async fn is_outdated(&self) {
        self.outdated.cancelled().await;
    }

    /// Stops: takes on nothing more, finishes what is under way. Takes less than ten seconds. Call
    /// [`leave`](Self::leave) afterwards.
    pub async fn shut_down(&self) {
        let drain = async {
            self.stop.cancel();
            self.tasks.wait().await;
            // Only now: until here the runner may have handed over messages that are already marked as on their way.
            self.stop_sending.cancel();
            self.sending.wait().await;
        };
        if tokio::time::timeout(DRAIN_MAX, drain).await.is_err() {
            tracing::warn!("stopped before everything under way had finished; it will be taken up again");
        }
    }

    /// Gives what is left back to be claimed, by other hosts or by the next start. Nothing may write any more.
    pub async fn leave(&self) {
        if let Err(error) = self.membership.leave().await {
            tracing::warn!(%error, "could not sign off");
            return;
        }
        // Others go on at once with what is left.
        self.signals.send(Signal::Hosts);
        self.signals.send(Signal::Free(None));
        // What cannot be told is found out.
        let _ = self.signals.flush().await;
    }
}
