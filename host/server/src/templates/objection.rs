//! Why a template must not be sent.

use domain::{Fault, OutgoingMessage};
use serde_json::{Value, json};
use storage::MessageTemplate;
use whatsapp::templates::{check, is_blocked};

/// Why a template must not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Objection {
    /// Meta has paused, disabled, rejected or deleted it.
    Blocked {
        /// Meta's word.
        status: String,
        /// Why, as far as Meta says.
        reason: Option<String>,
    },
    /// Its parameters do not fit. Pointers are into the template object.
    Misfit(Vec<Fault>),
    /// It is there, but not in this language.
    Language {
        /// Those it is there in.
        languages: Vec<String>,
    },
}

impl Objection {
    /// What stands against this send of a template.
    pub(super) fn to(template: &MessageTemplate, message: &OutgoingMessage) -> Option<Self> {
        if is_blocked(&template.status) {
            return Some(Self::Blocked { status: template.status.clone(), reason: template.reason.clone() });
        }
        let faults = check(&super::definition(template), &message.content);
        (!faults.is_empty()).then_some(Self::Misfit(faults))
    }

    /// In a sentence.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Blocked { status, reason } => {
                let why = reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                format!("WhatsApp has the template as {}{why}", status.to_lowercase())
            }
            Self::Misfit(_) => "the parameters do not fit the template".into(),
            Self::Language { languages } => format!("the template is there in {} only", languages.join(", ")),
        }
    }

    /// What is wrong where in the template object; nothing when it is the template itself.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Blocked { .. } => Vec::new(),
            Self::Misfit(faults) => faults.clone(),
            Self::Language { .. } => vec![Fault::new("/language/code", self.sentence())],
        }
    }

    /// As the error of a message that is not sent.
    pub(crate) fn error(&self) -> Value {
        let status = if let Self::Blocked { status, .. } = self { Some(status) } else { None };
        json!({ "title": self.sentence(), "errors": self.faults(), "template_status": status })
    }
}
