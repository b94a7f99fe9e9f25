//! How an emulator behaves from the start.

use std::{sync::Arc, time::Duration};

use domain::Clock;

use crate::{Faults, Limits};

/// Settings of an [`Emulator`](crate::Emulator). [`Config::new`] has what tests and the demo usually want.
#[derive(Debug, Clone)]
pub struct Config {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where webhooks go. May be set later; until then they wait and are retried.
    pub callback_url: Option<String>,
    /// Signs webhooks.
    pub app_secret: String,
    /// The only access token that is good; `None` takes any that is not empty.
    pub token: Option<String>,
    /// The number that people write to unless told otherwise.
    pub number: Number,
    /// Whether other phone number ids are unknown. Otherwise every id is a number.
    pub only_this_number: bool,
    /// Whether webhooks name everybody's business-scoped user id, as Meta's do since April 2026. Otherwise only that of
    /// people who were given one.
    pub user_ids: bool,
    /// Dates timestamps. Pauses and time-outs are real time all the same.
    pub clock: Arc<dyn Clock>,
    /// Where the dice start: equal seeds and equal input give equal mischief.
    pub seed: u64,
    /// How much is remembered.
    pub record: Record,
    /// What follows an accepted send.
    pub statuses: Statuses,
    /// How webhooks are delivered.
    pub delivery: Delivery,
    /// What goes wrong.
    pub faults: Faults,
    /// How much is taken.
    pub limits: Limits,
}

impl Config {
    /// A well-behaved emulator on a free port: every token is good, everything is remembered, messages are delivered
    /// and read at once.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            port: 0,
            callback_url: None,
            app_secret: "emulator-app-secret".into(),
            token: None,
            number: Number::of("100000000000001"),
            only_this_number: false,
            user_ids: false,
            clock,
            seed: 1,
            record: Record::Everything,
            statuses: Statuses::default(),
            delivery: Delivery::default(),
            faults: Faults::default(),
            limits: Limits::default(),
        }
    }
}

/// A business's phone number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// What sends are addressed through.
    pub phone_number_id: String,
    /// What people dial, in digits.
    pub display_phone_number: String,
    /// WhatsApp Business Account.
    pub waba_id: String,
}

impl Number {
    /// A number made up from its id.
    pub fn of(phone_number_id: &str) -> Self {
        let digits: String = phone_number_id.chars().filter(char::is_ascii_digit).collect();
        let tail = &digits[digits.len().saturating_sub(7)..];
        Self {
            phone_number_id: phone_number_id.to_owned(),
            display_phone_number: format!("1555{tail:0>7}"),
            waba_id: "200000000000001".into(),
        }
    }
}

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// Every send, every message and what became of every webhook. Grows with use.
    Everything,
    /// Only how many sends were accepted, for load tests.
    Count,
}

/// What follows an accepted send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses {
    /// One webhook each, in this order.
    pub words: Vec<String>,
    /// Before the first and between any two. Zero lets a status overtake the answer to the send, as happens at Meta.
    pub pause: Duration,
}

impl Statuses {
    /// None at all.
    pub fn off() -> Self {
        Self { words: Vec::new(), pause: Duration::ZERO }
    }
}

impl Default for Statuses {
    /// `sent`, `delivered` and `read`, 20 ms apart.
    fn default() -> Self {
        let words = ["sent", "delivered", "read"].map(str::to_owned).to_vec();
        Self { words, pause: Duration::from_millis(20) }
    }
}

/// How webhooks are delivered. Whatever is not answered 200 is delivered again, as Meta does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// How many POSTs go out at a time. The first attempts of one person's messages stay in order however many these
    /// are; so do those of the statuses about one person.
    pub lanes: usize,
    /// Pause before the first redelivery; doubles each time.
    pub first_pause: Duration,
    /// Longest pause between redeliveries.
    pub longest_pause: Duration,
    /// Attempts after which a webhook is given up. Meta goes on for days.
    pub attempts: u32,
    /// How long one POST may take.
    pub timeout: Duration,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            lanes: 4,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
            attempts: u32::MAX,
            timeout: Duration::from_secs(10),
        }
    }
}
