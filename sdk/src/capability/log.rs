//! Lines in the plugin's log. Capability `log`. Lines beyond the limits of a call are dropped.
//!
//! ```
//! use chatboost_sdk::log;
//!
//! fn note(order: &str, items: usize) {
//!     log::info!("an order of {items} items"; "order" = order, "items" = items);
//!     log::warn!("no price for {order}");
//! }
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For whoever writes the plugin.
    Debug,
    /// For whoever looks what happened.
    Info,
    /// Something is odd.
    Warn,
    /// Something went wrong.
    Error,
}

/// Writes a line with fields. The macros are shorter.
pub fn write(level: Level, message: &str, fields: Map<String, Value>) {
    let fields = (!fields.is_empty()).then(|| Value::Object(fields).to_string());
    crate::host::log_write(level, message, fields.as_deref());
}

/// Writes a line: a format text, and after a semicolon fields as `"name" = value`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($format:expr),+ $(; $($name:literal = $value:expr),+ $(,)?)?) => {
        $crate::log::write(
            $crate::log::Level::$level,
            &::std::format!($($format),+),
            $crate::serde_json::Map::from_iter([$($((::std::string::String::from($name), $crate::json!($value))),+)?]),
        )
    };
}

/// Writes a line for whoever writes the plugin; see [`log`](crate::log).
#[doc(hidden)]
#[macro_export]
macro_rules! __debug { ($($line:tt)+) => { $crate::__log!(Debug, $($line)+) }; }

/// Writes a line for whoever looks what happened; see [`log`](crate::log).
#[doc(hidden)]
#[macro_export]
macro_rules! __info { ($($line:tt)+) => { $crate::__log!(Info, $($line)+) }; }

/// Writes that something is odd; see [`log`](crate::log).
#[doc(hidden)]
#[macro_export]
macro_rules! __warn { ($($line:tt)+) => { $crate::__log!(Warn, $($line)+) }; }

/// Writes that something went wrong; see [`log`](crate::log).
#[doc(hidden)]
#[macro_export]
macro_rules! __error { ($($line:tt)+) => { $crate::__log!(Error, $($line)+) }; }
