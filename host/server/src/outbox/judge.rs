//! What Meta's refusal means for the message, and for those that would fare alike.

use chrono::TimeDelta;
use domain::Time;
use serde_json::{Value, json};
use storage::{SendResult, Stops, Unsent};
use whatsapp::{
    client::SendError,
    errors::{self, Problem, Retry, Scope, Verdict},
};

use super::{
    Outbox,
    gates::{Backoff, Key, Sender},
    health::HealthChange,
};
use crate::{metrics, nul};

/// Pauses between the retries of one message.
const MESSAGE: Backoff = Backoff { first: TimeDelta::seconds(1), factor: 2, longest: TimeDelta::minutes(5) };
/// Pauses of a contact: 4^X seconds (Meta, throughput: pair limit).
const CONTACT: Backoff = Backoff { first: TimeDelta::seconds(1), factor: 4, longest: TimeDelta::minutes(5) };
/// Pauses of a number.
const NUMBER: Backoff = Backoff { first: TimeDelta::seconds(1), factor: 2, longest: TimeDelta::minutes(1) };
/// Pauses of an app or account: their limits count calls of an hour.
const CALLS: Backoff = Backoff { first: TimeDelta::seconds(15), factor: 2, longest: TimeDelta::minutes(10) };
/// Pauses while there is no connection to Meta.
const OUTAGE: Backoff = Backoff { first: TimeDelta::seconds(1), factor: 2, longest: TimeDelta::minutes(1) };
/// Pauses of a message that waits for a person to mend something it alone depends on.
const AFTER_HUMAN: Backoff = Backoff { first: TimeDelta::hours(1), factor: 2, longest: TimeDelta::hours(8) };
/// Longest pause of a message that may be tried again in hours.
const LATER_LONGEST: TimeDelta = TimeDelta::hours(24);
/// After so many attempts a message is given up that nothing but itself stands in the way of.
const ATTEMPTS_MAX: i64 = 24;
/// How long a message waits for a person to mend something it alone depends on: the contact's later messages wait behind.
const MENDED_WITHIN: TimeDelta = TimeDelta::hours(24);
/// A message that could not be sent for so long is given up.
pub(super) const EXPIRES_AFTER: TimeDelta = TimeDelta::days(3);
/// The token has expired or was revoked. Stands for a token that is none.
const TOKEN: i64 = 190;
/// The number's throughput was reached.
const TOO_FAST: i64 = 130_429;

impl Outbox {
    /// `began`: when the request was made.
    pub(super) fn judge(&self, message: &Unsent, error: &SendError, sender: &Sender, began: Time) -> SendResult {
        let now = self.clock.now();
        let verdict = error.verdict();
        let code = if let SendError::Refused(graph) = error { Some(graph.code) } else { None };
        let described = describe(error);
        tracing::warn!(message.id = %message.id, bot.id = %message.bot_id, attempt = message.attempts, %error, problem = verdict.problem.map(Problem::as_str), "send failed");
        if error.may_have_been_sent() {
            metrics::count(metrics::SEND_IN_DOUBT);
            return match message.attempts >= ATTEMPTS_MAX {
                true => self.fail(message, described),
                false => SendResult::Again { at: now + self.settings.doubt, error: described, ambiguous: true },
            };
        }
        let times = u32::try_from(message.attempts - 1).unwrap_or(0);
        let is_limit = matches!(verdict.retry, Retry::Backoff { .. }) && verdict.scope > Scope::Message;
        if code.is_some() && !is_limit {
            // Meta looked at it: no limit stands in the way any more.
            self.state().gates.passed(sender, &message.phone_number_id, message.contact_id, began);
        }
        match (verdict.retry, verdict.problem) {
            (Retry::Never, _) => self.fail(message, described),
            (Retry::Backoff { .. }, _) if is_limit => {
                let at = self.pause(message, verdict.scope, error, sender, began);
                SendResult::Again { at, error: described, ambiguous: false }
            }
            (Retry::Backoff { most }, _) => {
                let most = most.map_or(ATTEMPTS_MAX - 1, i64::from);
                match message.attempts > most {
                    true => self.fail(message, described),
                    false => SendResult::Again { at: now + MESSAGE.after(times), error: described, ambiguous: false },
                }
            }
            (Retry::Later { .. } | Retry::AfterHuman, Some(problem)) => {
                let until = self.not_well(message, problem, &verdict, code, sender, &described, now);
                self.hold(message, until, Some(code.map_or(TOKEN, errors::group)), described)
            }
            (Retry::Later { hours }, None) => {
                let first = TimeDelta::hours(hours.into());
                let pauses = Backoff { first, factor: 2, longest: LATER_LONGEST.max(first) };
                self.hold(message, now + pauses.after(times), code.map(errors::group), described)
            }
            (Retry::AfterHuman, None) if message.created_at + MENDED_WITHIN <= now => self.fail(message, described),
            (Retry::AfterHuman, None) => {
                self.hold(message, now + AFTER_HUMAN.after(times), code.map(errors::group), described)
            }
        }
    }

