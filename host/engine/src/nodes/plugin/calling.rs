//! Calling a plugin's node: when an execution comes to it, and when its wait is over.

use domain::{
    Effect,
    plugin::{NodeCause, PluginEffect, PluginVisit, PluginWait},
};
use serde_json::{Map, Value, json};

use super::PluginNode;
use crate::{
    nodes::Wake,
    run::{Failure, Next, Run},
};

impl PluginNode {
    pub(in crate::nodes) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        run.visit(Some(PluginVisit::default()));
        self.call(run, NodeCause::Enter)
    }

    /// A wait is over, by what it was for, by its time, or by a person.
    pub(super) fn woken(&self, run: &mut Run<'_>, wake: Wake) -> Result<Next, Failure> {
        let wait = run.execution().visit.as_ref().and_then(|visit| visit.wait.clone());
        let cause = match (wake, wait) {
            (Wake::Timer | Wake::Resume, Some(PluginWait::Retry { effect })) => return Ok(self.again(run, effect)),
            (Wake::Resume, Some(_)) => NodeCause::Forced,
            (Wake::Timer, Some(PluginWait::Time)) => NodeCause::Elapsed,
            (Wake::Timer, Some(_)) => NodeCause::TimedOut,
            (Wake::Input, Some(PluginWait::Input)) => NodeCause::Input(run.message()),
            (Wake::Event(event), Some(PluginWait::Event { .. })) => NodeCause::Event(event),
            (wake, _) => return wake.unexpected(),
        };
        self.call(run, cause)
    }

    fn call(&self, run: &mut Run<'_>, cause: NodeCause) -> Result<Next, Failure> {
        let mut config = Map::new();
        for (name, data) in &self.config {
            config.insert(name.clone(), run.json(name, data)?);
        }
        let config = Value::Object(config);
        if let Some((pointer, detail)) = self.schema.misfits(&config).into_iter().next() {
            let reason = format!("the settings, filled in, do not fit: `{pointer}` {detail}");
            return self.trouble(run, "invalid_config", None, &reason, 0);
        }
        let idempotency_key = format!("{}-{}", run.execution().id, run.next_seq());
        let state = run.execution().visit.as_ref().and_then(|visit| visit.state.clone());
        run.log(
            "called",
            json!({
                "plugin": self.pin.name, "version": self.pin.version, "cause": word(&cause),
                "idempotency_key": idempotency_key,
            }),
        );
        let context = run.surroundings();
        let effect = PluginEffect {
            plugin: self.pin.clone(),
            node_type: self.node_type.clone(),
            config,
            context,
            state: state.clone(),
            cause,
            retries: self.retries.min(run.limits().plugin_retries),
            idempotency_key,
        };
        run.visit(Some(PluginVisit { state, wait: None }));
        Ok(run.wait_for_effect(Effect::Plugin(Box::new(effect))))
    }

    /// The same call once more.
    fn again(&self, run: &mut Run<'_>, effect: Box<PluginEffect>) -> Next {
        let key = &effect.idempotency_key;
        run.log(
            "called_again",
            json!({"plugin": self.pin.name, "retries_left": effect.retries, "idempotency_key": key}),
        );
        run.visit(Some(PluginVisit { state: effect.state.clone(), wait: None }));
        run.wait_for_effect(Effect::Plugin(effect))
    }
}

fn word(cause: &NodeCause) -> &'static str {
    match cause {
        NodeCause::Enter => "enter",
        NodeCause::Input(_) => "input",
        NodeCause::TimedOut => "timed_out",
        NodeCause::Elapsed => "elapsed",
        NodeCause::Event(_) => "event",
        NodeCause::Forced => "forced",
    }
}
