//! What it costs to choose the trigger that a message fires, by how many triggers there are. The reference is the choice
//! among ten; ten thousand may cost twice as much.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

use std::process::ExitCode;

use domain::{BotId, FlowId, MatchType, Trigger, TriggerId, TriggerRule};
use engine::triggers::{Fired, Triggers};
use measure::{Bench, Operation};

/// So many triggers with three keywords each, and a third of each way to match a text.
fn triggers(count: i64) -> Triggers {
    let trigger = |id: i64| Trigger {
        id: TriggerId(id),
        bot_id: BotId(1),
        flow_id: FlowId(id),
        name: String::new(),
        priority: id % 7,
        is_active: true,
        interrupt: false,
        rule: TriggerRule::Keyword {
            keywords: (0..3).map(|word| format!("article {id} {word}")).collect(),
            match_type: [MatchType::Exact, MatchType::Contains, MatchType::StartsWith]
                [usize::try_from(id % 3).unwrap()],
            case_sensitive: false,
        },
    };
    Triggers::build(&(1..=count).map(trigger).collect::<Vec<_>>())
}

fn choice(count: i64, text: &'static str, fires: Option<i64>) -> impl FnMut() -> Option<Fired> {
    let triggers = triggers(count);
    let choose = move || triggers.of_keyword(text);
    assert_eq!(choose().map(|fired| fired.trigger_id.0), fires);
    choose
}

const HIT: &str = "Hello, do you still have ARTICLE 7 1 in blue?";
const MISS: &str = "Hello, do you still have that one in blue?";

fn main() -> ExitCode {
    let hit = |name, count| Operation::new(name, move || choice(count, HIT, Some(7)));
    let miss = |name, count| Operation::new(name, move || choice(count, MISS, None));
    Bench::new(env!("CARGO_MANIFEST_DIR"), "triggers")
        .beside(hit("reference", 10))
        .operation(hit("of_10", 10))
        .operation(hit("of_10000", 10_000).at_most(2.0))
        .operation(miss("none_of_10", 10))
        .operation(miss("none_of_10000", 10_000).at_most(2.0))
        .main()
}
