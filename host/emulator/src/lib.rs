//! A stand-in for Meta: the Graph API that bots send to, and the webhooks that come from it.
//!
//! Tests and `chatboost demo` use it in their own process through [`Emulator`]. It is a part of the outside world, so
//! it shares no code path with the server but `whatsapp`'s limits and signature.
//!
//! # Over HTTP
//!
//! Everything is also within reach of curl, at [`Emulator::base_url`]:
//!
//! | Request | Does |
//! |---|---|
//! | `POST /{version}/{phone_number_id}/messages` | Meta's own: sends, marks as read |
//! | `GET /{version}/{phone_number_id}` | Meta's own: tells about a number |
//! | `POST /{version}/{phone_number_id}/media`, `GET`, `DELETE /{version}/{media_id}` | Meta's own: files |
//! | `GET`, `POST`, `DELETE /{version}/{waba_id}/message_templates` | Meta's own: templates; while there is none, any can be sent |
//! | `POST /emulator/say` `{"from": "16505551234", "text": "hi"}` | A person writes. Instead of `text`: `type` and `content`. Optional: `name`, `username`, `bsuid`, `wamid`, `phone_number_id`, `context`; `"wait": true` answers only when the webhook was delivered |
//! | `GET /emulator/sent?to=&since=&wait_for=&timeout_ms=` | Accepted sends in order; `wait_for` waits until there are that many |
//! | `DELETE /emulator/sent` | Forgets what was sent, said, refused and delivered |
//! | `GET /emulator/transcript?phone=` | A conversation as text |
//! | `POST /emulator/templates` `{"name": "hello", "components": […]}` | Adds an approved template |
//! | `POST /emulator/templates/change` `{"name": "hello", "language": "en_US", "status": "PAUSED"}` | Changes a template and tells by webhook: `status` (with `reason`), `quality`, `category` |
//! | `POST /emulator/files` | Keeps the body as a file, to be said with its id; answers `{"id", "sha256"}` |
//! | `GET`, `POST /emulator/faults` | What goes wrong: [`Faults`] as JSON; `{}` makes everything right again |
//! | `GET`, `POST /emulator/limits` | How much is taken: [`Limits`] as JSON; `{}` is no limit |
//! | `POST /emulator/webhook?signature=valid\|wrong\|none` | Posts the body as it is to the callback, once, and tells the answer |
//! | `PUT /emulator/callback` `{"url": "http://…/whatsapp/webhook"}` | Where webhooks go |
//! | `GET /emulator/deliveries` | What became of each webhook |
//! | `GET /emulator/refusals` | How many sends were refused, by Meta's code |
//! | `GET /emulator/reads` | The messages that were marked as read, and those among them with which typing was shown |

mod account;
mod catalogue;
mod config;
mod control;
mod dice;
mod faults;
mod files;
mod graph;
mod inbound;
mod limits;
mod log;
mod postman;
mod shared;
mod speech;
mod webhook;
mod wire;

use std::{collections::BTreeMap, io, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{extract::DefaultBodyLimit, routing::get};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{broadcast, mpsc},
    time::timeout,
};

pub use catalogue::Reads;
pub use config::{Config, Delivery, Number, Record, Statuses};
pub use faults::{Disorder, Failure, Faults, Planned, Share};
pub use files::File;
pub use inbound::Inbound;
pub use limits::{Calls, Limits};
pub use log::{Line, Sent, Speaker};
pub use postman::{Delivered, DeliveryReport, Kind, Undelivered};
pub use speech::{Signature, Ticket};

use shared::Shared;

/// Most bytes of a request: the largest file, and what stands around it.
const BODY_BYTES_MAX: usize = 101 * 1024 * 1024;

/// A running emulator. Clones are the same one; it ends when the last is dropped.
#[derive(Clone)]
pub struct Emulator(Arc<Running>);

/// Ends the emulator when dropped.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Emulator").field(&self.base_url()).finish()
    }
}

