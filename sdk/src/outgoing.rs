//! Messages to contacts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A message to the contact: what the built-in node `send_message` sends, in the same form. What WhatsApp does not take
/// (a text of 5000 letters, four buttons) is refused by the server with the reason, and the step fails.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// let picture = OutgoingMessage::image("https://example.com/menu.png").caption("Today");
/// assert_eq!(picture.content, json!({ "link": "https://example.com/menu.png", "caption": "Today" }));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingMessage {
    /// `text`, `image`, `video`, `audio`, `document`, `sticker`, `location`, `contacts`, `template` or `interactive`.
    pub message_type: String,
    /// The Cloud API's object of that type.
    pub content: Value,
}

impl OutgoingMessage {
    /// A message of any type, with the Cloud API's object of that type.
    pub fn new(message_type: &str, content: Value) -> Self {
        Self { message_type: message_type.to_owned(), content }
    }

    /// A text. Web addresses in it get no preview.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text", json!({ "body": text.into() }))
    }

    /// A picture by its address.
    pub fn image(link: impl Into<String>) -> Self {
        Self::media("image", link)
    }

    /// A video by its address.
    pub fn video(link: impl Into<String>) -> Self {
        Self::media("video", link)
    }

    /// A sound by its address.
    pub fn audio(link: impl Into<String>) -> Self {
        Self::media("audio", link)
    }

    /// A sticker by its address.
    pub fn sticker(link: impl Into<String>) -> Self {
        Self::media("sticker", link)
    }

    /// A file by its address, and the name that it is shown by.
    pub fn document(link: impl Into<String>, filename: impl Into<String>) -> Self {
        Self::media("document", link).with("filename", filename.into())
    }

    /// Media of a type by their address.
    pub fn media(message_type: &str, link: impl Into<String>) -> Self {
        Self::new(message_type, json!({ "link": link.into() }))
    }

    /// Media of a type that were uploaded to Meta, by their id.
    pub fn uploaded_media(message_type: &str, media_id: impl Into<String>) -> Self {
        Self::new(message_type, json!({ "media_id": media_id.into() }))
    }

    /// The words under media.
    pub fn caption(self, caption: impl Into<String>) -> Self {
        self.with("caption", caption.into())
    }

    /// A place on the map.
    pub fn location(latitude: f64, longitude: f64, name: &str, address: &str) -> Self {
        let mut content =
            Map::from_iter([("latitude".into(), json!(latitude)), ("longitude".into(), json!(longitude))]);
        for (field, text) in [("name", name), ("address", address)] {
            if !text.is_empty() {
                content.insert(field.to_owned(), text.into());
            }
        }
        Self::new("location", Value::Object(content))
    }

    /// An approved template. `components` as the Cloud API has them; an empty list for none.
    pub fn template(name: impl Into<String>, language_code: impl Into<String>, components: Vec<Value>) -> Self {
        let mut content = json!({ "name": name.into(), "language": { "code": language_code.into() } });
        if !components.is_empty() {
            content["components"] = Value::Array(components);
        }
        Self::new("template", content)
    }

    /// A text with up to three buttons.
    ///
    /// ```
    /// use chatboost_sdk::OutgoingMessage;
    ///
    /// let question = OutgoingMessage::buttons("Shall we?", [("yes", "Yes"), ("no", "No")]);
    /// assert_eq!(question.content["action"]["buttons"][1]["reply"]["id"], "no");
    /// ```
    pub fn buttons<I: Into<String>, T: Into<String>>(
        text: impl Into<String>,
        buttons: impl IntoIterator<Item = (I, T)>,
    ) -> Self {
        let buttons: Vec<Value> = buttons
            .into_iter()
            .map(|(id, title)| json!({ "type": "reply", "reply": { "id": id.into(), "title": title.into() } }))
            .collect();
        Self::new(
            "interactive",
            json!({ "type": "button", "body": { "text": text.into() }, "action": { "buttons": buttons } }),
        )
    }

    /// A text with a button that opens a list of up to ten rows.
    ///
    /// ```
    /// use chatboost_sdk::{ListRow, OutgoingMessage};
    ///
    /// let rows = [ListRow::new("s", "Small"), ListRow::new("l", "Large").description("for two")];
    /// let question = OutgoingMessage::list("Which size?", "Sizes", rows);
    /// assert_eq!(question.content["action"]["sections"][0]["rows"][1]["description"], "for two");
    /// ```
    pub fn list(text: impl Into<String>, button: impl Into<String>, rows: impl IntoIterator<Item = ListRow>) -> Self {
        let rows: Vec<ListRow> = rows.into_iter().collect();
        Self::new(
            "interactive",
            json!({
                "type": "list",
                "body": { "text": text.into() },
                "action": { "button": button.into(), "sections": [{ "rows": rows }] },
            }),
        )
    }

    /// An interactive message of any kind, as the Cloud API has it.
    pub fn interactive(content: Value) -> Self {
        Self::new("interactive", content)
    }

    /// Small print under an interactive message.
    pub fn footer(self, text: impl Into<String>) -> Self {
        self.with("footer", json!({ "text": text.into() }))
    }

    /// The words of a text or an interactive message, the caption of media; empty where there are none.
    pub fn words(&self) -> &str {
        let pointer = match self.message_type.as_str() {
            "text" => "/body",
            "interactive" => "/body/text",
            _ => "/caption",
        };
        self.content.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Ids and titles of what can be tapped, in order.
    pub fn choices(&self) -> Vec<(String, String)> {
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let rows = |value: &Value| value["rows"].as_array().cloned().unwrap_or_default();
        let action = &self.content["action"];
        let buttons = action["buttons"].as_array().into_iter().flatten().map(|button| button["reply"].clone());
        let rows = action["sections"].as_array().into_iter().flatten().flat_map(rows);
        buttons.chain(rows).map(|choice| (text(&choice, "id"), text(&choice, "title"))).collect()
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.content[field] = value.into();
        self
    }
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListRow {
    /// What comes back when it is tapped; up to 200 letters.
    pub id: String,
    /// Up to 24 letters.
    pub title: String,
    /// Up to 72 letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl ListRow {
    /// A row without a description.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), description: None }
    }

    /// Words under the title.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }
}
