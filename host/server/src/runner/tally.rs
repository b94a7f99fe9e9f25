//! What the statistics learn from a contact's work. It is counted from what is about to be written, so that it is written
//! exactly when that is: an execution is new once, ends once, and each step is logged once.

use std::collections::HashMap;

use domain::{ExecutionId, ExecutionStatus, FlowId, HostId};
use storage::{StepRow, Tally};

use super::desk::{Desk, Work};

/// How many workers of all hosts write statistics side by side.
const SHARDS: i64 = 16;
/// How many workers of one host do.
const SHARDS_PER_HOST: i64 = 8;

/// The shard of a worker. A database with one writer needs only one.
pub(super) fn shard(is_shared: bool, host: HostId, worker: i64) -> i64 {
    if is_shared { (host.0 * SHARDS_PER_HOST + worker).rem_euclid(SHARDS) } else { 0 }
}

/// Counts what `work` says became of `desk`.
pub(super) fn count(tally: &mut Tally, desk: &Desk, work: &Work) {
    let mut flows: HashMap<ExecutionId, FlowId> = HashMap::new();
    for changed in &work.executions {
        let execution = &changed.execution;
        flows.insert(execution.id, execution.flow_id);
        let before = desk.executions.iter().find(|before| before.execution.id == execution.id);
        // One that was started by API is stored already, but has done nothing.
        if before.is_none_or(|before| before.execution.steps == 0) {
            tally.started(execution.flow_id, execution.started_at);
        }
        if execution.status.is_final() {
            let at = execution.completed_at.unwrap_or(execution.updated_at);
            tally.ended(execution.flow_id, changed.trigger_id, execution.status, execution.started_at, at);
        }
    }
    let mut begun = None;
    for step in &work.steps {
        if let Some(flow) = flows.get(&step.execution_id) {
            count_step(tally, *flow, step, &mut begun);
        }
    }
    for failure in &work.failures {
        tally.failed_to_say(failure.clone());
    }
    for decision in &work.decisions {
        tally.decided(decision.clone());
    }
}

/// `begun`: the execution whose first node is the next one in the log.
fn count_step(tally: &mut Tally, flow: FlowId, step: &StepRow, begun: &mut Option<ExecutionId>) {
    let Some(node) = step.node else {
        *begun = (step.event == "started").then_some(step.execution_id);
        return;
    };
    if begun.take() == Some(step.execution_id) {
        tally.entered(flow, node);
    }
    if let Some(exit) = step.detail.0.get("exit").and_then(serde_json::Value::as_str) {
        tally.left(flow, node, exit);
        if let Some(to) = step.detail.0.get("to").and_then(serde_json::Value::as_i64) {
            tally.entered(flow, to);
        }
    }
    if step.event == ExecutionStatus::Failed.as_str() {
        tally.failed_at(flow, node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_of_two_hosts_do_not_meet_and_sqlite_has_one_shard() {
        let mut shards: Vec<i64> =
            (1..3).flat_map(|host| (0..8).map(move |worker| shard(true, HostId(host), worker))).collect();
        shards.sort_unstable();
        assert_eq!(shards, Vec::from_iter(0..16));
        assert_eq!(shard(false, HostId(7), 1), 0);
    }
}
