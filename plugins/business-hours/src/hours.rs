//! When it is open.

use chatboost_sdk::{
    Fault, Result, config,
    time::{Date, LocalTime, TimeOfDay, WEEK},
};

/// How far ahead the next opening is looked for.
const DAYS_AHEAD: i64 = 366;

/// Hours that are the same on some days.
#[config]
pub(crate) struct Hours {
    /// The days.
    pub(crate) days: Vec<Day>,
    /// First minute, e.g. `09:00`.
    pub(crate) from: String,
    /// The minute at which it closes, e.g. `17:30`; `24:00` is the end of the day. When it is before `from`, it is on the
    /// next day.
    pub(crate) to: String,
}

/// A day of the week.
#[config]
#[derive(Copy, PartialEq)]
pub(crate) enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Hours of one day of the week.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Index of the day in the week, 0 is Monday.
    day: usize,
    from: u16,
    /// Beyond 1440 for hours that end on the next day.
    to: u16,
}

/// Reads the configured hours.
pub(crate) fn read(hours: &[Hours]) -> Result<Vec<Span>> {
    let mut spans = vec![];
    for (index, hours) in hours.iter().enumerate() {
        let time = |field: &str, text: &str| {
            let fault = || Fault::config(format!("/hours/{index}/{field}"), format!("{text} is no time like 09:00"));
            TimeOfDay::parse(text).ok_or_else(fault)
        };
        let (from, to) = (time("from", &hours.from)?.minutes(), time("to", &hours.to)?.minutes());
        if from == to {
            let text = "the hours end when they begin; a whole day is from 00:00 to 24:00";
            return Err(Fault::config(format!("/hours/{index}/to"), text));
        }
        let to = if to < from { to + TimeOfDay::MIDNIGHT.minutes() } else { to };
        spans.extend(hours.days.iter().map(|day| Span { day: *day as usize, from, to }));
    }
    Ok(spans)
}

/// Whether it is open at a time.
pub(crate) fn is_open(spans: &[Span], closed_on: &[Date], now: LocalTime) -> bool {
    let minute = now.time.minutes();
    let day_length = TimeOfDay::MIDNIGHT.minutes();
    of_day(spans, closed_on, now.date).any(|span| (span.from..span.to).contains(&minute))
        || of_day(spans, closed_on, now.date.plus(-1)).any(|span| span.to > day_length && minute < span.to - day_length)
}

/// The first opening after a time.
pub(crate) fn next_opening(spans: &[Span], closed_on: &[Date], now: LocalTime) -> Option<LocalTime> {
    (0..=DAYS_AHEAD).map(|days| now.date.plus(days)).find_map(|date| {
        let begins = of_day(spans, closed_on, date).map(|span| span.from);
        let first = begins.filter(|&from| date > now.date || from > now.time.minutes()).min()?;
        Some(LocalTime { date, time: TimeOfDay::from_minutes(first)? })
    })
}

/// Hours that begin on a day.
fn of_day<'s>(spans: &'s [Span], closed_on: &[Date], date: Date) -> impl Iterator<Item = &'s Span> {
    let closed = closed_on.contains(&date);
    spans.iter().filter(move |span| !closed && WEEK[span.day] == date.weekday())
}
