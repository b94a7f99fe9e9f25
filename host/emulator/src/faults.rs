//! What goes wrong, and when.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// What goes wrong. The default is nothing. As JSON it is the body of `POST /emulator/faults`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Milliseconds that every answer to a send is late. The send itself counts at once.
    pub delay_ms: u64,
    /// For the coming sends: each is tried on the first entry that fits its recipient.
    pub next: VecDeque<Planned>,
    /// For a share of the sends that `next` spares.
    pub share: Option<Share>,
    /// Disorder among webhooks about people's messages.
    pub messages: Disorder,
    /// Disorder among webhooks about statuses.
    pub statuses: Disorder,
    /// Statuses do not give `biz_opaque_callback_data` back.
    pub forgets_callback_data: bool,
}

/// A failure for a number of sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// How many sends it hits.
    #[serde(default = "once")]
    pub times: u32,
    /// Only sends to this phone or business-scoped user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only sends of this message type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// What happens.
    #[serde(flatten)]
    pub failure: Failure,
}

/// A failure for a share of all sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// From 0 (none) to 1 (all).
    pub of: f64,
    /// What happens.
    #[serde(flatten)]
    pub failure: Failure,
}

/// What happens to a send instead of an answer as usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// Nothing: a gap in the plan.
    None,
    /// Refused with an error of Meta's.
    Code {
        /// Meta's code, see `whatsapp::errors`.
        code: i64,
        /// HTTP status; without it the one this code usually has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        http_status: Option<u16>,
        /// `error_data.details`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<String>,
        /// Whether Meta calls it transient.
        #[serde(default)]
        transient: bool,
    },
    /// Refused with an answer that is no JSON, as a broken gateway gives.
    Gateway {
        /// HTTP status, e.g. 500 or 502.
        http_status: u16,
    },
    /// Accepted, then the connection breaks before the answer.
    AcceptThenDrop,
    /// Accepted, and then nothing: the client waits until it gives up.
    AcceptThenSilence,
    /// The connection breaks and nothing was accepted.
    DropBeforeAccept,
    /// Accepted, but the status that follows is `failed`.
    FailLater {
        /// Meta's code in that status.
        code: i64,
    },
}

/// Disorder among webhooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Disorder {
    /// Share of webhooks that are delivered twice, from 0 to 1.
    pub duplicate: f64,
    /// Milliseconds that each of them is late.
    pub delay_ms: u64,
    /// How many consecutive webhooks are put into random order; 0 and 1 leave them as they are. One that waits for
    /// company goes out alone after 30 ms.
    pub shuffle: usize,
}

fn once() -> u32 {
    1
}

impl Faults {
    /// Adds a failure for the next `times` sends to anybody.
    pub fn fail_next(&mut self, times: u32, failure: Failure) {
        self.next.push_back(Planned { times, to: None, message_type: None, failure });
    }

    /// What happens to a send of a type to `to`; uses up one of the planned failures. `dice` gives numbers from 0 to 1.
    pub(crate) fn take(&mut self, to: &str, kind: &str, dice: impl FnOnce() -> f64) -> Failure {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let hits = |p: &Planned| p.times > 0 && fits(&p.to, to) && fits(&p.message_type, kind);
        let planned = self.next.iter().position(hits);
        if let Some(index) = planned {
            let planned = &mut self.next[index];
            planned.times -= 1;
            let failure = planned.failure.clone();
            self.next.retain(|planned| planned.times > 0);
            return failure;
        }
        match &self.share {
            Some(share) if dice() < share.of => share.failure.clone(),
            _ => Failure::None,
        }
    }
}

impl Failure {
    /// An error of Meta's by its code alone.
    pub fn code(code: i64) -> Self {
        Self::Code { code, http_status: None, details: None, transient: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planned_failures_come_first_and_run_out() {
        let mut faults =
            Faults { share: Some(Share { of: 0.5, failure: Failure::DropBeforeAccept }), ..Faults::default() };
        faults.fail_next(2, Failure::code(131_056));
        faults.next.push_back(Planned {
            times: 1,
            to: Some("2".into()),
            message_type: Some("text".into()),
            failure: Failure::AcceptThenDrop,
        });
        assert_eq!(faults.take("2", "text", || 0.0), Failure::code(131_056));
        assert_eq!(faults.take("1", "text", || 0.0), Failure::code(131_056));
        assert_eq!(faults.take("1", "text", || 0.4), Failure::DropBeforeAccept);
        assert_eq!(faults.take("2", "text", || 0.4), Failure::AcceptThenDrop);
        assert_eq!(faults.take("2", "text", || 0.6), Failure::None);
    }

    #[test]
    fn reads_as_people_write_it() {
        let json = r#"{"delay_ms": 5, "next": [{"kind": "code", "code": 130429, "times": 3}, {"kind": "gateway", "http_status": 502}],
            "share": {"of": 0.1, "kind": "accept_then_drop"}, "statuses": {"shuffle": 8}}"#;
        let faults: Faults = serde_json::from_str(json).unwrap();
        assert_eq!(faults.next[0], Planned { times: 3, to: None, message_type: None, failure: Failure::code(130_429) });
        assert_eq!(faults.next[1].times, 1);
        assert_eq!(faults.statuses, Disorder { shuffle: 8, ..Disorder::default() });
        assert!(serde_json::from_str::<Faults>(r#"{"dealy_ms": 5}"#).is_err());
    }
}
