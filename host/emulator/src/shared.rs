//! What the handlers, the postman and the handle share.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
};

use crate::{
    Config, Faults, Inbound, Limits, Number, Record, Sent,
    catalogue::{Catalogue, Reads},
    dice::Dice,
    faults::Failure,
    files::Files,
    limits::{Call, Ledger},
    log::{Entry, Log},
    postman::{DeliveryReport, Kind, Post},
    webhook,
};

/// Shared by everything that belongs to one emulator.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) port: u16,
    pub(crate) http: reqwest::Client,
    state: Mutex<State>,
    /// How many sends were accepted since the start or the last clearing.
    pub(crate) accepted: watch::Sender<u64>,
    /// How many webhooks are still to be delivered.
    pub(crate) pending: watch::Sender<u64>,
    /// Accepted sends as they come.
    pub(crate) feed: broadcast::Sender<Sent>,
    /// Where posts queue, for messages and for statuses.
    lanes: [Vec<mpsc::UnboundedSender<Post>>; 2],
    tasks: Mutex<JoinSet<()>>,
    stopped: AtomicBool,
}

/// How Meta names somebody.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) wa_id: String,
    pub(crate) bsuid: Option<String>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) callback_url: Option<String>,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
    pub(crate) ledger: Ledger,
    pub(crate) dice: Dice,
    pub(crate) log: Log,
    pub(crate) refusals: BTreeMap<i64, u64>,
    pub(crate) reads: Vec<String>,
    /// Those of `reads` with which typing was shown.
    pub(crate) typings: Vec<String>,
    pub(crate) deliveries: BTreeMap<u64, DeliveryReport>,
    pub(crate) catalogue: Catalogue,
    pub(crate) reads_fault: Reads,
    pub(crate) files: Files,
    /// People whom Meta knows by another number than is sent to, with their user ids, by that number.
    pub(crate) people: HashMap<String, Person>,
    next_seq: u64,
    next_id: u64,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        port: u16,
        http: reqwest::Client,
        lanes: [Vec<mpsc::UnboundedSender<Post>>; 2],
    ) -> Self {
        let state = State {
            callback_url: config.callback_url.clone(),
            faults: config.faults.clone(),
            limits: config.limits.clone(),
            ledger: Ledger::default(),
            dice: Dice::new(config.seed),
            log: Log::default(),
            refusals: BTreeMap::new(),
            reads: Vec::new(),
            typings: Vec::new(),
            deliveries: BTreeMap::new(),
            catalogue: Catalogue::default(),
            reads_fault: Reads::default(),
            files: Files::default(),
            people: HashMap::new(),
            next_seq: 0,
            next_id: 0,
        };
        Self {
            config,
            port,
            http,
            state: Mutex::new(state),
            accepted: watch::Sender::new(0),
            pending: watch::Sender::new(0),
            feed: broadcast::Sender::new(1024),
            lanes,
            tasks: Mutex::default(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Where this emulator listens.
    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The changing part. Held briefly, never across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task that ends with the emulator.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits until something is so; asks whenever a send was accepted. Nothing is locked while asking.
    pub(crate) async fn until(&self, is_so: impl Fn() -> bool) {
        let mut accepted = self.accepted.subscribe();
        while !is_so() && accepted.changed().await.is_ok() {}
    }

    /// Whether the emulator has ended. Connections that are still open find out by this.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Ends every task.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// The number of an id; `None` when it is unknown.
    pub(crate) fn number(&self, phone_number_id: &str) -> Option<Number> {
        if phone_number_id == self.config.number.phone_number_id {
            return Some(self.config.number.clone());
        }
        let is_id = !phone_number_id.is_empty() && phone_number_id.bytes().all(|b| b.is_ascii_digit());
        (is_id && !self.config.only_this_number).then(|| Number::of(phone_number_id))
    }

    /// A fresh number for posts and ids.
    pub(crate) fn next_id(&self) -> u64 {
        let mut state = self.state();
        state.next_id += 1;
        state.next_id
    }

    /// An id like Meta's: opaque, with the phone inside. Time and port keep it apart from those of earlier and of
    /// other emulators, whose messages a database may still know.
    pub(crate) fn wamid(&self, phone: &str) -> String {
        let mut bytes = phone.as_bytes().to_vec();
        bytes.extend_from_slice(&self.config.clock.now().timestamp_micros().to_be_bytes());
        bytes.extend_from_slice(&self.port.to_be_bytes());
        bytes.extend_from_slice(&self.next_id().to_be_bytes());
        format!("wamid.{}", STANDARD.encode(bytes))
    }

    /// Takes note of a send that was accepted.
    pub(crate) fn accept(&self, phone_number_id: &str, to: &str, to_phone: bool, kind: &str, body: Value) -> Sent {
        let wamid = self.wamid(to);
        let text = crate::log::words(kind, &body);
        let mut state = self.state();
        let sent = Sent {
            seq: state.next_seq,
            received_at: self.config.clock.now(),
            phone_number_id: phone_number_id.to_owned(),
            to: to.to_owned(),
            to_phone,
            wamid,
            kind: kind.to_owned(),
            text,
            body,
        };
        state.next_seq += 1;
        if self.config.record == Record::Everything {
            state.log.push(Entry::Sent(sent.clone()));
        }
        // Under the lock, so that whoever waits for the count finds the log complete.
        self.accepted.send_modify(|count| *count += 1);
        drop(state);
        if self.feed.receiver_count() > 0 {
            // Nobody listening any more is fine.
            let _listeners = self.feed.send(sent.clone());
        }
        sent
    }

    /// What becomes of a send of a type to `to`.
    pub(crate) fn fate(&self, to: &str, kind: &str) -> Failure {
        let state = &mut *self.state();
        state.faults.take(to, kind, || state.dice.fraction())
    }

    /// Counts a send, or tells the code of the limit that it would break.
    pub(crate) fn count(&self, call: &Call<'_>) -> Result<(), i64> {
        let state = &mut *self.state();
        state.ledger.take(&state.limits, call, self.config.clock.now())
    }

    /// Counts a message that a number gets.
    pub(crate) fn hear(&self, number: &str) {
        let state = &mut *self.state();
        state.ledger.hear(&state.limits, number, self.config.clock.now());
    }

    /// Hands a webhook to the postman. `person` keeps its order among those of the same person.
    pub(crate) fn post(&self, kind: Kind, person: &str, body: Vec<u8>) -> Post {
        Post::new(self.next_id(), kind, lane(person, self.config.delivery.lanes), body)
    }

    /// Queues a post and counts it as pending.
    pub(crate) fn enqueue(&self, post: Post) {
        self.pending.send_modify(|count| *count += 1);
        self.hand_over(post);
    }

    /// Queues a post that is counted already.
    pub(crate) fn hand_over(&self, post: Post) {
        let lanes = &self.lanes[usize::from(post.kind == Kind::Status)];
        if lanes[post.lane].send(post).is_err() {
            self.done();
        }
    }

    /// One webhook less to deliver.
    pub(crate) fn done(&self) {
        self.pending.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// The statuses that follow an accepted send.
    pub(crate) fn follow_up(self: &Arc<Self>, sent: Sent, failed: Option<i64>) {
        let plan = &self.config.statuses;
        let words = if failed.is_some() { vec!["failed".to_owned()] } else { plan.words.clone() };
        if words.is_empty() {
            return;
        }
        self.pending.send_modify(|count| *count += words.len() as u64);
        if plan.pause.is_zero() {
            words.iter().for_each(|word| self.hand_over(self.status_post(&sent, word, failed)));
            return;
        }
        let shared = self.clone();
        self.spawn(async move {
            for word in words {
                tokio::time::sleep(shared.config.statuses.pause).await;
                shared.hand_over(shared.status_post(&sent, &word, failed));
            }
        });
    }

    /// What somebody writes, with their business-scoped user id if everybody's is told.
    pub(crate) fn identified(&self, inbound: &Inbound) -> Inbound {
        let mut inbound = inbound.clone();
        if self.config.user_ids && inbound.bsuid.is_none() {
            inbound.bsuid = Some(user_id(&inbound.from));
        }
        inbound
    }

    /// The entries of `contacts` in a status webhook: who it was sent to, without a profile. None unless everybody's id is
    /// told, and in groups.
    fn recipient(&self, sent: &Sent) -> Vec<Value> {
        if !self.config.user_ids || sent.body["recipient_type"] == "group" {
            return Vec::new();
        }
        let contact = if sent.to_phone {
            json!({ "wa_id": sent.to, "user_id": user_id(&sent.to) })
        } else {
            json!({ "user_id": sent.to })
        };
        vec![contact]
    }

    /// A status webhook, dated now.
    pub(crate) fn status_post(&self, sent: &Sent, word: &str, failed: Option<i64>) -> Post {
        let number = self.number(&sent.phone_number_id).unwrap_or_else(|| self.config.number.clone());
        let mut status = webhook::status(sent, word, failed, self.config.clock.now());
        if self.state().faults.forgets_callback_data
            && let Some(status) = status.as_object_mut()
        {
            status.remove("biz_opaque_callback_data");
        }
        let entry = webhook::entry(&number, "statuses", &[status], &self.recipient(sent));
        self.post(Kind::Status, &sent.to, webhook::body(&Value::Array(vec![entry])))
    }
}

/// The business-scoped user id of whoever has a phone.
fn user_id(phone: &str) -> String {
    format!("US.{phone}")
}

/// Which lane a person's webhooks take: the same one always (FNV-1a).
fn lane(person: &str, lanes: usize) -> usize {
    let hash = person
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash % lanes.max(1) as u64).unwrap_or(0)
}
