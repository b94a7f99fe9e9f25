//! The last days, for statistics.

use chrono::{DateTime, NaiveDate};
use domain::Time;

/// How many days statistics show one by one, today included.
const DAYS: i64 = 30;

/// The days that statistics show, earliest first: days since 1970-01-01 UTC.
pub(super) fn last_days(now: Time) -> std::ops::RangeInclusive<i64> {
    let today = storage::day_of(now);
    today - (DAYS - 1)..=today
}

/// The date of a day.
pub(super) fn date_of(day: i64) -> NaiveDate {
    DateTime::from_timestamp(day.saturating_mul(86_400), 0).unwrap_or_default().date_naive()
}
