//! Timestamps as they come: text or number, seconds or milliseconds.

use std::time::Duration;

use domain::Time;

use super::fields::Fields;

/// Seconds before which no WhatsApp message was ever sent (the start of 2009).
const EARLIEST_SECONDS: i64 = 1_230_768_000;

/// From here on a number is taken for milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// How far Meta's clock may be ahead of ours. A time still later would keep the customer service window open for ever.
const AHEAD: Duration = Duration::from_hours(24);

/// The field `timestamp`, or `received_at` when it is missing, unreadable or absurd.
pub(super) fn timestamp(fields: &Fields<'_>, received_at: Time) -> Time {
    field(fields, "timestamp", received_at).unwrap_or(received_at)
}

/// A field that holds a timestamp; `None` when it is missing, unreadable or absurd.
pub(super) fn field(fields: &Fields<'_>, name: &str, received_at: Time) -> Option<Time> {
    fields
        .word(name)
        .and_then(|text| instant(&text))
        .filter(|&at| at.timestamp() >= EARLIEST_SECONDS && at <= received_at + AHEAD)
}

/// Reads seconds or milliseconds since 1970; a fraction is cut off.
fn instant(text: &str) -> Option<Time> {
    let whole = text.trim().split('.').next().unwrap_or_default();
    let number: i64 = whole.parse().ok()?;
    if number >= MILLISECONDS_FROM { Time::from_timestamp_millis(number) } else { Time::from_timestamp(number, 0) }
}

#[cfg(test)]
mod tests {
    use super::{super::document::Document, *};

    #[test]
    fn every_form_is_read_and_nonsense_falls_back() {
        let received = Time::from_timestamp(1_800_000_000, 0).unwrap();
        for (json, seconds) in [
            (r#""1750000000""#, 1_750_000_000),
            ("1750000000", 1_750_000_000),
            ("1750000000000", 1_750_000_000),
            (r#""1750000000123""#, 1_750_000_000),
            ("1750000000.5", 1_750_000_000),
            (r#""""#, 1_800_000_000),
            (r#""yesterday""#, 1_800_000_000),
            ("0", 1_800_000_000),
            ("-5", 1_800_000_000),
            ("99999999999999999999999", 1_800_000_000),
            ("9223372036854775807", 1_800_000_000),
            ("1800090000", 1_800_000_000),
            ("1800050000", 1_800_050_000),
            ("null", 1_800_000_000),
            ("{}", 1_800_000_000),
        ] {
            let text = format!(r#"{{"timestamp":{json}}}"#);
            let document = Document::of(&text).unwrap();
            let fields = Fields::of(document.root()).unwrap();
            assert_eq!(timestamp(&fields, received).timestamp(), seconds, "{json}");
        }
    }
}