    /// Pauses whatever would be refused alike. Returns when the message may be tried again.
    fn pause(&self, message: &Unsent, scope: Scope, error: &SendError, sender: &Sender, began: Time) -> Time {
        let number = &message.phone_number_id;
        let (key, backoff) = match scope {
            Scope::Message | Scope::Contact => (Key::Contact(message.contact_id), CONTACT),
            Scope::Number => (Key::Number(number.clone()), NUMBER),
            Scope::Account => (sender.account(), CALLS),
            Scope::Bot | Scope::App if matches!(error, SendError::NotSent(_)) => (sender.app(), OUTAGE),
            Scope::Bot | Scope::App => (sender.app(), CALLS),
        };
        let (mut state, now) = self.at_present();
        let (until, is_new) = state.gates.close(key.clone(), backoff, began, now);
        if is_new {
            metrics::count(metrics::SEND_PAUSES);
            let too_fast = matches!(error, SendError::Refused(graph) if graph.code == TOO_FAST);
            if too_fast {
                state.pace.slow_down(number, now);
            }
            drop(state);
            self.tell_pause(&key, until - now, too_fast);
        }
        until
    }

    /// The bot as a whole is not well. Returns when this message may be tried again.
    #[expect(clippy::too_many_arguments, reason = "what is known of one refusal")]
    fn not_well(
        &self,
        message: &Unsent,
        problem: Problem,
        verdict: &Verdict,
        code: Option<i64>,
        sender: &Sender,
        described: &Value,
        now: Time,
    ) -> Time {
        if self.state().gates.sender(message.bot_id).is_some_and(|known| known != sender) {
            // The bot has another token by now.
            return now;
        }
        let stops = match code {
            Some(code) if errors::hits_only_templates(code) => Stops::Templates,
            _ => Stops::All,
        };
        let text = |field: &str| described[field].as_str().map(str::to_owned);
        let detail = text("details").or_else(|| text("title"));
        let probe_at = self.fall_ill(message.bot_id, problem.as_str(), stops, code, detail);
        match verdict.retry {
            Retry::Later { hours } if !stops.stops(&message.kind) => now + TimeDelta::hours(hours.into()),
            _ => probe_at,
        }
    }

    fn hold(&self, message: &Unsent, until: Time, code: Option<i64>, error: Value) -> SendResult {
        let expires = message.created_at + EXPIRES_AFTER;
        metrics::count(metrics::SEND_HELD);
        SendResult::Held { until: Some(until.min(expires)), code, error }
    }

    /// Gives a message up.
    pub(super) fn fail(&self, message: &Unsent, error: Value) -> SendResult {
        metrics::count(metrics::SEND_FAILED);
        self.shut.note(message.contact_id, &error);
        let mut state = self.state();
        // It was to find out whether its bot is well again, and did not.
        if let Some(at) = state.gates.probe_at(message.bot_id)
            && state.gates.halts(message.bot_id, &message.kind)
        {
            state.health.push(HealthChange::Probe { bot: message.bot_id, at });
        }
        SendResult::Failed { error }
    }
}

fn describe(error: &SendError) -> Value {
    nul::without(match error {
        SendError::Refused(graph) => json!({
            "code": graph.code,
            "title": graph.message,
            "details": graph.details,
            "fbtrace_id": graph.fbtrace_id,
        }),
        other => json!({ "title": other.to_string() }),
    })
}
