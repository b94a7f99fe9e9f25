//! Meta and the people behind it: what they have sent, what they were sent, and what is still to be told by webhook.

use std::collections::BTreeMap;

use axum::{body::Body, extract::Request};
use chrono::TimeDelta;
use domain::{DeliveryStatus, Time};
use fastrand::Rng;
use serde_json::{Value, json};
use whatsapp::signature;

use super::{
    stage::{APP_SECRET, NUMBER, phone},
    wire::Asked,
};

/// Meta's code for a recipient who cannot be reached: the message has failed for good.
const UNDELIVERABLE: i64 = 131_026;

/// A message of ours that Meta took.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    /// The row that it is, as Meta gives it back.
    pub(super) row: i64,
    pub(super) to: String,
    pub(super) text: String,
    pub(super) wamid: String,
    pub(super) at: Time,
    pub(super) host: usize,
}

/// A delivery status.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) row: i64,
    pub(super) wamid: String,
    pub(super) stage: DeliveryStatus,
    /// Whether it names the row, and not only Meta's id.
    pub(super) names_row: bool,
}

/// A webhook that is to be told until it was acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Job {
    body: Vec<u8>,
    pub(super) what: String,
    /// Whose message it brings, and Meta's id of it.
    pub(super) message: Option<(String, String)>,
    /// The delivery status it brings.
    pub(super) status: Option<Told>,
    pub(super) not_before: Time,
    /// How often it is told after it was acknowledged.
    pub(super) repetitions: u32,
    pub(super) is_under_way: bool,
    /// In which steps it was first posted and first acknowledged, and when the latter was.
    pub(super) posted: Option<u64>,
    pub(super) acknowledged: Option<(u64, Time)>,
}

impl Job {
    /// Whether it is to be posted now.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.is_wanted() && !self.is_under_way && self.not_before <= now
    }

    /// Whether it is to be posted at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.acknowledged.is_none() || self.repetitions > 0
    }

    /// The request, signed.
    pub(super) fn request(&self) -> Request<Body> {
        Request::post("/whatsapp/webhook")
            .header("content-type", "application/json")
            .header(signature::HEADER, signature::sign(APP_SECRET, &self.body))
            .body(Body::from(self.body.clone()))
            .expect("a request")
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Meta {
    pub(super) jobs: Vec<Job>,
    pub(super) taken: Vec<Taken>,
    /// Rows that Meta refused for good, and how often it had taken each before it last did.
    pub(super) refused: BTreeMap<i64, usize>,
    /// How often Meta took a row and the host that sent it could not know.
    pub(super) excuses: BTreeMap<i64, u64>,
    /// How long the server waits before it sends a message in doubt again.
    pub(super) doubt: TimeDelta,
    next: u64,
}

impl Meta {
    pub(super) fn new(doubt: TimeDelta) -> Self {
        Self { doubt, ..Self::default() }
    }
}

fn body(name: &str, item: &Value, contacts: &Value) -> Vec<u8> {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "15550783881", "phone_number_id": NUMBER },
        name: [item],
    });
    if !contacts.is_null() {
        value["contacts"] = json!([contacts]);
    }
    let entry = json!({ "id": "102290129340398", "changes": [{ "field": "messages", "value": value }] });
    json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string().into_bytes()
}

impl Meta {
    fn wamid(&mut self) -> String {
        self.next += 1;
        format!("wamid.SIM{:06}", self.next)
    }

    fn tell(&mut self, body: Vec<u8>, what: String, not_before: Time, repetitions: u32) -> &mut Job {
        let job = Job {
            body,
            what,
            message: None,
            status: None,
            not_before,
            repetitions,
            is_under_way: false,
            posted: None,
            acknowledged: None,
        };
        self.jobs.push(job);
        self.jobs.last_mut().expect("what was just pushed")
    }

