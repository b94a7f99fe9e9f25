//! What a step brings about besides going on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::OutgoingMessage;

/// Messages, variables, changes of the contact and events of one step. Made by the methods of [`Visit`](crate::Visit).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Actions {
    /// Messages to the contact, in order.
    pub messages: Vec<OutgoingMessage>,
    /// Variables by path, e.g. `state.order.id`; null removes one.
    pub variables: Map<String, Value>,
    /// Changes of the contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactChange>,
    /// Events for triggers and waiting nodes.
    pub events: Vec<EmittedEvent>,
}

impl Actions {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Changes of a contact; what is not named stays.
///
/// ```
/// use chatboost_sdk::ContactChange;
///
/// let mut change = ContactChange::default();
/// change.email("ada@example.com").tag("customer").untag("lead").attribute("points", 12);
/// assert_eq!(change.add_tags, ["customer"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContactChange {
    /// Name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Language tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// IANA time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Tags to add.
    pub add_tags: Vec<String>,
    /// Tags to remove.
    pub remove_tags: Vec<String>,
    /// Attributes to set; null removes one.
    pub attributes: Map<String, Value>,
}

impl ContactChange {
    /// Sets the name.
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the e-mail address.
    pub fn email(&mut self, email: impl Into<String>) -> &mut Self {
        self.email = Some(email.into());
        self
    }

    /// Sets the language, e.g. `pt-BR`.
    pub fn language(&mut self, language: impl Into<String>) -> &mut Self {
        self.language = Some(language.into());
        self
    }

    /// Sets the time zone, e.g. `America/Sao_Paulo`.
    pub fn timezone(&mut self, timezone: impl Into<String>) -> &mut Self {
        self.timezone = Some(timezone.into());
        self
    }

    /// Adds a tag.
    pub fn tag(&mut self, tag: impl Into<String>) -> &mut Self {
        self.add_tags.push(tag.into());
        self
    }

    /// Removes a tag.
    pub fn untag(&mut self, tag: impl Into<String>) -> &mut Self {
        self.remove_tags.push(tag.into());
        self
    }

    /// Sets an attribute; null removes it.
    pub fn attribute(&mut self, name: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

/// An event that a plugin emits about the contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmittedEvent {
    /// Name: `custom.` and a word in snake case.
    pub name: String,
    /// Anything.
    #[serde(default)]
    pub payload: Value,
}
