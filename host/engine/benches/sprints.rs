//! What it costs to advance an execution from its start to its end, by what its flow has to do.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

#[path = "../tests/engine/support/world.rs"]
mod world;

use std::process::ExitCode;

use engine::{Cause, Flow, Sprint};
use measure::{Bench, Operation};
use serde_json::{Value, json};
use world::World;

const GREETING: &str = "Hello {{ contact.first_name | default('there') }}! Your order {{ state.order.number }} \
    ({% for line in state.order.lines %}{{ line }}{% if not loop.last %}, {% endif %}{% endfor %}) goes to {{ state.city }}.";

/// Starts an execution with what a contact wrote.
fn sprint(nodes: &[Value]) -> impl FnMut() -> Sprint + use<> {
    let mut world = World::new();
    world.contact.name = Some("Ada Lovelace".to_owned());
    let flow = Flow::compile(&world::definition(nodes)).unwrap();
    let state = json!({"city": "Bern", "order": {"number": 17, "lines": ["bread", "butter"]}});
    let message = world::message(&json!("hello"));
    let execution = world.execution(state.as_object().unwrap().clone(), Some(message));
    let sprint = move || world.advance(&flow, execution.clone(), Cause::Start).unwrap();
    let done = sprint();
    assert!(done.execution.error.is_none() && done.messages.len() == 1, "each of these flows says one thing: {done:?}");
    sprint
}

fn says(text: &str) -> Value {
    json!({"type": "send_message", "config": {"message_type": "text", "content": {"text": text}}})
}

fn ten_nodes() -> Vec<Value> {
    let sets = |number: usize| {
        let assignments = json!({format!("state.v{number}"): "{{ state.order.number }}"});
        json!({"type": "set_variable", "config": {"assignments": assignments, "next": number + 1}})
    };
    (0..9).map(sets).chain([says("Thank you.")]).collect()
}

fn condition() -> Vec<Value> {
    let is_hello = json!({"variable": "message.text", "operator": "==", "value": "hello", "true_path": 1});
    vec![json!({"type": "condition", "config": is_hello}), says("Thank you.")]
}

fn main() -> ExitCode {
    Bench::new(env!("CARGO_MANIFEST_DIR"), "sprints")
        .operation(Operation::new("one_reply", || sprint(&[says("Thank you.")])))
        .operation(Operation::new("template", || sprint(&[says(GREETING)])))
        .operation(Operation::new("condition", || sprint(&condition())))
        .operation(Operation::new("ten_nodes", || sprint(&ten_nodes())))
        .main()
}