/// Fewer sends than wanted came in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooFew {
    /// How many were wanted.
    pub wanted: usize,
    /// How many there are.
    pub found: usize,
}

impl std::fmt::Display for TooFew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} sends came in time", self.found, self.wanted)
    }
}

impl std::error::Error for TooFew {}

impl Emulator {
    /// Starts one on 127.0.0.1.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await?;
        let port = listener.local_addr()?.port();
        let lanes = config.delivery.lanes.max(1);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..2 * lanes).map(|_| mpsc::unbounded_channel()).unzip();
        let (messages, statuses) = senders.split_at(lanes);
        let http = http(lanes)?;
        let shared = Arc::new(Shared::new(config, port, http, [messages.to_vec(), statuses.to_vec()]));
        for queue in receivers {
            shared.spawn(postman::run(shared.clone(), queue));
        }
        let router = control::routes()
            .route(&format!("{}/{{link}}", files::LINKS), get(files::bytes))
            .fallback(graph::answer)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(shared.clone());
        let service = router.into_make_service_with_connect_info::<wire::Cord>();
        shared.spawn(async move {
            // Serving ends only with the task.
            let _never = axum::serve(wire::Wires(listener), service).await;
        });
        Ok(Self(Arc::new(Running(shared))))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// What to set `WHATSAPP_API_BASE_URL` to.
    pub fn base_url(&self) -> String {
        self.shared().base_url()
    }

    /// The number people write to unless told otherwise.
    pub fn number(&self) -> &Number {
        &self.shared().config.number
    }

    /// What webhooks are signed with.
    pub fn app_secret(&self) -> &str {
        &self.shared().config.app_secret
    }

    /// Sets where webhooks go. Those not yet delivered go there, too.
    pub fn set_callback(&self, url: &str) {
        self.shared().state().callback_url = Some(url.to_owned());
    }

    /// Makes Meta name somebody who is sent to by `number` in its own way, in its answers to sends.
    pub fn name_person(&self, number: &str, wa_id: &str, bsuid: Option<&str>) {
        let person = shared::Person { wa_id: wa_id.to_owned(), bsuid: bsuid.map(str::to_owned) };
        self.shared().state().people.insert(number.to_owned(), person);
    }

    /// The business writes to a person with its own phone, past the bot.
    pub fn echo(&self, inbound: &Inbound) -> Ticket {
        speech::echo(self.shared(), inbound)
    }

    /// A person writes a text.
    pub fn say(&self, phone: &str, text: &str) -> Ticket {
        self.say_with(Inbound::text(phone, text))
    }

    /// A person sends something.
    pub fn say_with(&self, inbound: Inbound) -> Ticket {
        speech::say(self.shared(), &[inbound])
    }

    /// Several messages in one webhook, in this order.
    pub fn say_many(&self, messages: &[Inbound]) -> Ticket {
        speech::say(self.shared(), messages)
    }

    /// A webhook of any field, about the emulator's account.
    pub fn emit(&self, field: &str, value: &Value) -> Ticket {
        speech::emit(self.shared(), field, value)
    }

    /// A status of a send; `failed` is the code when the word is `failed`.
    pub fn emit_status(&self, sent: &Sent, word: &str, failed: Option<i64>) -> Ticket {
        let mut post = self.shared().status_post(sent, word, failed);
        let report = post.reported();
        self.shared().enqueue(post);
        Ticket { wamids: vec![sent.wamid.clone()], report }
    }

    /// Posts a body as it is, once. Answers with HTTP status and text.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn post_raw(&self, body: &[u8], signature: Signature) -> Result<(u16, String), String> {
        speech::post_raw(self.shared(), body, signature).await
    }

    /// Accepted sends in order. Empty with [`Record::Count`].
    pub fn sent(&self) -> Vec<Sent> {
        self.shared().state().log.sent().cloned().collect()
    }

    /// Accepted sends to one person, in order. Empty with [`Record::Count`].
    pub fn sent_to(&self, person: &str) -> Vec<Sent> {
        self.shared().state().log.sent().filter(|sent| sent.to == person).cloned().collect()
    }

    /// How many sends were accepted.
    pub fn count(&self) -> u64 {
        *self.shared().accepted.borrow()
    }

    /// A conversation, both sides.
    pub fn transcript(&self, person: &str) -> Vec<Line> {
        self.shared().state().log.transcript(person)
    }

    /// Accepted sends as they come, from now on; the oldest are lost to listeners more than 1024 behind.
    pub fn subscribe(&self) -> broadcast::Receiver<Sent> {
        self.shared().feed.subscribe()
    }

    /// Waits until `n` sends were accepted, and answers with all so far (none with [`Record::Count`]).
    ///
    /// # Errors
    /// When they did not come in time.
    pub async fn wait_for(&self, n: usize, within: Duration) -> Result<Vec<Sent>, TooFew> {
        let enough = self.shared().until(|| self.count() >= n as u64);
        match timeout(within, enough).await {
            Ok(()) => Ok(self.sent()),
            Err(_) => Err(TooFew { wanted: n, found: usize::try_from(self.count()).unwrap_or(usize::MAX) }),
        }
    }

    /// Waits until `n` sends to one person were accepted, and answers with them.
    ///
    /// # Errors
    /// When they did not come in time.
    pub async fn wait_for_to(&self, person: &str, n: usize, within: Duration) -> Result<Vec<Sent>, TooFew> {
        let enough = self.shared().until(|| self.sent_to(person).len() >= n);
        let enough = timeout(within, enough).await.is_ok();
        let sent = self.sent_to(person);
        if enough { Ok(sent) } else { Err(TooFew { wanted: n, found: sent.len() }) }
    }

    /// Waits until every webhook so far was delivered or given up. Answers whether that was in time.
    pub async fn settled(&self, within: Duration) -> bool {
        let mut pending = self.shared().pending.subscribe();
        timeout(within, pending.wait_for(|&count| count == 0)).await.is_ok()
    }

    /// What goes wrong now.
    pub fn faults(&self) -> Faults {
        self.shared().state().faults.clone()
    }

    /// Sets what goes wrong; the default is nothing.
    pub fn set_faults(&self, faults: Faults) {
        self.shared().state().faults = faults;
    }

    /// Sets how much is taken from now on; the default is everything.
    pub fn set_limits(&self, limits: Limits) {
        self.shared().state().limits = limits;
    }

    /// Makes the next `times` sends fail.
    pub fn fail_next(&self, times: u32, failure: Failure) {
        self.shared().state().faults.fail_next(times, failure);
    }

    /// How many sends were refused, by Meta's code.
    pub fn refusals(&self) -> BTreeMap<i64, u64> {
        self.shared().state().refusals.clone()
    }

    /// The messages that were marked as read, in order.
    pub fn reads(&self) -> Vec<String> {
        self.shared().state().reads.clone()
    }

    /// Those among them with which a person was shown that an answer is being typed.
    pub fn typings(&self) -> Vec<String> {
        self.shared().state().typings.clone()
    }

    /// What became of each webhook so far. Empty with [`Record::Count`].
    pub fn deliveries(&self) -> Vec<DeliveryReport> {
        self.shared().state().deliveries.values().cloned().collect()
    }

    /// Forgets what was sent, said, refused and delivered, and counts from 0 again.
    pub fn clear(&self) {
        speech::clear(self.shared());
    }
}

/// The client that delivers webhooks.
#[expect(clippy::disallowed_methods, reason = "the emulator's only client: it plays Meta, which has no egress guard")]
fn http(lanes: usize) -> io::Result<reqwest::Client> {
    whatsapp::client::install_tls();
    reqwest::Client::builder()
        .no_proxy()
        // Callbacks of a test or demo are on this machine, over http; no certificates are needed.
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(2 * lanes)
        .tcp_nodelay(true)
        .build()
        .map_err(io::Error::other)
}
