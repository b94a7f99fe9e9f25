//! What people write, as Meta would report it.

use domain::{Address, Time};
use serde_json::{Map, Value, json};

use crate::File;

/// A message from a person, to be emitted by [`Emulator::say_with`](crate::Emulator::say_with).
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    pub(crate) from: String,
    pub(crate) kind: String,
    pub(crate) content: Value,
    pub(crate) bsuid: Option<String>,
    pub(crate) hides_phone: bool,
    pub(crate) name: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) wamid: Option<String>,
    pub(crate) at: Option<Time>,
    pub(crate) phone_number_id: Option<String>,
    pub(crate) extra: Map<String, Value>,
}

impl Inbound {
    /// A message of any type: `content` is the object named like it. `from` is a phone in digits or a
    /// business-scoped user id.
    pub fn new(from: &str, kind: &str, content: Value) -> Self {
        let is_bsuid = matches!(Address::parse(from), Ok(Address::Bsuid(_)));
        Self {
            from: from.to_owned(),
            kind: kind.to_owned(),
            content,
            bsuid: is_bsuid.then(|| from.to_owned()),
            hides_phone: is_bsuid,
            name: None,
            username: None,
            wamid: None,
            at: None,
            phone_number_id: None,
            extra: Map::new(),
        }
    }

    /// A text.
    pub fn text(from: &str, body: &str) -> Self {
        Self::new(from, "text", json!({ "body": body }))
    }

    /// A tap on a reply button.
    pub fn button_reply(from: &str, id: &str, title: &str) -> Self {
        Self::new(from, "interactive", json!({ "type": "button_reply", "button_reply": { "id": id, "title": title } }))
    }

    /// A choice from a list.
    pub fn list_reply(from: &str, id: &str, title: &str) -> Self {
        Self::new(from, "interactive", json!({ "type": "list_reply", "list_reply": { "id": id, "title": title } }))
    }

    /// A tap on a template's quick reply.
    pub fn quick_reply(from: &str, payload: &str, text: &str) -> Self {
        Self::new(from, "button", json!({ "payload": payload, "text": text }))
    }

    /// A file that cannot be fetched: `kind` is `image`, `video`, `audio`, `document` or `sticker`.
    pub fn media(from: &str, kind: &str, media_id: &str, mime_type: &str) -> Self {
        // The hash of nothing: there are no bytes behind such an id.
        let sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        Self::new(from, kind, json!({ "id": media_id, "mime_type": mime_type, "sha256": sha256 }))
    }

    /// A file that the emulator has, see [`Emulator::put_file`](crate::Emulator::put_file).
    pub fn file(from: &str, kind: &str, file: &File) -> Self {
        Self::new(from, kind, json!({ "id": file.id, "mime_type": file.mime_type, "sha256": file.sha256 }))
    }

    /// A place.
    pub fn location(from: &str, latitude: f64, longitude: f64) -> Self {
        Self::new(from, "location", json!({ "latitude": latitude, "longitude": longitude }))
    }

    /// A reaction; an empty emoji takes it back.
    pub fn reaction(from: &str, wamid: &str, emoji: &str) -> Self {
        Self::new(from, "reaction", json!({ "message_id": wamid, "emoji": emoji }))
    }

    /// An order of one product.
    pub fn order(from: &str, catalog_id: &str, product_id: &str, quantity: u32) -> Self {
        let item =
            json!({ "product_retailer_id": product_id, "quantity": quantity, "item_price": 9.5, "currency": "EUR" });
        Self::new(from, "order", json!({ "catalog_id": catalog_id, "text": "", "product_items": [item] }))
    }

    /// Business cards, given as Meta writes them.
    pub fn contacts(from: &str, cards: Value) -> Self {
        Self::new(from, "contacts", cards)
    }

    /// The answer to a WhatsApp Flow; `response` is JSON as a text.
    pub fn flow_reply(from: &str, response: &str) -> Self {
        let reply = json!({ "name": "flow", "body": "Sent", "response_json": response });
        Self::new(from, "interactive", json!({ "type": "nfm_reply", "nfm_reply": reply }))
    }

    /// What Meta cannot pass on.
    pub fn unsupported(from: &str) -> Self {
        let error = json!({ "code": 131_051, "title": "Message type unknown" });
        Self::new(from, "unsupported", json!({ "type": "unknown" })).beside("errors", json!([error]))
    }

