//! Settings of the plugin for a bot, made by the bot's owner with the grant. Capability `config`.

use serde::de::DeserializeOwned;

use crate::{Fault, Result};

/// The value of a setting that the manifest names; none when it is not set.
///
/// # Errors
///
/// [`Fault::Permanent`] when the value is not of that type.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    let Some(text) = crate::host::config_get(key) else { return Ok(None) };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|fault| Fault::permanent(format!("the setting {key} cannot be used: {fault}")).code("bad_setting"))
}
