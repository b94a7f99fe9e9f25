//! Flows put together at random, and pushed around at random: whatever they do, they neither hang nor panic.

use crate::support::world::{self, World};
use domain::{EffectOutcome, Execution, ExecutionStatus, HttpReply};
use engine::{Cause, Flow};
use serde_json::{Value, json};

/// A small generator of numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        let sides = u64::try_from(choices.len()).unwrap();
        choices[usize::try_from(self.below(sides)).unwrap()].clone()
    }
}

fn text(dice: &mut Dice) -> Value {
    dice.of(&[
        json!("plain"),
        json!("{{ state.a }}"),
        json!("{{ state.a ~ state.b ~ message.text }}"),
        json!("{{ state.a.b.c|upper }}{{ contact.first_name }}"),
        json!("{{ state.n + 1 }}"),
        json!("{{ state.n - 'x' }}"),
        json!("{% for x in state.list %}{{ x }}{% endfor %}"),
        json!("{{ now }}"),
    ])
}

fn reference(dice: &mut Dice, nodes: u64) -> Value {
    if dice.below(6) == 0 { Value::Null } else { json!(dice.below(nodes)) }
}

fn config(dice: &mut Dice, kind: &str, nodes: u64) -> Value {
    let next = reference(dice, nodes);
    let other = reference(dice, nodes);
    let said = text(dice);
    match kind {
        "send_message" => json!({"message_type": "text", "content": {"text": said}, "next": next}),
        "ask" => json!({
            "message_type": "text", "content": {"text": said}, "next": next, "timeout_path": other,
            "store_in": dice.of(&["a", "state.b.c", "list.0", "n"]),
            "timeout": dice.of(&[Value::Null, json!({"duration": 1, "unit": "hours"})]),
        }),
        "wait" => match dice.below(3) {
            0 => {
                json!({"duration": dice.of(&[json!(0), json!(5), json!("{{ state.n }}")]), "unit": "minutes", "next": next})
            }
            _ => {
                json!({"until": dice.of(&[json!("2026-03-02T12:00"), json!("2020-01-01"), json!("{{ state.b }}")]), "next": next})
            }
        },
        "condition" => json!({
            "variable": dice.of(&["state.a", "message.text", "n", "state.list", "contact.name"]),
            "operator": dice.of(&["==", "!=", ">", "<=", "contains", "in", "starts_with", "exists"]),
            "value": said, "true_path": next, "false_path": other,
        }),
        "webhook_action" => json!({
            "url": dice.of(&["https://a.example/{{ state.n }}", "{{ state.a }}"]), "method": "POST",
            "body": {"x": said}, "store_response_in": "a", "next": next, "error_path": other,
        }),
        "set_variable" => json!({
            "assignments": {
                dice.of(&["a", "b", "list", "n"]): dice.of(&[
                    json!("{{ state.a }}"), json!({"a": "{{ state.a }}", "b": "{{ state.b }}"}),
                    json!("{{ [state.list, state.list] }}"), json!(7), said.clone(),
                ]),
                dice.of(&["a.b.c", "list.0", "x.y"]): text(dice),
            },
            "next": next,
        }),
        _ => json!({}),
    }
}

fn cause(dice: &mut Dice, execution: &Execution) -> Cause {
    // Mostly what it waits for, at times something else.
    let likely = match execution.status {
        ExecutionStatus::Running => 0,
        ExecutionStatus::WaitingInput => 1,
        ExecutionStatus::WaitingTimer => 2,
        _ => 4,
    };
    match if dice.below(5) == 0 { dice.below(6) } else { likely } {
        0 => Cause::Start,
        1 => {
            Cause::Input(world::message(&dice.of(&[json!("yes"), json!(""), json!({"type": "image"}), json!("\0{{")])))
        }
        2 => Cause::Timer,
        3 => Cause::Resume,
        4 => Cause::Effect(EffectOutcome::Replied(HttpReply {
            status: dice.of(&[200, 404, 500]),
            body: dice.of(&[json!({"x": [1, {"y": null}]}), json!("text"), json!([[[[]]]])]),
            attempts: 1,
        })),
        _ => Cause::Effect(EffectOutcome::Unreachable { reason: "down".to_owned(), attempts: 3 }),
    }
}

#[test]
fn no_flow_hangs_or_panics() {
    let mut dice = Dice(0x5eed_cafe_f00d);
    let mut ends = std::collections::BTreeMap::new();
    for _ in 0..400 {
        let count = 1 + dice.below(8);
        let nodes: Vec<Value> = (0..count)
            .map(|_| {
                let kind = dice.of(engine::NODE_TYPES);
                json!({"type": kind, "config": config(&mut dice, kind, count)})
            })
            .collect();
        let definition = world::definition(&nodes);
        let flow = Flow::compile(&definition).unwrap_or_else(|issues| panic!("{nodes:#?}\n{issues:#?}"));
        let mut world = World::new();
        world.limits.state_bytes = 2_000;
        let mut execution = world.execution(domain::JsonMap::new(), None);
        for _ in 0..30 {
            world.now += chrono::Duration::minutes(45);
            let cause = cause(&mut dice, &execution);
            execution = match world.advance(&flow, execution, cause) {
                Ok(sprint) => {
                    let after = &sprint.execution;
                    assert_ne!(after.status, ExecutionStatus::Running);
                    assert!(sprint.messages.len() <= 30 && sprint.steps.len() <= 202);
                    assert_eq!(after.status == ExecutionStatus::Failed, after.error.is_some());
                    assert!(serde_json::to_string(after).unwrap().len() < 10_000);
                    sprint.execution
                }
                Err(refusal) => *refusal.execution,
            };
        }
        *ends.entry(execution.status.as_str()).or_insert(0) += 1;
    }
    assert!(ends.len() >= 4, "the flows should end in different ways: {ends:?}");
}

#[test]
fn the_same_inputs_give_the_same_sprint() {
    let nodes =
        [json!({"type": "send_message", "config": {"message_type": "text", "content": "{{ now }} {{ state }}"}})];
    let world = World::new();
    let play = || {
        let flow = Flow::compile(&world::definition(&nodes)).unwrap();
        world.advance(&flow, world.execution(domain::JsonMap::new(), None), Cause::Start).unwrap()
    };
    assert_eq!(play(), play());
}
