//! What the business account has beside messages: templates and files.

use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::{Emulator, File, Reads, Ticket, shared::Shared, speech};

impl Emulator {
    /// Adds a template to the account's list, as Meta has approved it, or replaces the one of this name and language;
    /// nobody is told. What is missing of `language`, `category`, `status`, `components` … is filled in. Answers its id.
    /// While there is none, any template can be sent.
    pub fn put_template(&self, definition: &Value) -> String {
        put_template(self.shared(), definition)
    }

    /// Changes the status of a template, and tells by webhook.
    pub fn set_template_status(&self, name: &str, language: &str, status: &str, reason: Option<&str>) -> Ticket {
        set_template_status(self.shared(), (name, language), status, reason)
    }

    /// Changes the quality of a template, and tells by webhook.
    pub fn set_template_quality(&self, name: &str, language: &str, score: &str) -> Ticket {
        set_template_quality(self.shared(), (name, language), score)
    }

    /// Changes the category of a template, and tells by webhook.
    pub fn set_template_category(&self, name: &str, language: &str, category: &str) -> Ticket {
        set_template_category(self.shared(), (name, language), category)
    }

    /// How often the list of templates was asked for, each page counted.
    pub fn template_reads(&self) -> u64 {
        self.shared().state().catalogue.asked
    }

    /// What reading and changing the list of templates is like from now on.
    pub fn set_reads(&self, reads: Reads) {
        self.shared().state().reads_fault = reads;
    }

    /// Keeps a file that a person is about to send.
    pub fn put_file(&self, mime_type: &str, bytes: impl Into<Bytes>) -> File {
        self.shared().state().files.put(mime_type, bytes.into())
    }

    /// A file by its id.
    pub fn file(&self, id: &str) -> Option<File> {
        self.shared().state().files.get(id)
    }

    /// Puts other bytes under a file's hash.
    pub fn spoil_file(&self, id: &str, bytes: impl Into<Bytes>) {
        self.shared().state().files.spoil(id, bytes.into());
    }

    /// Deletes a file, as Meta does after a while.
    pub fn delete_file(&self, id: &str) {
        self.shared().state().files.delete(id);
    }

    /// The next addresses of files are dead when they are handed out.
    pub fn kill_links(&self, count: u32) {
        self.shared().state().files.dead_links = count;
    }

    /// What addresses of files begin with instead of the emulator's own, as a forger would have it.
    pub fn set_file_host(&self, base: Option<&str>) {
        self.shared().state().files.elsewhere = base.map(str::to_owned);
    }

    /// How often the bytes of a file were handed out.
    pub fn file_reads(&self) -> u64 {
        self.shared().state().files.reads
    }
}

/// Adds or replaces a template.
pub(crate) fn put_template(shared: &Shared, definition: &Value) -> String {
    let id = format!("88{:014}", shared.next_id());
    shared.state().catalogue.put(id, definition)
}

/// Changes the status of a template, and tells by webhook.
pub(crate) fn set_template_status(
    shared: &Arc<Shared>,
    template: (&str, &str),
    status: &str,
    reason: Option<&str>,
) -> Ticket {
    let fields = json!({ "status": status, "rejected_reason": reason.unwrap_or("NONE") });
    let event = json!({ "event": status, "reason": reason });
    tell(shared, template, &fields, "message_template_status_update", event)
}

/// Changes the quality of a template, and tells by webhook.
pub(crate) fn set_template_quality(shared: &Arc<Shared>, template: (&str, &str), score: &str) -> Ticket {
    let fields = json!({ "quality_score": { "score": score } });
    let event = json!({ "previous_quality_score": "UNKNOWN", "new_quality_score": score });
    tell(shared, template, &fields, "message_template_quality_update", event)
}

/// Changes the category of a template, and tells by webhook.
pub(crate) fn set_template_category(shared: &Arc<Shared>, template: (&str, &str), category: &str) -> Ticket {
    let fields = json!({ "category": category });
    let event = json!({ "previous_category": "UTILITY", "new_category": category });
    tell(shared, template, &fields, "template_category_update", event)
}

/// Changes a template and tells of it in a webhook of this field.
fn tell(shared: &Arc<Shared>, template: (&str, &str), fields: &Value, field: &str, mut event: Value) -> Ticket {
    let (name, language) = template;
    let changed = shared.state().catalogue.change(name, language, fields);
    let id = changed.and_then(|template| template["id"].as_str()?.parse::<u64>().ok());
    // A number here, and a text elsewhere: that is how Meta writes it.
    event["message_template_id"] = json!(id);
    event["message_template_name"] = json!(name);
    event["message_template_language"] = json!(language);
    speech::emit_dated(shared, field, &event)
}
