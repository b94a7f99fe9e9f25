//! Stored values of either database, and the one form in which both are compared.

use std::collections::BTreeMap;

use domain::Time;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// The type of a column, by PostgreSQL's word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Boolean,
    Text,
    Time,
    /// Text on SQLite, `JSONB` on PostgreSQL. Moved as text: numbers that were parsed on the way might come out changed.
    Json,
    Bytes,
}

impl Kind {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "bigint" => Self::Integer,
            "boolean" => Self::Boolean,
            "text" => Self::Text,
            "timestamp with time zone" => Self::Time,
            "jsonb" => Self::Json,
            "bytea" => Self::Bytes,
            _ => return None,
        })
    }
}

/// A stored value, or none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Text(Option<String>),
    Time(Option<Time>),
    Json(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// Reads a row of either database.
macro_rules! read_row {
    ($row:expr, $kinds:expr) => {
        $kinds
            .enumerate()
            .map(|(at, kind)| {
                Ok(match kind {
                    Kind::Integer => Value::Integer($row.try_get(at)?),
                    Kind::Boolean => Value::Boolean($row.try_get(at)?),
                    Kind::Text => Value::Text($row.try_get(at)?),
                    Kind::Time => Value::Time($row.try_get(at)?),
                    Kind::Json => Value::Json($row.try_get(at)?),
                    Kind::Bytes => Value::Bytes($row.try_get(at)?),
                })
            })
            .collect::<std::result::Result<Vec<Value>, sqlx::Error>>()
    };
}
pub(super) use read_row;

/// The sum of all rows of a table, whatever their order: the databases sort texts differently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) rows: u64,
    sum: [u64; 4],
}

impl Checksum {
    pub(super) fn add(&mut self, row: &[Value]) -> std::result::Result<(), serde_json::Error> {
        let mut digest = Sha256::new();
        for value in row {
            match canonical(value)? {
                None => digest.update([0]),
                Some(bytes) => {
                    digest.update([1]);
                    digest.update((bytes.len() as u64).to_be_bytes());
                    digest.update(bytes);
                }
            }
        }
        for (sum, part) in self.sum.iter_mut().zip(digest.finalize().chunks_exact(8)) {
            let part = part.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
            *sum = sum.wrapping_add(part);
        }
        self.rows += 1;
        Ok(())
    }

    /// For people.
    pub(super) fn hex(&self) -> String {
        self.sum.iter().map(|part| format!("{part:016x}")).collect()
    }
}

fn canonical(value: &Value) -> std::result::Result<Option<Vec<u8>>, serde_json::Error> {
    Ok(match value {
        Value::Integer(number) => number.map(|number| number.to_string().into_bytes()),
        Value::Boolean(is) => is.map(|is| vec![u8::from(is)]),
        Value::Text(text) => text.clone().map(String::into_bytes),
        // PostgreSQL keeps microseconds.
        Value::Time(at) => at.map(|at| at.timestamp_micros().to_string().into_bytes()),
        Value::Json(None) => None,
        Value::Json(Some(text)) => {
            let mut out = String::new();
            canonical_json(text, &mut out)?;
            Some(out.into_bytes())
        }
        Value::Bytes(bytes) => bytes.clone(),
    })
}

/// Writes JSON so that texts that PostgreSQL takes for the same value come out the same: keys sorted, the last of equal
/// keys, numbers by their value.
fn canonical_json(text: &str, out: &mut String) -> std::result::Result<(), serde_json::Error> {
    let text = text.trim();
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            out.push('{');
            for (key, value) in fields {
                out.push_str(&serde_json::to_string(&key)?);
                out.push(':');
                canonical_json(value.get(), out)?;
                out.push(',');
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push('[');
            for item in items {
                canonical_json(item.get(), out)?;
                out.push(',');
            }
            out.push(']');
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(text)?;
            out.push_str(&serde_json::to_string(&text)?);
        }
        Some(b'-' | b'0'..=b'9') => out.push_str(&canonical_number(text)),
        _ => {
            serde_json::from_str::<serde::de::IgnoredAny>(text)?;
            out.push_str(text);
        }
    }
    Ok(())
}

/// Digits and a power of ten, so that `1`, `1.0` and `1e0` are the same: PostgreSQL keeps numbers exactly as written.
fn canonical_number(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return "0".into();
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let shift = i128::try_from(trailing).unwrap_or(0) - i128::try_from(fraction.len()).unwrap_or(0);
    format!("{sign}{significant}e{}", exponent.parse::<i128>().unwrap_or(0) + shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let mut out = String::new();
        canonical_json(text, &mut out).unwrap();
        out
    }

    #[test]
    fn what_is_the_same_to_postgresql_is_the_same_here() {
        for (left, right) in [
            (r#"{"b": 1, "a": [1.0, 1e2]}"#, r#"{"a":[1,100],"b":1.0}"#),
            (r#"{"a": 1, "a": 2}"#, r#"{"a":2}"#),
            (r#""A""#, r#""\u0041""#),
            ("1.5e-7", "0.00000015"),
            ("-0.0", "0"),
            ("1.2345678901234567e18", "1234567890123456700"),
            ("1e300", &format!("1{}", "0".repeat(300))),
            (" null ", "null"),
        ] {
            assert_eq!(of(left), of(right));
        }
        for (left, right) in [
            ("9007199254740993", "9007199254740992"),
            ("\"1\"", "1"),
            ("[]", "{}"),
            ("null", "false"),
            ("-10", "10"),
            ("1.5", "15"),
        ] {
            assert_ne!(of(left), of(right));
        }
        assert!(canonical_json("nul", &mut String::new()).is_err());
    }

    #[test]
    fn a_checksum_knows_every_value_and_no_order() {
        let row = |number, text: Option<&str>| vec![Value::Integer(Some(number)), Value::Text(text.map(str::to_owned))];
        let sum = |rows: &[Vec<Value>]| {
            let mut sum = Checksum::default();
            for row in rows {
                sum.add(row).unwrap();
            }
            sum
        };
        let (a, b) = (row(1, Some("x")), row(2, None));
        assert_eq!(sum(&[a.clone(), b.clone()]), sum(&[b.clone(), a.clone()]));
        assert_ne!(sum(&[a.clone(), b.clone()]), sum(&[a.clone(), row(2, Some(""))]));
        assert_ne!(sum(std::slice::from_ref(&a)), sum(&[a, b]));
    }
}
