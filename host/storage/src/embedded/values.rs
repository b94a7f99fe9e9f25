//! Values as SQLite stores them, and what they are in Rust.

use std::{borrow::Cow, fmt};

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::types::ValueRef as Stored;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Decode, Encode, Type, TypeInfo, Value, ValueRef, encode::IsNull, error::BoxDynError, types::Json};

use super::Embedded;

/// A value in one of SQLite's storage classes.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// A time that is to be stored, which is as a [text](as_text). Rows have none.
    Time(DateTime<Utc>),
}

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub struct DatumRef<'r>(pub(super) &'r Datum);

/// A storage class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of nothing.
    Null,
    /// Of whole numbers.
    Integer,
    /// Of other numbers.
    Real,
    /// Of texts.
    Text,
    /// Of bytes.
    Blob,
}

/// What is bound to a statement.
#[derive(Debug, Default)]
pub struct Arguments(pub(super) Vec<Datum>);

impl Datum {
    pub(super) fn of(stored: Stored<'_>) -> Result<Self, std::str::Utf8Error> {
        Ok(match stored {
            Stored::Null => Self::Null,
            Stored::Integer(number) => Self::Integer(number),
            Stored::Real(number) => Self::Real(number),
            Stored::Text(text) => Self::Text(std::str::from_utf8(text)?.to_owned()),
            Stored::Blob(bytes) => Self::Blob(bytes.to_owned()),
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Integer(_) => Kind::Integer,
            Self::Real(_) => Kind::Real,
            Self::Text(_) | Self::Time(_) => Kind::Text,
            Self::Blob(_) => Kind::Blob,
        }
    }
}

/// How a time is stored.
pub(super) fn as_text(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TypeInfo for Kind {
    fn is_null(&self) -> bool {
        *self == Self::Null
    }

    fn name(&self) -> &str {
        match self {
            Self::Null => "NULL",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
        }
    }
}

impl Value for Datum {
    type Database = Embedded;

    fn as_ref(&self) -> DatumRef<'_> {
        DatumRef(self)
    }

    fn type_info(&self) -> Cow<'_, Kind> {
        Cow::Owned(self.kind())
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl<'r> ValueRef<'r> for DatumRef<'r> {
    type Database = Embedded;

    fn to_owned(&self) -> Datum {
        self.0.clone()
    }

    fn type_info(&self) -> Cow<'_, Kind> {
        Cow::Owned(self.0.kind())
    }

    fn is_null(&self) -> bool {
        matches!(self.0, Datum::Null)
    }
}

impl sqlx::Arguments for Arguments {
    type Database = Embedded;

    fn reserve(&mut self, additional: usize, _: usize) {
        self.0.reserve(additional);
    }

