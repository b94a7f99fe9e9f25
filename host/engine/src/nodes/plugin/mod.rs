//! Nodes of plugins: `<plugin>/<type>`. The engine says what to call, keeps what the plugin wants kept, and does what it
//! asks for.

mod calling;
mod read;
mod step;

use std::collections::BTreeMap;

use domain::{
    EffectOutcome,
    plugin::{PluginOutcome, PluginPin},
};

use crate::{
    nodes::Wake,
    run::{Failure, Next, Run},
    schema::Schema,
    template::Data,
};

pub(crate) use read::read;

/// `{…the type's own fields, exits: {<exit>: ref, …, error: ref}, retries?}`.
#[derive(Debug)]
pub(crate) struct PluginNode {
    /// `<plugin>/<type>`.
    word: String,
    pin: PluginPin,
    node_type: String,
    config: Vec<(String, Data)>,
    schema: Schema,
    /// The exits that the manifest names, and where they lead.
    exits: BTreeMap<String, Option<usize>>,
    /// Where failures lead; without it they fail the execution.
    error: Option<usize>,
    retries: u32,
}

impl PluginNode {
    pub(crate) fn word(&self) -> &str {
        &self.word
    }

    pub(super) fn exits(&self) -> Vec<Option<usize>> {
        let declared = self.exits.values().copied();
        declared.chain(self.error.map(Some)).collect()
    }

    /// Where it goes when a call of it fails, or a message that it sent fails for good.
    pub(super) fn error(&self) -> Option<usize> {
        self.error
    }

    pub(super) fn resume(&self, run: &mut Run<'_>, wake: Wake) -> Result<Next, Failure> {
        match wake {
            Wake::Effect(EffectOutcome::Plugin { outcome, attempts }) => match *outcome {
                PluginOutcome::Step(step) => self.stepped(run, *step, attempts),
                PluginOutcome::Fault(fault) => self.faulted(run, fault, attempts),
                PluginOutcome::Failure(failure) => self.failed(run, &failure, attempts),
            },
            Wake::Effect(_) => wake.unexpected(),
            Wake::Input | Wake::Timer | Wake::Resume | Wake::Event(_) => self.woken(run, wake),
        }
    }
}
