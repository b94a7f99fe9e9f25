//! People's side of the conversation: what they say becomes webhooks.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    Inbound, Line, Number, Record, Speaker,
    log::Entry,
    postman::{self, Delivered, Kind, Undelivered},
    shared::Shared,
    webhook,
};

/// What was said, and what becomes of the webhook that tells of it.
#[derive(Debug)]
pub struct Ticket {
    /// Ids of the messages, in the order given.
    pub wamids: Vec<String>,
    pub(crate) report: oneshot::Receiver<Result<Delivered, Undelivered>>,
}

impl Ticket {
    /// Waits until the webhook was answered 200. Dropping the ticket does not stop the delivery.
    ///
    /// # Errors
    /// When it was given up, or the emulator ended first.
    pub async fn delivered(self) -> Result<Delivered, Undelivered> {
        self.report.await.unwrap_or_else(|_| Err(Undelivered { attempts: 0, last: "the emulator ended".into() }))
    }
}

/// What a raw body is signed with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signature {
    /// As Meta signs.
    #[default]
    Valid,
    /// With another secret.
    Wrong,
    /// Not at all.
    None,
}

/// Puts messages into one webhook, one entry per number.
pub(crate) fn say(shared: &Arc<Shared>, messages: &[Inbound]) -> Ticket {
    let now = shared.config.clock.now();
    let mut wamids = Vec::new();
    let mut numbers: Vec<(Number, Vec<Value>, Vec<Value>)> = Vec::new();
    for inbound in messages {
        let inbound = &shared.identified(inbound);
        let wamid = inbound.wamid.clone().unwrap_or_else(|| shared.wamid(&inbound.from));
        let number = match &inbound.phone_number_id {
            Some(id) if *id != shared.config.number.phone_number_id => Number::of(id),
            _ => shared.config.number.clone(),
        };
        shared.hear(&number.phone_number_id);
        let index = numbers.iter().position(|(known, ..)| *known == number).unwrap_or_else(|| {
            numbers.push((number, Vec::new(), Vec::new()));
            numbers.len() - 1
        });
        let (_, items, contacts) = &mut numbers[index];
        items.push(inbound.message(&wamid, now));
        let contact = inbound.contact();
        if !contacts.contains(&contact) {
            contacts.push(contact);
        }
        wamids.push(wamid);
        if shared.config.record == Record::Everything {
            let line = Line { at: inbound.at.unwrap_or(now), speaker: Speaker::Person, text: inbound.words() };
            shared.state().log.push(Entry::Said { phone: inbound.from.clone(), line });
        }
    }
    let entries: Vec<Value> =
        numbers.iter().map(|(number, items, contacts)| webhook::entry(number, "messages", items, contacts)).collect();
    let person = messages.first().map(|inbound| inbound.from.as_str()).unwrap_or_default();
    queue(shared, Kind::Message, person, &Value::Array(entries), wamids)
}

/// A message of the business's own phone: `inbound` as if the person it is to had written it.
pub(crate) fn echo(shared: &Arc<Shared>, inbound: &Inbound) -> Ticket {
    let wamid = inbound.wamid.clone().unwrap_or_else(|| shared.wamid(&inbound.from));
    let number = &shared.config.number;
    let mut message = inbound.message(&wamid, shared.config.clock.now());
    message["to"] = json!(inbound.from);
    message["from"] = json!(number.display_phone_number);
    let mut entry = webhook::entry(number, "message_echoes", &[message], &[]);
    entry["changes"][0]["field"] = json!("smb_message_echoes");
    queue(shared, Kind::Message, &inbound.from, &json!([entry]), vec![wamid])
}

/// A webhook of any field about the first number.
pub(crate) fn emit(shared: &Arc<Shared>, field: &str, value: &Value) -> Ticket {
    let entry = json!([{ "id": shared.config.number.waba_id, "changes": [{ "field": field, "value": value }] }]);
    queue(shared, Kind::Other, "", &entry, Vec::new())
}

/// [`emit`] with the time at which Meta says it sent it.
pub(crate) fn emit_dated(shared: &Arc<Shared>, field: &str, value: &Value) -> Ticket {
    let (id, time) = (&shared.config.number.waba_id, shared.config.clock.now().timestamp());
    let entry = json!([{ "id": id, "time": time, "changes": [{ "field": field, "value": value }] }]);
    queue(shared, Kind::Other, "", &entry, Vec::new())
}

/// Hands entries to the postman.
fn queue(shared: &Arc<Shared>, kind: Kind, person: &str, entries: &Value, wamids: Vec<String>) -> Ticket {
    let mut post = shared.post(kind, person, webhook::body(entries));
    let report = post.reported();
    shared.enqueue(post);
    Ticket { wamids, report }
}

/// POSTs a body as it is, once.
pub(crate) async fn post_raw(shared: &Shared, body: &[u8], signature: Signature) -> Result<(u16, String), String> {
    let secret = &shared.config.app_secret;
    let header = match signature {
        Signature::Valid => Some(whatsapp::signature::sign(secret, body)),
        Signature::Wrong => Some(whatsapp::signature::sign(&format!("not {secret}"), body)),
        Signature::None => None,
    };
    postman::knock(shared, body, header.as_deref()).await
}

/// Forgets everything remembered and starts counting again. Answers how many sends had been accepted.
pub(crate) fn clear(shared: &Shared) -> u64 {
    let mut state = shared.state();
    state.log.clear();
    state.refusals.clear();
    state.reads.clear();
    state.typings.clear();
    state.deliveries.clear();
    shared.accepted.send_replace(0)
}