    /// A person writes: told by webhook not before `at`.
    pub(super) fn say(&mut self, person: usize, text: &str, at: Time, repetitions: u32) {
        let (from, wamid) = (phone(person), self.wamid());
        let message = json!({
            "from": from, "id": wamid, "timestamp": at.timestamp().to_string(), "type": "text", "text": { "body": text },
        });
        let contact = json!({ "profile": { "name": "Somebody" }, "wa_id": from });
        let (body, what) = (body("messages", &message, &contact), format!("{from} says {text}"));
        self.tell(body, what, at, repetitions).message = Some((from, wamid));
    }

    /// Takes a message, and will tell how far it gets: in any order, some of it twice, some before the host knows.
    pub(super) fn take(&mut self, host: usize, row: i64, asked: &Asked, now: Time, rng: &mut Rng) -> String {
        let wamid = self.wamid();
        let text = |pointer: &str| asked.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let to = text("/to");
        let taken = Taken { row, to: to.clone(), text: text("/text/body"), wamid: wamid.clone(), at: now, host };
        self.taken.push(taken);
        let stages = [DeliveryStatus::Sent, DeliveryStatus::Delivered, DeliveryStatus::Read];
        let mut stages = stages[..rng.usize(..=3)].to_vec();
        if rng.u8(..10) == 0 {
            stages.push(DeliveryStatus::Failed);
        }
        for stage in stages {
            let mut status = json!({
                "id": wamid, "status": stage.as_str(), "timestamp": now.timestamp().to_string(), "recipient_id": to,
            });
            let names_row = rng.u8(..4) > 0;
            if names_row {
                status["biz_opaque_callback_data"] = json!(row.to_string());
            }
            if stage == DeliveryStatus::Failed {
                let title = "Message undeliverable";
                status["errors"] = json!([{ "code": UNDELIVERABLE, "title": title, "message": title }]);
            }
            let delay = TimeDelta::seconds(if rng.bool() { 0 } else { rng.i64(0..40) });
            let repetitions = u32::from(rng.u8(..8) == 0);
            let body = body("statuses", &status, &Value::Null);
            let what = format!("{wamid} of {row} is {}", stage.as_str());
            self.tell(body, what, now + delay, repetitions).status =
                Some(Told { row, wamid: wamid.clone(), stage, names_row });
        }
        wamid
    }

    /// Refuses a row for good.
    pub(super) fn refuse(&mut self, row: i64) {
        let before = self.taken.iter().filter(|taken| taken.row == row).count();
        self.refused.insert(row, before);
    }

    /// Notes that a host which is gone cannot know any more that Meta took these rows.
    pub(super) fn excuse(&mut self, rows: impl Iterator<Item = i64>) {
        for row in rows {
            *self.excuses.entry(row).or_default() += 1;
        }
    }

    /// The rows among `sending` that Meta took of a host.
    pub(super) fn taken_of(&self, host: usize, sending: &[i64]) -> Vec<i64> {
        let mut rows: Vec<i64> = self.taken.iter().filter(|taken| taken.host == host).map(|taken| taken.row).collect();
        rows.sort_unstable();
        rows.dedup();
        rows.retain(|row| sending.contains(row));
        rows
    }

    /// The highest stage that was told of a message by its id at Meta.
    pub(super) fn told(&self, wamid: &str) -> Option<DeliveryStatus> {
        let of = self.jobs.iter().filter_map(|job| job.status.as_ref()).filter(|told| told.wamid == wamid);
        of.map(|told| told.stage).max_by_key(|stage| stage.rank())
    }
}

/// Meta's words for a message that it took.
pub(super) fn accepted(to: &str, wamid: &str) -> Vec<u8> {
    json!({
        "messaging_product": "whatsapp",
        "contacts": [{ "input": to, "wa_id": to }],
        "messages": [{ "id": wamid }],
    })
    .to_string()
    .into_bytes()
}

/// Meta's words for a refusal.
pub(super) fn refusal(code: i64) -> Vec<u8> {
    json!({ "error": { "message": "refused", "type": "OAuthException", "code": code, "fbtrace_id": "A" } })
        .to_string()
        .into_bytes()
}

/// The code of a message that has failed for good.
pub(super) const fn undeliverable() -> i64 {
    UNDELIVERABLE
}
