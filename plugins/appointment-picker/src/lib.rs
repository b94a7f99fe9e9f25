//! A node with which a contact picks a free appointment.

mod agenda;
mod say;

use std::time::Duration;

use agenda::{Agenda, Slot};
use chatboost_sdk::{
    prelude::*,
    time::{Date, TimeOfDay},
};

/// Wrong answers in a row after which the node gives up.
const WRONG_ANSWERS_MAX: u8 = 3;

/// When appointments are, and what is said.
#[config]
pub(crate) struct Pick {
    /// Times at which appointments begin, e.g. `09:00`, in the time zone of the bot.
    #[schemars(length(min = 1, max = 200))]
    times: Vec<String>,
    /// Days of the week on which there are any.
    #[serde(default = "weekdays")]
    days: Vec<agenda::Day>,
    /// Days on which there are none all the same, e.g. `2026-12-25`.
    #[serde(default)]
    closed_on: Vec<String>,
    /// How many days ahead can be picked; today is the first.
    #[serde(default = "fortnight")]
    #[schemars(range(min = 1, max = 90))]
    days_ahead: u16,
    /// How many people can have the same appointment.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    places: u32,
    /// A name for these appointments; nodes with the same name share them.
    #[serde(default = "appointments")]
    calendar: String,
    /// What is said, where it is to be other than English.
    #[serde(default)]
    texts: say::Texts,
    /// Seconds to wait for each answer.
    #[serde(default = "hour")]
    #[schemars(range(min = 10, max = 604_800))]
    timeout_seconds: u32,
    /// The variable that gets the appointment: `{date, time}`.
    #[serde(default = "appointment")]
    store_in: String,
}

fn weekdays() -> Vec<agenda::Day> {
    agenda::Day::WEEKDAYS.into()
}

fn fortnight() -> u16 {
    14
}

fn one() -> u32 {
    1
}

fn appointments() -> String {
    "appointments".to_owned()
}

fn hour() -> u32 {
    3600
}

fn appointment() -> String {
    "appointment".to_owned()
}

/// How far the contact has come.
#[data]
pub(crate) struct Progress {
    step: Step,
    /// How many entries of the list were shown on former pages.
    #[serde(default)]
    skipped: usize,
    #[serde(default)]
    wrong_answers: u8,
}

/// What is asked.
#[data]
enum Step {
    Day,
    Time { date: String },
    Confirm { date: String, time: String },
}

impl Node for Pick {
    type State = Progress;

    fn spec() -> NodeSpec {
        NodeSpec::new("pick", "Pick an appointment")
            .description("Lets the contact pick a day, a time, and confirm; nobody else gets the same.")
            .category("Appointments")
            .exit("booked", "Booked")
            .exit("cancelled", "Cancelled")
            .exit("none_free", "None is free")
            .exit("timed_out", "Timed out")
            .example(
                Example::new("The contact changes their mind")
                    .config(json!({ "times": ["09:00", "10:00"] }))
                    .context(json!({ "now": "2026-03-02T08:00:00Z" }))
                    .input(json!({ "type": "interactive", "text": "Cancel", "reply_id": "cancel" }))
                    .expect("cancelled"),
            )
    }

    fn execute(&self, visit: &mut Visit<Progress>) -> Result<Outcome> {
        self.ask_day(visit, 0)
    }

    fn resume(&self, visit: &mut Visit<Progress>, cause: Cause) -> Result<Outcome> {
        let message = match cause {
            Cause::Input(message) => message,
            Cause::TimedOut => return Ok(Outcome::next("timed_out")),
            _ => return Ok(Outcome::next("cancelled")),
        };
        let Some(progress) = visit.state().cloned() else { return self.ask_day(visit, 0) };
        let choice = message.reply_id.as_deref().unwrap_or_default();
        let (kind, value) = choice.split_once(':').unwrap_or((choice, ""));
        match (&progress.step, kind) {
            (_, "cancel") => Ok(Outcome::next("cancelled")),
            (_, "days") => self.ask_day(visit, 0),
            (Step::Day, "more") => self.ask_day(visit, progress.skipped + say::ROWS_OF_PAGE),
            (Step::Day, "day") => match Date::parse(value) {
                Some(date) => self.ask_time(visit, date, 0),
                None => self.ask_again(visit, &progress),
            },
            (Step::Time { date }, "more") => match Date::parse(date) {
                Some(date) => self.ask_time(visit, date, progress.skipped + say::ROWS_OF_PAGE),
                None => self.ask_day(visit, 0),
            },
            (Step::Time { date }, "time") => match (Date::parse(date), TimeOfDay::parse(value)) {
                (Some(date), Some(time)) => Ok(self.ask_confirmation(visit, Slot { date, time })),
                _ => self.ask_again(visit, &progress),
            },
            (Step::Confirm { date, time }, "yes") => match (Date::parse(date), TimeOfDay::parse(time)) {
                (Some(date), Some(time)) => self.book(visit, Slot { date, time }),
                _ => self.ask_day(visit, 0),
            },
            _ => self.ask_again(visit, &progress),
        }
    }
}

