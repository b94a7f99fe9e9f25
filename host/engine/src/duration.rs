//! Lengths of time and points in time, as people write them in a flow.

use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, SubsecRound, TimeZone};
use chrono_tz::Tz;
use domain::Time;
use serde_json::Value;

use crate::{
    config::Reader,
    limits::WAIT_DAYS,
    run::{Failure, Run},
    template::Text,
};

/// Words for units, and the seconds each has.
const UNITS: [(&str, u32); 4] = [("seconds", 1), ("minutes", 60), ("hours", 3_600), ("days", 86_400)];

/// A length of time: a number or a template that gives one, and a unit.
#[derive(Debug)]
pub(crate) struct Length {
    amount: Amount,
    unit_seconds: u32,
}

#[derive(Debug)]
enum Amount {
    Fixed(f64),
    Template(Text),
}

impl Length {
    /// Reads `duration` and `unit`.
    pub(crate) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        let amount = Self::read_amount(reader);
        let unit_seconds = reader.word("unit", &UNITS);
        let length = Self { amount: amount?, unit_seconds: unit_seconds? };
        if let Amount::Fixed(amount) = length.amount
            && length.of(amount, WAIT_DAYS).is_none()
        {
            reader.error("out_of_range", "duration", format!("must be between 0 and {WAIT_DAYS} days"));
            return None;
        }
        Some(length)
    }

    /// The length, when no template decides it.
    pub(crate) fn fixed(&self) -> Option<Duration> {
        match &self.amount {
            Amount::Fixed(amount) => self.of(*amount, WAIT_DAYS),
            Amount::Template(_) => None,
        }
    }

    /// The length, with templates filled in.
    pub(crate) fn get(&self, run: &mut Run<'_>) -> Result<Duration, Failure> {
        let most = run.limits().wait_days;
        let amount = match &self.amount {
            Amount::Fixed(amount) => *amount,
            Amount::Template(text) => {
                let text = run.text("duration", text)?;
                number(&text).ok_or_else(|| Failure(format!("`duration`: `{text}` is no number")))?
            }
        };
        self.of(amount, most).ok_or_else(|| Failure(format!("`duration`: must be between 0 and {most} days")))
    }

    fn read_amount(reader: &mut Reader<'_, '_>) -> Option<Amount> {
        match reader.required("duration")? {
            Value::Number(number) => number.as_f64().map(Amount::Fixed),
            Value::String(_) => match reader.template("duration")? {
                Text::Plain(text) => {
                    let amount = number(&text);
                    if amount.is_none() {
                        reader.wrong_type("duration", "a number");
                    }
                    amount.map(Amount::Fixed)
                }
                template @ Text::Template(_) => Some(Amount::Template(template)),
            },
            _ => {
                reader.wrong_type("duration", "a number");
                None
            }
        }
    }

    /// None when negative or beyond the bound.
    fn of(&self, amount: f64, most_days: u32) -> Option<Duration> {
        let seconds = amount * f64::from(self.unit_seconds);
        if !(0.0..=f64::from(most_days) * 86_400.0).contains(&seconds) {
            return None;
        }
        Some(Duration::milliseconds((seconds * 1_000.0).round() as i64))
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Reads an RFC 3339 time, or a local time or date of a time zone (an IANA name; UTC when it is unknown). A local time
/// that a clock change skips means the first moment after the gap; one that comes twice means the first.
pub(crate) fn point_in_time(text: &str, timezone: &str) -> Option<Time> {
    let text = text.trim();
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.to_utc(),
        Err(_) => local_time(text, timezone)?,
    };
    // More than microseconds would not survive being stored.
    Some(time.trunc_subsecs(6))
}

fn local_time(text: &str, timezone: &str) -> Option<Time> {
    let zone: Tz = timezone.parse().unwrap_or(Tz::UTC);
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    instant(zone, local)
}

/// When a local time comes. One that a clock change skips means the first moment after the gap; one that comes twice
/// means the first. Later local times never come earlier.
pub(crate) fn instant(zone: Tz, local: NaiveDateTime) -> Option<Time> {
    // Gaps end on a quarter of an hour and are shorter than a day, except where an island changed sides of the date line.
    (0..=4 * 25).find_map(|quarters| {
        let later = local.checked_add_signed(Duration::minutes(15 * quarters))?;
        let at = if quarters == 0 { later } else { floor_to_quarter(later) };
        match zone.from_local_datetime(&at) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
            LocalResult::None => None,
        }
    })
}

fn floor_to_quarter(time: NaiveDateTime) -> NaiveDateTime {
    let over = time.and_utc().timestamp().rem_euclid(900);
    time - Duration::seconds(over) - Duration::nanoseconds(i64::from(time.and_utc().timestamp_subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, zone: &str) -> Option<String> {
        point_in_time(text, zone).map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    #[test]
    fn offsets_are_obeyed_and_local_times_are_the_bots() {
        for (text, utc) in [
            ("2026-07-01T09:00:00Z", "2026-07-01T09:00:00Z"),
            ("2026-07-01T09:00:00+02:00", "2026-07-01T07:00:00Z"),
            ("2026-07-01T09:00", "2026-07-01T07:00:00Z"),
            ("2026-07-01 09:00:30", "2026-07-01T07:00:30Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
        ] {
            assert_eq!(read(text, "Europe/Berlin").as_deref(), Some(utc), "{text}");
        }
        assert_eq!(read("2026-07-01T09:00", "Mars/Base").as_deref(), Some("2026-07-01T09:00:00Z"));
        for text in ["", "tomorrow", "09:00", "2026-13-01"] {
            assert_eq!(read(text, "UTC"), None, "{text}");
        }
    }

    #[test]
    fn clock_changes() {
        assert_eq!(read("2026-03-29T02:10", "Europe/Berlin").as_deref(), Some("2026-03-29T01:00:00Z"));
        assert_eq!(read("2026-10-25T02:30", "Europe/Berlin").as_deref(), Some("2026-10-25T00:30:00Z"));
        assert_eq!(read("2011-12-30T12:00", "Pacific/Apia").as_deref(), Some("2011-12-30T10:00:00Z"));
    }
}
