//! A node that asks and waits.

use std::time::Duration;

use chatboost_sdk::prelude::*;

/// Asks for a number, again if need be.
#[config]
struct AskNumber {
    /// What is asked.
    question: String,
    /// The variable that the number is stored in.
    store_in: String,
    /// Attempts before the flow goes on by `given_up`.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 10))]
    attempts: u8,
    /// Seconds to wait for an answer; without, for ever.
    #[serde(default)]
    timeout_seconds: Option<u32>,
}

/// What is remembered between the attempts.
#[data]
struct Asked {
    times: u8,
}

fn three() -> u8 {
    3
}

impl AskNumber {
    fn wait(&self) -> Outcome {
        match self.timeout_seconds {
            Some(seconds) => Outcome::wait_input().within(Duration::from_secs(seconds.into())),
            None => Outcome::wait_input(),
        }
    }
}

impl Node for AskNumber {
    type State = Asked;

    fn spec() -> NodeSpec {
        NodeSpec::new("ask-number", "Ask for a number")
            .description("Waits for a message that is a number.")
            .exit("answered", "Answered")
            .exit("given_up", "Given up")
            .exit("timed_out", "Timed out")
            .example(
                Example::new("Age")
                    .config(json!({ "question": "How old are you?", "store_in": "age" }))
                    .input(json!({ "type": "text", "text": "36" }))
                    .expect("answered"),
            )
    }

    fn execute(&self, visit: &mut Visit<Asked>) -> Result<Outcome> {
        visit.say(&self.question);
        visit.remember(Asked { times: 1 });
        Ok(self.wait())
    }

    fn resume(&self, visit: &mut Visit<Asked>, cause: Cause) -> Result<Outcome> {
        let message = match cause {
            Cause::Input(message) => message,
            Cause::TimedOut => return Ok(Outcome::next("timed_out")),
            _ => return Ok(Outcome::next("given_up")),
        };
        if let Ok(number) = message.text.trim().parse::<i64>() {
            visit.set(&self.store_in, number);
            return Ok(Outcome::next("answered"));
        }
        let times = visit.state().map_or(1, |asked| asked.times);
        if times >= self.attempts {
            return Ok(Outcome::next("given_up"));
        }
        visit.say("Please write a number, such as 42.");
        visit.remember(Asked { times: times + 1 });
        Ok(self.wait())
    }
}

plugin! { title: "Ask for a number", nodes: [AskNumber] }
