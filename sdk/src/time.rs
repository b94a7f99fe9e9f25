//! Dates and times of day as a clock on the wall shows them. No time zone data: what a plugin gets to know is local already
//! ([`Context::local_time`](crate::Context::local_time)).

use std::fmt;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

/// All days of the week, Monday first.
pub const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Days since 1970-01-01.
    days: i64,
}

impl Date {
    /// The day of that year, month (1 to 12) and day (from 1); none when there is no such day.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let date = Self { days: days_of(year, month, day) };
        (date.parts() == (year, month, day)).then_some(date)
    }

    /// Reads `2026-11-22`.
    ///
    /// ```
    /// use chatboost_sdk::time::{Date, Weekday};
    ///
    /// let day = Date::parse("2028-02-28").unwrap();
    /// assert_eq!(day.weekday(), Weekday::Monday);
    /// assert_eq!(day.plus(2).to_string(), "2028-03-01");
    /// assert_eq!(Date::parse("2027-02-29"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let mut next = |length: usize| parts.next().filter(|part| is_number(part, length));
        let (year, month, day) = (next(4)?, next(2)?, next(2)?);
        Self::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }

    /// So many days later, or earlier.
    pub fn plus(self, days: i64) -> Self {
        Self { days: self.days.saturating_add(days) }
    }

    /// Days from another day until this one.
    pub fn days_since(self, other: Self) -> i64 {
        self.days - other.days
    }

    /// The day of the week.
    pub fn weekday(self) -> Weekday {
        // 1970-01-01 was a Thursday.
        let index = (self.days + 3).rem_euclid(7);
        WEEK[usize::try_from(index).unwrap_or_default()]
    }

    /// Year, month from 1, and day from 1.
    pub fn parts(self) -> (i32, u8, u8) {
        // Eras of 400 years that begin on the first of March, so that leap days are last.
        let shifted = self.days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (i32::try_from(year).unwrap_or(i32::MAX), u8::try_from(month).unwrap_or(0), u8::try_from(day).unwrap_or(0))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.parts();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

fn days_of(year: i32, month: u8, day: u8) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// A time of day, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    minutes: u16,
}

impl TimeOfDay {
    /// The end of the day, `24:00`.
    pub const MIDNIGHT: Self = Self { minutes: 24 * 60 };

    /// So many minutes after midnight, at most 1440.
    pub fn from_minutes(minutes: u16) -> Option<Self> {
        (minutes <= Self::MIDNIGHT.minutes).then_some(Self { minutes })
    }

    /// Reads `09:30`, and `24:00` for the end of the day.
    ///
    /// ```
    /// use chatboost_sdk::time::TimeOfDay;
    ///
    /// assert_eq!(TimeOfDay::parse("09:30").unwrap().minutes(), 570);
    /// assert_eq!(TimeOfDay::parse("24:00"), Some(TimeOfDay::MIDNIGHT));
    /// assert_eq!(TimeOfDay::parse("9:30"), None);
    /// assert_eq!(TimeOfDay::parse("24:01"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        if !is_number(hours, 2) || !is_number(minutes, 2) {
            return None;
        }
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        if minutes > 59 {
            return None;
        }
        Self::from_minutes(hours * 60 + minutes)
    }

    /// Minutes since midnight.
    pub fn minutes(self) -> u16 {
        self.minutes
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

/// A date and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime {
    /// The day.
    pub date: Date,
    /// The time of day.
    pub time: TimeOfDay,
}

impl LocalTime {
    /// Reads what a clock shows out of an RFC 3339 time; its offset and its seconds are left out.
    ///
    /// ```
    /// use chatboost_sdk::time::LocalTime;
    ///
    /// let time = LocalTime::parse("2026-11-22T09:05:59+01:00").unwrap();
    /// assert_eq!(time.to_string(), "2026-11-22 09:05");
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once(['T', ' '])?;
        let time = TimeOfDay::parse(rest.get(..5)?)?;
        Some(Self { date: Date::parse(date)?, time })
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date, self.time)
    }
}

fn is_number(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
}