    fn add<'t, T: Encode<'t, Embedded> + Type<Embedded>>(&mut self, value: T) -> Result<(), BoxDynError> {
        let before = self.0.len();
        match value.encode(&mut self.0) {
            Ok(IsNull::No) => Ok(()),
            Ok(IsNull::Yes) => {
                self.0.truncate(before);
                self.0.push(Datum::Null);
                Ok(())
            }
            Err(error) => {
                self.0.truncate(before);
                Err(error)
            }
        }
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

sqlx_core::impl_into_arguments_for_arguments!(Arguments);
sqlx_core::impl_encode_for_option!(Embedded);

fn mismatch(found: &Datum, wanted: &str) -> BoxDynError {
    format!("{} where {wanted} should be", found.kind()).into()
}

/// How a type is stored: its class, how it is written, and how it is read.
macro_rules! stored_as {
    ($type:ty, $kind:pat, $class:expr, |$given:ident| $encode:expr, |$read:ident| $decode:pat => $value:expr) => {
        impl Type<Embedded> for $type {
            fn type_info() -> Kind {
                $class
            }

            fn compatible(kind: &Kind) -> bool {
                matches!(kind, $kind)
            }
        }

        impl<'q> Encode<'q, Embedded> for $type {
            fn encode_by_ref(&self, arguments: &mut Vec<Datum>) -> Result<IsNull, BoxDynError> {
                let $given = self;
                arguments.push($encode);
                Ok(IsNull::No)
            }
        }

        impl<'r> Decode<'r, Embedded> for $type {
            fn decode($read: DatumRef<'r>) -> Result<Self, BoxDynError> {
                match $read.0 {
                    $decode => $value,
                    other => Err(mismatch(other, stringify!($type))),
                }
            }
        }
    };
}

stored_as!(i64, Kind::Integer, Kind::Integer, |n| Datum::Integer(*n), |v| Datum::Integer(n) => Ok(*n));
stored_as!(i32, Kind::Integer, Kind::Integer, |n| Datum::Integer((*n).into()), |v| Datum::Integer(n) => Ok(i32::try_from(*n)?));
stored_as!(bool, Kind::Integer, Kind::Integer, |b| Datum::Integer((*b).into()), |v| Datum::Integer(n) => Ok(*n != 0));
stored_as!(f64, Kind::Real, Kind::Real, |n| Datum::Real(*n), |v| Datum::Real(n) => Ok(*n));
stored_as!(String, Kind::Text, Kind::Text, |t| Datum::Text(t.clone()), |v| Datum::Text(t) => Ok(t.clone()));
stored_as!(DateTime<Utc>, Kind::Text, Kind::Text,
    |at| Datum::Time(*at),
    |v| Datum::Text(t) => Ok(DateTime::parse_from_rfc3339(t)?.to_utc()));

impl Type<Embedded> for str {
    fn type_info() -> Kind {
        Kind::Text
    }
}

impl<'q> Encode<'q, Embedded> for &'_ str {
    fn encode_by_ref(&self, arguments: &mut Vec<Datum>) -> Result<IsNull, BoxDynError> {
        arguments.push(Datum::Text((*self).to_owned()));
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r, Embedded> for &'r str {
    fn decode(value: DatumRef<'r>) -> Result<Self, BoxDynError> {
        match value.0 {
            Datum::Text(text) => Ok(text),
            other => Err(mismatch(other, "str")),
        }
    }
}

impl Type<Embedded> for Vec<u8> {
    fn type_info() -> Kind {
        Kind::Blob
    }

    fn compatible(kind: &Kind) -> bool {
        matches!(kind, Kind::Blob | Kind::Text)
    }
}

impl<'q> Encode<'q, Embedded> for Vec<u8> {
    fn encode_by_ref(&self, arguments: &mut Vec<Datum>) -> Result<IsNull, BoxDynError> {
        arguments.push(Datum::Blob(self.clone()));
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r, Embedded> for Vec<u8> {
    fn decode(value: DatumRef<'r>) -> Result<Self, BoxDynError> {
        match value.0 {
            Datum::Blob(bytes) => Ok(bytes.clone()),
            Datum::Text(text) => Ok(text.as_bytes().to_owned()),
            other => Err(mismatch(other, "bytes")),
        }
    }
}

impl Type<Embedded> for [u8] {
    fn type_info() -> Kind {
        Kind::Blob
    }
}

impl<'q> Encode<'q, Embedded> for &'_ [u8] {
    fn encode_by_ref(&self, arguments: &mut Vec<Datum>) -> Result<IsNull, BoxDynError> {
        arguments.push(Datum::Blob((*self).to_owned()));
        Ok(IsNull::No)
    }
}

impl<T> Type<Embedded> for Json<T> {
    fn type_info() -> Kind {
        Kind::Text
    }
}

impl<T: Serialize> Encode<'_, Embedded> for Json<T> {
    fn encode_by_ref(&self, arguments: &mut Vec<Datum>) -> Result<IsNull, BoxDynError> {
        arguments.push(Datum::Text(serde_json::to_string(&self.0)?));
        Ok(IsNull::No)
    }
}

impl<'r, T: DeserializeOwned> Decode<'r, Embedded> for Json<T> {
    fn decode(value: DatumRef<'r>) -> Result<Self, BoxDynError> {
        match value.0 {
            Datum::Text(text) => Ok(Self(serde_json::from_str(text)?)),
            other => Err(mismatch(other, "JSON")),
        }
    }
}