    /// A text of this person, edited.
    pub fn edit(from: &str, wamid: &str, body: &str) -> Self {
        let message = json!({ "type": "text", "text": { "body": body } });
        Self::new(from, "edit", json!({ "original_message_id": wamid, "message": message }))
    }

    /// A message of this person, deleted.
    pub fn revoke(from: &str, wamid: &str) -> Self {
        Self::new(from, "revoke", json!({ "original_message_id": wamid }))
    }

    /// Notice of a new number, and the user id that comes with it.
    pub fn changed_number(from: &str, number: &str, bsuid: Option<&str>) -> Self {
        let body = format!("User changed from {from} to {number}");
        let mut notice = json!({ "type": "user_changed_number", "body": body, "wa_id": number });
        if let Some(id) = bsuid {
            notice["user_id"] = json!(id);
        }
        Self::new(from, "system", notice)
    }

    /// Notice of a new user id: it names its sender only in words.
    pub fn changed_user_id(previous: &str, current: &str) -> Self {
        let body = format!("User changed from {previous} to {current}");
        let notice = json!({ "type": "user_changed_user_id", "body": body, "user_id": current });
        Self { bsuid: None, hides_phone: true, ..Self::new(previous, "system", notice) }
    }

    /// Adds a caption or any other text to the type's object.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.content[name] = value.into();
        self
    }

    /// Adds a field beside the type's object, e.g. `referral` or `group_id`.
    #[must_use]
    pub fn beside(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Quotes a message.
    #[must_use]
    pub fn context(self, wamid: &str) -> Self {
        self.beside("context", json!({ "id": wamid }))
    }

    /// The sender's profile name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The sender's username.
    #[must_use]
    pub fn username(mut self, username: &str) -> Self {
        self.username = Some(username.to_owned());
        self
    }

    /// The sender's business-scoped user id, beside the phone.
    #[must_use]
    pub fn bsuid(mut self, id: &str) -> Self {
        self.bsuid = Some(id.to_owned());
        self
    }

    /// A given id instead of a fresh one, to repeat a message.
    #[must_use]
    pub fn wamid(mut self, wamid: &str) -> Self {
        self.wamid = Some(wamid.to_owned());
        self
    }

    /// A given time instead of the present.
    #[must_use]
    pub fn at(mut self, at: Time) -> Self {
        self.at = Some(at);
        self
    }

    /// Written to another number than the emulator's first.
    #[must_use]
    pub fn to_number(mut self, phone_number_id: &str) -> Self {
        self.phone_number_id = Some(phone_number_id.to_owned());
        self
    }

    /// The entry of `messages`.
    pub(crate) fn message(&self, wamid: &str, now: Time) -> Value {
        let mut message = self.extra.clone();
        if !self.hides_phone {
            message.insert("from".into(), json!(self.from));
        }
        if let Some(id) = &self.bsuid {
            message.insert("from_user_id".into(), json!(id));
        }
        message.insert("id".into(), json!(wamid));
        message.insert("timestamp".into(), json!(self.at.unwrap_or(now).timestamp().to_string()));
        message.insert("type".into(), json!(self.kind));
        message.insert(self.kind.clone(), self.content.clone());
        Value::Object(message)
    }

    /// The entry of `contacts`.
    pub(crate) fn contact(&self) -> Value {
        let mut profile = Map::new();
        if let Some(name) = &self.name {
            profile.insert("name".into(), json!(name));
        }
        if let Some(username) = &self.username {
            profile.insert("username".into(), json!(username));
        }
        let mut contact = Map::new();
        contact.insert("profile".into(), Value::Object(profile));
        if !self.hides_phone {
            contact.insert("wa_id".into(), json!(self.from));
        }
        if let Some(id) = &self.bsuid {
            contact.insert("user_id".into(), json!(id));
        }
        Value::Object(contact)
    }

    /// What was said, in words.
    pub(crate) fn words(&self) -> String {
        let at = |pointer: &str| self.content.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        ["/body", "/button_reply/title", "/list_reply/title", "/text", "/caption"]
            .iter()
            .find_map(|pointer| at(pointer))
            .unwrap_or_else(|| format!("[{}]", self.kind))
    }
}
