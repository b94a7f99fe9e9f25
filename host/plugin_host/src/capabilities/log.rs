//! `log`: lines for the plugin's owner.

use wasmtime::Result;

use crate::{
    LogLevel,
    bindings::chatboost::plugin::log::{Host, Level},
    run::state::State,
};

impl Host for State {
    fn write(&mut self, level: Level, message: String, fields: Option<String>) -> Result<()> {
        self.host_call("log")?;
        // The plugin is not told: one that may not log works as well, and its panics are no longer for others than its owner.
        if !self.is_describing
            && let Err(denial) = self.caller.rights.log()
        {
            self.denied(denial);
            return Ok(());
        }
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        let fields = fields.map(|text| {
            serde_json::from_str(&text)
                .unwrap_or_else(|_| domain::JsonMap::from_iter([("unreadable".to_owned(), text.into())]))
        });
        self.meter.log(self.caller.services.now(), level, &message, fields, &self.caller.limits);
        Ok(())
    }
}
