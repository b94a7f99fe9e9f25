//! Delivers webhooks: signed, in order per person at first, again and again until they are answered 200.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::{Record, shared::Shared};

/// How long a post waits for others to be shuffled with.
const SHUFFLE_WAIT: Duration = Duration::from_millis(30);

/// What a webhook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// People's messages.
    Message,
    /// The way of the bot's messages.
    Status,
    /// Anything else.
    Other,
}

/// One webhook to deliver.
pub(crate) struct Post {
    id: u64,
    pub(crate) kind: Kind,
    pub(crate) lane: usize,
    body: Arc<[u8]>,
    report: Option<oneshot::Sender<Result<Delivered, Undelivered>>>,
}

/// A webhook that was answered 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// How many attempts it took.
    pub attempts: u32,
    /// How long the last one took.
    pub took: Duration,
}

/// A webhook that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// How many attempts were made.
    pub attempts: u32,
    /// What the last one came to: an HTTP status or why there was none.
    pub last: String,
}

/// What became of a webhook so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryReport {
    /// Counts webhooks; shares its numbers with other ids.
    pub post: u64,
    /// What it is about.
    pub kind: Kind,
    /// How many attempts were made.
    pub attempts: u32,
    /// Whether it was answered 200.
    pub delivered: bool,
    /// The last attempt's HTTP status.
    pub http_status: Option<u16>,
    /// Why the last attempt got no answer.
    pub error: Option<String>,
}

impl Post {
    pub(crate) fn new(id: u64, kind: Kind, lane: usize, body: Vec<u8>) -> Self {
        Self { id, kind, lane, body: body.into(), report: None }
    }

    /// Where its outcome will be told.
    pub(crate) fn reported(&mut self) -> oneshot::Receiver<Result<Delivered, Undelivered>> {
        let (sender, receiver) = oneshot::channel();
        self.report = Some(sender);
        receiver
    }

    fn copy(&self) -> Self {
        Self { id: self.id, kind: self.kind, lane: self.lane, body: self.body.clone(), report: None }
    }
}

/// Works through one lane until the emulator ends.
pub(crate) async fn run(shared: Arc<Shared>, mut queue: mpsc::UnboundedReceiver<Post>) {
    while let Some(first) = queue.recv().await {
        let disorder = {
            let state = shared.state();
            if first.kind == Kind::Status { state.faults.statuses } else { state.faults.messages }
        };
        let mut posts = vec![first];
        while posts.len() < disorder.shuffle {
            let Ok(Some(next)) = tokio::time::timeout(SHUFFLE_WAIT, queue.recv()).await else { break };
            posts.push(next);
        }
        shared.state().dice.shuffle(&mut posts);
        for post in posts {
            if disorder.duplicate > 0.0 && shared.state().dice.fraction() < disorder.duplicate {
                shared.pending.send_modify(|count| *count += 1);
                shared.spawn(deliver(shared.clone(), post.copy(), 0));
            }
            if disorder.delay_ms > 0 {
                let (shared, pause) = (shared.clone(), Duration::from_millis(disorder.delay_ms));
                shared.clone().spawn(async move {
                    tokio::time::sleep(pause).await;
                    deliver(shared, post, 0).await;
                });
                continue;
            }
            // Only the first attempt is made in line: a webhook that fails lets the next ones pass, as at Meta.
            if let Some(post) = attempt(&shared, post, 1).await {
                shared.spawn(deliver(shared.clone(), post, 1));
            }
        }
    }
}

/// Goes on until a post is delivered or given up. `attempts` have been made.
async fn deliver(shared: Arc<Shared>, mut post: Post, mut attempts: u32) {
    let delivery = &shared.config.delivery;
    let mut pause = delivery.first_pause;
    loop {
        if attempts > 0 {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(delivery.longest_pause);
        }
        attempts = attempts.saturating_add(1);
        match attempt(&shared, post, attempts).await {
            None => return,
            Some(undelivered) => post = undelivered,
        }
    }
}

/// One attempt. Gives the post back when it must be repeated.
async fn attempt(shared: &Shared, mut post: Post, attempts: u32) -> Option<Post> {
    let start = Instant::now();
    let outcome =
        knock(shared, &post.body, Some(&whatsapp::signature::sign(&shared.config.app_secret, &post.body))).await;
    let status = outcome.as_ref().ok().map(|(status, _)| *status);
    let delivered = status == Some(200);
    let error = outcome.err();
    let last = status.map(|status| format!("HTTP {status}")).or_else(|| error.clone()).unwrap_or_default();
    if shared.config.record == Record::Everything {
        let report = DeliveryReport { post: post.id, kind: post.kind, attempts, delivered, http_status: status, error };
        shared.state().deliveries.insert(post.id, report);
    }
    if !delivered && attempts < shared.config.delivery.attempts {
        return Some(post);
    }
    let verdict =
        if delivered { Ok(Delivered { attempts, took: start.elapsed() }) } else { Err(Undelivered { attempts, last }) };
    if let Some(report) = post.report.take() {
        // Whoever asked may have lost interest.
        let _unheard = report.send(verdict);
    }
    shared.done();
    None
}

/// POSTs a body once. Answers with status and text, or why there is no answer.
pub(crate) async fn knock(shared: &Shared, body: &[u8], signature: Option<&str>) -> Result<(u16, String), String> {
    let url = shared.state().callback_url.clone().ok_or("no callback URL is set")?;
    let mut request = shared
        .http
        .post(url)
        .timeout(shared.config.delivery.timeout)
        .header("content-type", "application/json")
        .body(body.to_vec());
    if let Some(signature) = signature {
        request = request.header(whatsapp::signature::HEADER, signature);
    }
    let response = request.send().await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    // Read to the end, so that the connection serves again.
    let text = response.text().await.map_err(|error| error.to_string())?;
    Ok((status, text))
}
