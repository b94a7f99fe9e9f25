//! A node in which a language model talks with the contact.

mod memory;
mod service;

use std::time::Duration;

use chatboost_sdk::prelude::*;
use memory::{Memory, Role};

/// What WhatsApp takes as one text is 4096 letters.
const TEXT_LETTERS_MAX: usize = 4000;

/// A conversation with a language model.
#[config]
struct Reply {
    /// Address of the service, up to and without `/chat/completions`; its host must be granted.
    #[serde(default = "openai")]
    base_url: String,
    /// Name of the model.
    model: String,
    /// Who the model is and what it is to do.
    #[serde(default)]
    instructions: String,
    /// Answers before the node is left by `done`; 1 answers the message that the contact wrote last and goes on.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 200))]
    answers: u32,
    /// Words with which the contact ends the conversation; in any case, alone in a message.
    #[serde(default)]
    goodbyes: Vec<String>,
    /// Tokens of one answer, at most.
    #[serde(default = "answer_tokens")]
    #[schemars(range(min = 1, max = 8192))]
    answer_tokens: u32,
    /// Tokens of the conversation that the model is told, about; the oldest messages are left out first.
    #[serde(default = "memory_tokens")]
    #[schemars(range(min = 100, max = 100_000))]
    memory_tokens: u32,
    /// How freely it talks, from 0 to 2; the service's own choice when absent.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    temperature: Option<f64>,
    /// Seconds to wait for the contact; without, for ever.
    #[serde(default)]
    timeout_seconds: Option<u32>,
    /// The variable that gets the last answer.
    #[serde(default = "reply")]
    store_in: String,
}

fn openai() -> String {
    "https://api.openai.com/v1".to_owned()
}

fn one() -> u32 {
    1
}

fn answer_tokens() -> u32 {
    500
}

fn memory_tokens() -> u32 {
    3000
}

fn reply() -> String {
    "reply".to_owned()
}

impl Node for Reply {
    type State = Memory;

    fn spec() -> NodeSpec {
        NodeSpec::new("reply", "Language model")
            .description("Lets a language model answer the contact, once or for a whole conversation.")
            .category("AI")
            .exit("done", "Answered, or said goodbye")
            .exit("timed_out", "Timed out")
    }

    fn execute(&self, visit: &mut Visit<Memory>) -> Result<Outcome> {
        visit.remember(Memory::default());
        match visit.message().map(|message| message.text.clone()) {
            Some(text) if !text.trim().is_empty() => self.answer(visit, &text),
            // Nothing was written yet, as in a flow that a schedule started.
            _ => Ok(self.wait()),
        }
    }

    fn resume(&self, visit: &mut Visit<Memory>, cause: Cause) -> Result<Outcome> {
        let text = match cause {
            Cause::Input(message) => message.text,
            Cause::TimedOut => return Ok(Outcome::next("timed_out")),
            _ => return Ok(Outcome::next("done")),
        };
        if text.trim().is_empty() {
            visit.say("I can read texts only, so far.");
            return Ok(self.wait());
        }
        let goodbye = |word: &String| word.trim().to_lowercase() == text.trim().to_lowercase();
        if self.goodbyes.iter().any(goodbye) {
            return Ok(Outcome::next("done"));
        }
        self.answer(visit, &text)
    }
}

impl Reply {
    fn wait(&self) -> Outcome {
        match self.timeout_seconds {
            Some(seconds) => Outcome::wait_input().within(Duration::from_secs(seconds.into())),
            None => Outcome::wait_input(),
        }
    }

    fn answer(&self, visit: &mut Visit<Memory>, text: &str) -> Result<Outcome> {
        let mut memory = visit.state().cloned().unwrap_or_default();
        memory.add(Role::User, text);
        memory.shorten(self.memory_tokens, &self.instructions);
        let completion = service::complete(self, &memory)?;
        memory.add(Role::Assistant, &completion.text);
        memory.answers += 1;
        memory.tokens_used += completion.tokens;
        for part in parts(&completion.text) {
            visit.say(part);
        }
        visit.set(&self.store_in, completion.text);
        visit.set(format!("{}_tokens", self.store_in), memory.tokens_used);
        let outcome = if memory.answers >= self.answers { Outcome::next("done") } else { self.wait() };
        visit.remember(memory);
        Ok(outcome)
    }
}

/// A long text in pieces that can be sent, cut between paragraphs, lines or words where there are some.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (vec![], text.trim());
    while let Some((limit, _)) = rest.char_indices().nth(TEXT_LETTERS_MAX) {
        let piece = &rest[..limit];
        let cut =
            ["\n\n", "\n", " "].iter().find_map(|gap| piece.rfind(gap).filter(|&at| at > limit / 2)).unwrap_or(limit);
        parts.push(rest[..cut].trim_end());
        rest = rest[cut..].trim_start();
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

plugin! {
    title: "Language model",
    capabilities: Capabilities::none()
        .log()
        .http("*", &["POST"], &[])
        .secret("LLM_API_KEY", "The service's API key"),
    nodes: [Reply],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_words_and_nothing_is_lost() {
        let text = "word ".repeat(2000);
        let parts = parts(&text);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| part.chars().count() <= TEXT_LETTERS_MAX && part.ends_with("word")));
        assert_eq!(parts.join(" "), text.trim());
        assert_eq!(
            super::parts(&"ä".repeat(4001)).iter().map(|part| part.chars().count()).collect::<Vec<_>>(),
            [4000, 1]
        );
        assert_eq!(super::parts("  "), Vec::<&str>::new());
    }
}
