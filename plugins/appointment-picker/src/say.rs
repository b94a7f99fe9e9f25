//! What is said, within WhatsApp's limits: ten rows a list, 24 letters a row, 20 a button.

use chatboost_sdk::{
    prelude::*,
    time::{Date, TimeOfDay, Weekday},
};

use crate::agenda::Slot;

/// Entries of a page; the tenth row leads to the next one.
pub(crate) const ROWS_OF_PAGE: usize = 8;

/// What is said. `{date}` and `{time}` stand for the appointment.
#[config]
#[serde(default)]
pub(crate) struct Texts {
    /// Above the list of days.
    which_day: String,
    /// Above the list of times.
    which_time: String,
    /// The question at the end.
    confirm: String,
    /// After booking.
    booked: String,
    /// When somebody else was faster.
    pub(crate) taken: String,
    /// When an answer was none of the choices.
    pub(crate) choose: String,
    /// Buttons and rows, at most 20 letters each.
    open_list: String,
    /// Leads to the next page.
    more: String,
    /// Leads back to the days.
    other_day: String,
    /// Confirms.
    yes: String,
    /// Ends without an appointment.
    cancel: String,
    /// Names of the days, Monday first.
    #[schemars(length(min = 7, max = 7))]
    weekdays: Vec<String>,
}

impl Default for Texts {
    fn default() -> Self {
        let weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let text = str::to_owned;
        Self {
            which_day: text("Which day suits you?"),
            which_time: text("At what time on {date}?"),
            confirm: text("{date} at {time}: shall I book that?"),
            booked: text("Booked: {date} at {time}."),
            taken: text("That was just taken, sorry."),
            choose: text("Please choose from the list."),
            open_list: text("Choose"),
            more: text("More"),
            other_day: text("Another day"),
            yes: text("Yes"),
            cancel: text("Cancel"),
            weekdays: weekdays.map(text).into(),
        }
    }
}

impl Texts {
    /// That it is booked.
    pub(crate) fn booked_at(&self, slot: Slot) -> String {
        self.filled(&self.booked, slot)
    }

    fn filled(&self, text: &str, slot: Slot) -> String {
        text.replace("{date}", &self.date(slot.date)).replace("{time}", &slot.time.to_string())
    }

    /// Weekday and day, at most 24 letters.
    fn date(&self, date: Date) -> String {
        let index = date.weekday() as usize - Weekday::Monday as usize;
        let weekday: String = self.weekdays.get(index).map(|name| name.chars().take(13).collect()).unwrap_or_default();
        format!("{weekday} {date}").trim().to_owned()
    }
}

/// The list of days.
pub(crate) fn days(texts: &Texts, days: &[Date], skipped: usize) -> OutgoingMessage {
    let row = |date: &Date| ListRow::new(format!("day:{date}"), texts.date(*date));
    let last = ListRow::new("cancel", &texts.cancel);
    OutgoingMessage::list(&texts.which_day, &texts.open_list, page(texts, days, skipped, row, last))
}

/// The list of times.
pub(crate) fn times(texts: &Texts, date: Date, times: &[TimeOfDay], skipped: usize) -> OutgoingMessage {
    let row = |time: &TimeOfDay| ListRow::new(format!("time:{time}"), time.to_string());
    let last = ListRow::new("days", &texts.other_day);
    let text = texts.which_time.replace("{date}", &texts.date(date));
    OutgoingMessage::list(text, &texts.open_list, page(texts, times, skipped, row, last))
}

/// The question at the end.
pub(crate) fn confirmation(texts: &Texts, slot: Slot) -> OutgoingMessage {
    let buttons = [("yes", &texts.yes), ("days", &texts.other_day), ("cancel", &texts.cancel)];
    OutgoingMessage::buttons(texts.filled(&texts.confirm, slot), buttons)
}

/// A page of entries, a row for more of them if there are, and a last row.
fn page<T>(texts: &Texts, entries: &[T], skipped: usize, row: impl Fn(&T) -> ListRow, last: ListRow) -> Vec<ListRow> {
    let mut rows: Vec<ListRow> = entries.iter().skip(skipped).take(ROWS_OF_PAGE).map(row).collect();
    if skipped + rows.len() < entries.len() {
        rows.push(ListRow::new("more", &texts.more));
    }
    rows.push(last);
    rows
}
