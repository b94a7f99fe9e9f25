//! The customer service window: when anything may be sent to a person, and when only templates.

use chrono::TimeDelta;

use crate::Time;

/// Whether anything may be sent to a contact. Outside of an open window Meta takes approved templates only and refuses
/// the rest with code 131047.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The contact wrote lately: anything may be sent before `until`.
    Open {
        /// The first moment after it.
        until: Time,
    },
    /// The contact wrote too long ago, or Meta has said so.
    Closed {
        /// Since when, as far as known.
        since: Time,
    },
    /// The contact has not written to the bot's number as far as this server knows, so only Meta knows.
    Unknown,
}

/// What decides about a contact's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowFacts {
    /// When the contact wrote last, by Meta's clock.
    pub last_inbound_at: Option<Time>,
    /// When Meta refused a message because the window was closed, if the contact has not written since.
    pub closed_at: Option<Time>,
    /// Since when the bot has the number that it sends from, if it had another one before: what was written until then
    /// went to that one.
    pub number_changed_at: Option<Time>,
}

impl Window {
    /// How long a window stays open after a person's message. An advertisement that led to it makes messages free for
    /// longer, but does not change which ones may be sent.
    pub const LENGTH: TimeDelta = TimeDelta::hours(24);
    /// Meta's code for a message that only an open window would allow.
    pub const CLOSED_CODE: i64 = 131_047;

    /// The window at a point in time.
    pub fn at(now: Time, facts: &WindowFacts) -> Self {
        if let Some(since) = facts.closed_at {
            return Self::Closed { since };
        }
        // Meta's times are whole seconds.
        let counts = |at: &Time| facts.number_changed_at.is_none_or(|since| at.timestamp() >= since.timestamp());
        match facts.last_inbound_at.filter(counts).and_then(|at| at.checked_add_signed(Self::LENGTH)) {
            None => Self::Unknown,
            Some(until) if now < until => Self::Open { until },
            Some(since) => Self::Closed { since },
        }
    }

    /// Whether a message of this type is certain to be refused.
    pub fn refuses(self, message_type: &str) -> bool {
        matches!(self, Self::Closed { .. }) && message_type != "template"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn at(now: &str, last: Option<&str>, closed: Option<&str>, connected: Option<&str>) -> Window {
        let facts = WindowFacts {
            last_inbound_at: last.map(time),
            closed_at: closed.map(time),
            number_changed_at: connected.map(time),
        };
        Window::at(time(now), &facts)
    }

    #[test]
    fn it_is_open_for_exactly_24_hours_after_the_last_message() {
        let wrote = Some("2026-03-01T10:00:00Z");
        let until = time("2026-03-02T10:00:00Z");
        assert_eq!(at("2026-03-01T10:00:00Z", wrote, None, None), Window::Open { until });
        assert_eq!(at("2026-03-02T09:59:59.999999Z", wrote, None, None), Window::Open { until });
        assert_eq!(at("2026-03-02T10:00:00Z", wrote, None, None), Window::Closed { since: until });
    }

    #[test]
    fn it_is_unknown_when_nobody_wrote_to_this_number() {
        assert_eq!(at("2026-03-01T10:00:00Z", None, None, None), Window::Unknown);
        let (wrote, connected) = (Some("2026-03-01T10:00:00Z"), Some("2026-03-01T10:00:00.7Z"));
        assert!(matches!(at("2026-03-01T11:00:00Z", wrote, None, connected), Window::Open { .. }), "the same second");
        assert_eq!(at("2026-03-09T11:00:00Z", wrote, None, Some("2026-03-01T10:00:01Z")), Window::Unknown);
    }

    #[test]
    fn metas_word_counts_until_the_contact_writes_again() {
        let since = time("2026-03-01T10:00:00Z");
        for wrote in [None, Some("2026-03-01T09:00:00Z")] {
            let window = at("2026-03-01T10:30:00Z", wrote, Some("2026-03-01T10:00:00Z"), None);
            assert_eq!(window, Window::Closed { since });
            assert!(window.refuses("text") && !window.refuses("template"));
        }
        assert!(!Window::Unknown.refuses("text"));
    }
}
