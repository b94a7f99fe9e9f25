//! The bounds that cases cannot show without being very long, and what the runner relies on.

use crate::support::world::{self, World};
use domain::{ExecutionStatus, FlowDefinition, JsonMap};
use engine::{Cause, Flow, Limits, Scope};
use serde_json::{Value, json};

fn codes(definition: &FlowDefinition) -> Vec<String> {
    engine::validate(definition).into_iter().map(|issue| issue.code).collect()
}

#[test]
fn nodes_per_flow() {
    let nodes = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| json!({"type": "wait", "config": {"duration": 1, "unit": "days", "next": (n + 1) % count}}))
            .collect()
    };
    assert_eq!(codes(&world::definition(&nodes(engine::NODES_PER_FLOW))), [""; 0]);
    assert_eq!(codes(&world::definition(&nodes(engine::NODES_PER_FLOW + 1))), ["too_many_nodes"]);
}

#[test]
fn bytes_of_a_template() {
    let node = |bytes: usize| {
        let text = format!("{{{{ now }}}}{}", "x".repeat(bytes - "{{ now }}".len()));
        json!({"type": "send_message", "config": {"message_type": "text", "content": text}})
    };
    assert_eq!(codes(&world::definition(&[node(engine::TEMPLATE_SOURCE_BYTES)])), [""; 0]);
    assert_eq!(codes(&world::definition(&[node(engine::TEMPLATE_SOURCE_BYTES + 1)])), ["out_of_range"]);
}

#[test]
fn headers_of_a_request() {
    let node = |count: usize| {
        let headers: JsonMap = (0..count).map(|n| (format!("X-{n}"), json!("x"))).collect();
        json!({"type": "webhook_action", "config": {"url": "https://a.example", "method": "GET", "headers": headers}})
    };
    assert_eq!(codes(&world::definition(&[node(engine::HTTP_HEADERS)])), [""; 0]);
    assert_eq!(codes(&world::definition(&[node(engine::HTTP_HEADERS + 1)])), ["out_of_range"]);
}

#[test]
fn the_default_depth_can_be_read_back() {
    let nodes = [json!({
        "type": "set_variable", "config": {"assignments": {"a": {"inner": "{{ state.a }}"}}, "next": 0}
    })];
    let world = World::new();
    let flow = Flow::compile(&world::definition(&nodes)).unwrap();
    let sprint = world.advance(&flow, world.execution(JsonMap::new(), None), Cause::Start).unwrap();
    assert_eq!(sprint.execution.status, ExecutionStatus::Failed);
    assert!(sprint.execution.error.as_ref().unwrap().contains("nested more than 64 deep"));
    let stored = serde_json::to_string(&sprint.execution).unwrap();
    assert_eq!(serde_json::from_str::<domain::Execution>(&stored).unwrap(), sprint.execution);
}

#[test]
fn a_running_execution_starts_where_it_stands() {
    let nodes = [
        json!({"type": "send_message", "config": {"message_type": "text", "content": "one", "next": 1}}),
        json!({"type": "send_message", "config": {"message_type": "text", "content": "two"}}),
    ];
    let world = World::new();
    let flow = Flow::compile(&world::definition(&nodes)).unwrap();
    let mut execution = world.execution(JsonMap::new(), None);
    execution.current_node = Some(1);
    execution.steps = 9;
    let sprint = world.advance(&flow, execution.clone(), Cause::Start).unwrap();
    assert_eq!(
        sprint.steps.iter().map(|step| (step.seq, step.event)).collect::<Vec<_>>(),
        [(9, "sent"), (10, "completed")]
    );
    assert_eq!(sprint.messages.len(), 1);

    execution.current_node = Some(5);
    let sprint = world.advance(&flow, execution, Cause::Start).unwrap();
    assert_eq!(sprint.execution.error.as_deref(), Some("this version of the flow has no node 5"));
}

#[test]
fn steps_are_timed_by_the_stopwatch() {
    let nodes = [json!({"type": "end"})];
    let world = World::new();
    let flow = Flow::compile(&world::definition(&nodes)).unwrap();
    let time = std::cell::Cell::new(0);
    let tick = || {
        time.set(time.get() + 7);
        time.get()
    };
    let scope = Scope {
        bot: &world.bot,
        flow: &world.flow,
        contact: &world.contact,
        now: world.now,
        is_marketing: &|_, _| false,
        elapsed_us: &tick,
    };
    let execution = world.execution(JsonMap::new(), None);
    let sprint = engine::advance(&flow, execution, Cause::Start, &scope, &Limits::default()).unwrap();
    assert!(sprint.steps.iter().all(|step| step.duration_us == 7), "{:?}", sprint.steps);
}

#[test]
fn a_flow_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Flow>();
    shared::<engine::triggers::KeywordIndex>();
}
