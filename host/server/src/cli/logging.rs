//! Where log lines go and how they look.

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Config, LogFormat};

/// Starts logging to standard error.
///
/// # Errors
/// When the filter cannot be read.
pub(super) fn start(config: &Config) -> Result<(), String> {
    let default = if config.debug { "info,server=debug,engine=debug,storage=debug,whatsapp=debug" } else { "info" };
    let directives = config.log.filter.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(directives).map_err(|error| format!("RUST_LOG: {error}"))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Pretty => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
