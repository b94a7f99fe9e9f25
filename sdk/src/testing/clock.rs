//! The time of a test.

use std::time::Duration;

use crate::time::{Date, LocalTime};

const MS_OF_DAY: i64 = 86_400_000;

/// A time that moves only when it is told to, and the time zone that it is shown in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    ms: i64,
    offset_minutes: i64,
}

impl Clock {
    /// Reads `2026-11-22T09:00:00+01:00`, or with `Z`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let local = LocalTime::parse(text)?;
        let seconds: i64 = text.get(17..19).filter(|_| text.get(16..17) == Some(":"))?.parse().ok()?;
        let zone = text.get(19..)?;
        let offset_minutes = match zone.strip_prefix(['+', '-']) {
            None if zone == "Z" => 0,
            None => return None,
            Some(rest) => {
                let (hours, minutes) = rest.split_once(':')?;
                let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
                if zone.starts_with('-') { -minutes } else { minutes }
            }
        };
        let days = local.date.days_since(epoch());
        let minutes = i64::from(local.time.minutes()) - offset_minutes;
        Some(Self { ms: days * MS_OF_DAY + (minutes * 60 + seconds) * 1000, offset_minutes })
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.ms += i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    }

    pub(crate) fn now_ms(self) -> u64 {
        u64::try_from(self.ms).unwrap_or(0)
    }

    /// As contexts have it: RFC 3339 with whole seconds.
    pub(crate) fn text(self) -> String {
        let local = self.ms + self.offset_minutes * 60_000;
        let date = epoch().plus(local.div_euclid(MS_OF_DAY));
        let seconds = local.rem_euclid(MS_OF_DAY) / 1000;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let zone = match self.offset_minutes {
            0 => "Z".to_owned(),
            offset => {
                let sign = if offset < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
        };
        format!("{date}T{hours:02}:{minutes:02}:{seconds:02}{zone}")
    }
}

fn epoch() -> Date {
    Date::new(1970, 1, 1).unwrap_or_else(|| unreachable!("the calendar has this day"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_shown_again() {
        for text in ["2026-11-22T09:00:00+01:00", "1970-01-01T00:00:00Z", "2028-02-29T23:59:59-03:30"] {
            assert_eq!(Clock::parse(text).unwrap().text(), text);
        }
        assert_eq!(Clock::parse("2026-11-22T00:30:00+01:00").unwrap().now_ms(), 1_795_303_800_000);
        for text in ["2026-11-22", "2026-02-30T00:00:00Z", "2026-11-22T09:00:00", "2026-11-22T09:00Z"] {
            assert!(Clock::parse(text).is_none(), "{text} is taken");
        }
    }

    #[test]
    fn it_goes_over_midnight() {
        let mut clock = Clock::parse("2026-12-31T23:59:30+01:00").unwrap();
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.text(), "2027-01-01T00:00:30+01:00");
    }
}
