//! `config`: settings that the bot's owner made with the grant.

use wasmtime::Result;

use crate::{bindings::chatboost::plugin::config::Host, run::state::State};

impl Host for State {
    fn get(&mut self, key: String) -> Result<Option<String>> {
        self.host_call("config")?;
        Ok(self.caller.rights.settings().get(&key).map(ToString::to_string))
    }
}
