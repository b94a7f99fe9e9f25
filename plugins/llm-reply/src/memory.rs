//! What was said.

use chatboost_sdk::data;

/// Tokens that a message costs beside its words.
const MESSAGE_COSTS: u32 = 4;
/// The most bytes that are remembered, whatever the tokens: a node's state has its limit.
const BYTES_MAX: usize = 48 * 1024;

/// The conversation so far.
#[data]
#[derive(Default)]
pub(crate) struct Memory {
    /// Messages, the oldest first.
    pub(crate) messages: Vec<Said>,
    /// Answers given.
    pub(crate) answers: u32,
    /// Tokens that the service counted.
    pub(crate) tokens_used: u64,
}

/// A message.
#[data]
pub(crate) struct Said {
    /// Whose.
    pub(crate) role: Role,
    /// Its words.
    pub(crate) content: String,
}

/// Who says something.
#[data]
#[derive(Copy, PartialEq)]
pub(crate) enum Role {
    /// The contact.
    User,
    /// The model.
    Assistant,
}

impl Memory {
    /// One more message.
    pub(crate) fn add(&mut self, role: Role, text: &str) {
        self.messages.push(Said { role, content: text.to_owned() });
    }

    /// Leaves out the oldest messages until the rest and the instructions have at most so many tokens. The last message
    /// stays, and the first one that stays is the contact's.
    pub(crate) fn shorten(&mut self, tokens_max: u32, instructions: &str) {
        let budget = tokens_max.saturating_sub(tokens(instructions));
        let (mut tokens_left, mut bytes_left) = (budget, BYTES_MAX);
        let mut first = self.messages.len();
        for (index, said) in self.messages.iter().enumerate().rev() {
            let (tokens, bytes) = (tokens(&said.content), said.content.len());
            let last = index + 1 == self.messages.len();
            if !last && (tokens > tokens_left || bytes > bytes_left) {
                break;
            }
            tokens_left = tokens_left.saturating_sub(tokens);
            bytes_left = bytes_left.saturating_sub(bytes);
            first = index;
        }
        let users = self.messages[first..].iter().position(|said| said.role == Role::User).unwrap_or(0);
        self.messages.drain(..first + users);
    }
}

/// About how many tokens a text has. Models count differently; four letters of English are one, and other scripts have more
/// bytes a letter, as they have more tokens.
fn tokens(text: &str) -> u32 {
    u32::try_from(text.len().div_ceil(4)).unwrap_or(u32::MAX).saturating_add(MESSAGE_COSTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(texts: &[(Role, &str)]) -> Memory {
        let mut memory = Memory::default();
        for (role, text) in texts {
            memory.add(*role, text);
        }
        memory
    }

    fn left(memory: &Memory) -> Vec<&str> {
        memory.messages.iter().map(|said| said.content.as_str()).collect()
    }

    #[test]
    fn the_oldest_are_left_out_and_the_first_that_stays_is_the_contacts() {
        let long = "x".repeat(400);
        let talk = [
            (Role::User, "one"),
            (Role::Assistant, &*long),
            (Role::User, "two"),
            (Role::Assistant, "2"),
            (Role::User, "three"),
        ];
        let mut short = memory(&talk);
        short.shorten(100, "");
        assert_eq!(left(&short), ["two", "2", "three"]);
        let mut answer_first = memory(&talk[1..]);
        answer_first.shorten(1000, "");
        assert_eq!(left(&answer_first), ["two", "2", "three"]);
        let mut all = memory(&talk);
        all.shorten(1000, "");
        assert_eq!(left(&all).len(), 5);
    }

    #[test]
    fn the_last_message_stays_and_instructions_count() {
        let mut memory = memory(&[(Role::User, "a"), (Role::Assistant, "b"), (Role::User, "c")]);
        memory.shorten(100, &"x".repeat(400));
        assert_eq!(left(&memory), ["c"]);
    }
}