impl Pick {
    fn agenda(&self, visit: &Visit<Progress>) -> Result<Agenda> {
        let now = visit.context().local_time();
        let now = now.ok_or_else(|| Fault::permanent("the server did not say what time it is").code("no_time"))?;
        Agenda::read(self, now)
    }

    fn wait(&self, visit: &mut Visit<Progress>, step: Step, skipped: usize) -> Outcome {
        visit.remember(Progress { step, skipped, wrong_answers: 0 });
        Outcome::wait_input().within(Duration::from_secs(self.timeout_seconds.into()))
    }

    fn ask_day(&self, visit: &mut Visit<Progress>, skipped: usize) -> Result<Outcome> {
        let days = self.agenda(visit)?.free_days()?;
        if days.is_empty() {
            return Ok(Outcome::next("none_free"));
        }
        // The list may have become shorter since the last page.
        let skipped = if skipped < days.len() { skipped } else { 0 };
        visit.send(say::days(&self.texts, &days, skipped));
        Ok(self.wait(visit, Step::Day, skipped))
    }

    fn ask_time(&self, visit: &mut Visit<Progress>, date: Date, skipped: usize) -> Result<Outcome> {
        let times = self.agenda(visit)?.free_times(date)?;
        if times.is_empty() {
            visit.say(&self.texts.taken);
            return self.ask_day(visit, 0);
        }
        let skipped = if skipped < times.len() { skipped } else { 0 };
        visit.send(say::times(&self.texts, date, &times, skipped));
        Ok(self.wait(visit, Step::Time { date: date.to_string() }, skipped))
    }

    fn ask_confirmation(&self, visit: &mut Visit<Progress>, slot: Slot) -> Outcome {
        visit.send(say::confirmation(&self.texts, slot));
        self.wait(visit, Step::Confirm { date: slot.date.to_string(), time: slot.time.to_string() }, 0)
    }

    fn book(&self, visit: &mut Visit<Progress>, slot: Slot) -> Result<Outcome> {
        if !self.agenda(visit)?.book(slot)? {
            visit.say(&self.texts.taken);
            return self.ask_time(visit, slot.date, 0);
        }
        let appointment = json!({ "date": slot.date.to_string(), "time": slot.time.to_string() });
        visit.set(&self.store_in, appointment.clone());
        visit.emit("custom.appointment_booked", appointment);
        visit.say(self.texts.booked_at(slot));
        Ok(Outcome::next("booked"))
    }

    /// The same question again, after an answer that was none of the choices.
    fn ask_again(&self, visit: &mut Visit<Progress>, progress: &Progress) -> Result<Outcome> {
        let wrong_answers = progress.wrong_answers + 1;
        if wrong_answers >= WRONG_ANSWERS_MAX {
            return Ok(Outcome::next("cancelled"));
        }
        visit.say(&self.texts.choose);
        let outcome = match &progress.step {
            Step::Time { date } => match Date::parse(date) {
                Some(date) => self.ask_time(visit, date, progress.skipped)?,
                None => self.ask_day(visit, 0)?,
            },
            Step::Confirm { date, time } => match (Date::parse(date), TimeOfDay::parse(time)) {
                (Some(date), Some(time)) => self.ask_confirmation(visit, Slot { date, time }),
                _ => self.ask_day(visit, 0)?,
            },
            Step::Day => self.ask_day(visit, progress.skipped)?,
        };
        if let Some(progress) = visit.state_mut() {
            progress.wrong_answers = wrong_answers;
        }
        Ok(outcome)
    }
}

plugin! {
    title: "Appointment picker",
    capabilities: Capabilities::none().log().kv_bot(),
    nodes: [Pick],
}
