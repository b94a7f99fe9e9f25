//! Meta's error codes, and what a sender does about each.
//!
//! Codes and meanings are from Meta's error codes page; what to do about them is our reading of its advice. Decide on
//! the code, never on the message text, and on the HTTP status only where no code is known.

mod graph;
mod table;

pub use graph::GraphError;

/// What to do about a failed send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether and when to try the same message again.
    pub retry: Retry,
    /// What else would fail alike, so what to pause meanwhile.
    pub scope: Scope,
    /// What is wrong with the bot as a whole, when something is: shown to its owner.
    pub problem: Option<Problem>,
}

/// Whether and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Soon, with growing pauses.
    Backoff {
        /// Give up after this many retries; `None` leaves it to the caller's patience.
        most: Option<u32>,
    },
    /// In hours; sooner makes it worse. Each further pause is twice as long.
    Later {
        /// The first pause.
        hours: u32,
    },
    /// Only after a person fixed something at Meta or in the bot's settings.
    AfterHuman,
    /// Never: the same message would fail again.
    Never,
}

/// What shares the fate of a failed send, from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// This message only.
    Message,
    /// Messages from this number to this contact.
    Contact,
    /// Messages from this phone number id.
    Number,
    /// All numbers of the WhatsApp Business Account.
    Account,
    /// Everything sent with this bot's token.
    Bot,
    /// All bots whose token belongs to the same Meta app.
    App,
}

/// A bot's health, as far as an error tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The token expired, was revoked, or never was one.
    CredentialsInvalid,
    /// A permission or capability is missing, or the phone number id is wrong.
    Misconfigured,
    /// Meta blocked, locked or limited the account.
    Restricted,
    /// Meta has no valid way of being paid.
    Payment,
    /// The number must be registered or verified again, or needs a display name.
    Unregistered,
    /// Too many people blocked or reported the number.
    Quality,
}

impl Problem {
    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CredentialsInvalid => "credentials_invalid",
            Self::Misconfigured => "misconfigured",
            Self::Restricted => "restricted",
            Self::Payment => "payment",
            Self::Unregistered => "unregistered",
            Self::Quality => "quality",
        }
    }
}

impl Verdict {
    /// A verdict without a problem of the bot.
    pub(crate) const fn new(retry: Retry, scope: Scope) -> Self {
        Self { retry, scope, problem: None }
    }
}

/// Retries of errors that Meta calls unknown or temporary without saying more.
pub(crate) const FEW: Retry = Retry::Backoff { most: Some(3) };

/// Retries of outages and rate limits: they end, so patience is the caller's.
pub(crate) const BACKOFF: Retry = Retry::Backoff { most: None };

/// What to do about an error code, whether it came as an answer or in a status webhook. `http_status` decides only
/// for codes we do not know; pass 0 where there was none. `subcode` tells nothing that the code does not, except that
/// 100 with 33 is an unknown phone number id.
pub fn classify(code: i64, subcode: Option<i64>, http_status: u16) -> Verdict {
    let code = if (code, subcode) == (100, Some(33)) { 33 } else { code };
    if let Some(row) = table::find(code) {
        return row.verdict();
    }
    match http_status {
        429 => Verdict::new(BACKOFF, Scope::App),
        500.. => Verdict::new(BACKOFF, Scope::Message),
        401 => Verdict { problem: Some(Problem::CredentialsInvalid), ..Verdict::new(Retry::AfterHuman, Scope::Bot) },
        _ => Verdict::new(Retry::Never, Scope::Message),
    }
}

/// Whether what is wrong with the bot hits templates only: answers within the customer service window still arrive.
pub fn hits_only_templates(code: i64) -> bool {
    matches!(code, 131_042 | 131_048 | 131_064 | 134_011..=134_999)
}

/// The codes that are known, of each range the first.
pub fn codes() -> Vec<i64> {
    table::firsts(|_| true)
}

/// The codes for which a message waits until a person has mended something, each for its [`group`].
pub fn codes_after_human() -> Vec<i64> {
    table::firsts(|verdict| verdict.retry == Retry::AfterHuman)
}

/// The codes for which a message waits until its bot is well again, each for its [`group`].
pub fn codes_of_bots() -> Vec<i64> {
    table::firsts(|verdict| verdict.problem.is_some())
}

/// The code that stands for another one in a list of codes: the first of its range.
pub fn group(code: i64) -> i64 {
    table::find(code).map_or(code, |row| row.first)
}

/// A few words on what a code means, for people. `None` for codes we do not know.
pub fn meaning(code: i64) -> Option<&'static str> {
    table::find(code).map(|row| row.meaning)
}

/// The HTTP status a code most likely comes with. Meta documents few of them, so this serves the emulator, not
/// decisions.
pub fn usual_http_status(code: i64) -> u16 {
    match code {
        0 | 104 | 190 => 401,
        3 | 10 | 200..=299 | 368 | 131005 | 131031 => 403,
        803 | 132001 => 404,
        4 | 17 | 613 | 80007 => 429,
        1 | 2 | 131000 | 131016 | 131045 | 131057 => 500,
        133004 => 503,
        _ => 400,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_outbox_needs() {
        for (code, subcode, http, retry, scope) in [
            (190, Some(463), 401, Retry::AfterHuman, Scope::Bot),
            (0, None, 401, Retry::AfterHuman, Scope::Bot),
            (250, None, 403, Retry::AfterHuman, Scope::Bot),
            (4, None, 429, BACKOFF, Scope::App),
            (80007, None, 429, BACKOFF, Scope::Account),
            (130429, Some(2_494_055), 400, BACKOFF, Scope::Number),
            (131056, None, 400, BACKOFF, Scope::Contact),
            (131048, None, 400, Retry::Later { hours: 1 }, Scope::Number),
            (131049, None, 400, Retry::Later { hours: 24 }, Scope::Message),
            (131047, None, 400, Retry::Never, Scope::Contact),
            (100, None, 400, Retry::Never, Scope::Message),
            (100, Some(33), 400, Retry::AfterHuman, Scope::Number),
            (131000, None, 500, FEW, Scope::Message),
            (2_388_100, None, 400, Retry::AfterHuman, Scope::Message),
        ] {
            let verdict = classify(code, subcode, http);
            assert_eq!((verdict.retry, verdict.scope), (retry, scope), "{code}");
        }
    }

    #[test]
    fn unknown_codes_go_by_the_http_status() {
        for (http, retry) in
            [(429, BACKOFF), (503, BACKOFF), (400, Retry::Never), (401, Retry::AfterHuman), (0, Retry::Never)]
        {
            assert_eq!(classify(999_999, None, http).retry, retry, "{http}");
        }
    }
}
