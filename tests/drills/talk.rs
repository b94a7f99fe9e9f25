//! People who write to the bot.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use emulator::{Emulator, Inbound};
use tokio::task::JoinSet;

use crate::{model::Expected, progress::until_nothing_is_left};

/// What everybody writes.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    /// Who writes, by number.
    pub(crate) contacts: RangeInclusive<usize>,
    /// What they write first, all but the number behind it, and how often: each starts a flow of its own.
    pub(crate) starters: Vec<(&'static str, usize)>,
    /// Numbers of the messages to the bot that counts.
    pub(crate) messages: RangeInclusive<usize>,
    /// Milliseconds between two of them.
    pub(crate) pause_ms: RangeInclusive<u64>,
    /// Whether every second contact writes all at once.
    pub(crate) hurry: bool,
    /// How likely Meta is to deliver an earlier message again after one.
    pub(crate) repeats: f64,
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            contacts: 1..=10,
            starters: Vec::new(),
            messages: 1..=10,
            pause_ms: 20..=200,
            hurry: false,
            repeats: 0.0,
        }
    }
}

/// People at it.
pub(crate) struct Talking {
    people: JoinSet<Result<(), String>>,
    left: Arc<AtomicUsize>,
}

/// A contact's phone.
pub(crate) fn phone(contact: usize) -> String {
    format!("1650555{contact:04}")
}

impl Talk {
    fn is_hurried(&self, contact: usize) -> bool {
        self.hurry && contact.is_multiple_of(2)
    }

    fn starters_of_one(&self) -> Vec<String> {
        let all = self.starters.iter().flat_map(|(word, times)| (1..=*times).map(move |n| format!("{word} {n}")));
        all.collect()
    }

    /// Adds to what these contacts must get.
    pub(crate) fn expect(&self, expected: &mut Vec<Expected>) {
        for contact in self.contacts.clone() {
            let phone = phone(contact);
            let index = expected.iter().position(|one| one.phone == phone).unwrap_or_else(|| {
                let hurried = self.is_hurried(contact);
                expected.push(Expected { phone, written: Vec::new(), hurried, once: Vec::new() });
                expected.len() - 1
            });
            let one = &mut expected[index];
            one.written.extend(self.messages.clone().map(|number| format!("message {number}")));
            one.once.extend(self.starters_of_one().iter().map(|starter| format!("{starter} went off")));
        }
    }

    /// How many messages they write.
    pub(crate) fn total(&self) -> usize {
        self.contacts.clone().count() * (self.starters_of_one().len() + self.messages.clone().count())
    }

    /// Lets them write.
    pub(crate) fn start(&self, emulator: &Emulator, dice: &mut fastrand::Rng) -> Talking {
        let left = Arc::new(AtomicUsize::new(self.total()));
        let mut people = JoinSet::new();
        for contact in self.contacts.clone() {
            let person = Person {
                talk: self.clone(),
                emulator: emulator.clone(),
                phone: phone(contact),
                hurried: self.is_hurried(contact),
                dice: dice.fork(),
                left: Arc::clone(&left),
            };
            people.spawn(person.write());
        }
        Talking { people, left }
    }
}

impl Talking {
    /// How many messages are not yet taken.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// Waits until every message was taken.
    pub(crate) async fn finished(mut self) -> Result<(), String> {
        let left = Arc::clone(&self.left);
        until_nothing_is_left("messages that no host takes", async || {
            Ok(vec!["a message".to_owned(); left.load(Ordering::SeqCst)])
        })
        .await?;
        while let Some(person) = self.people.join_next().await {
            person.map_err(|error| error.to_string())??;
        }
        Ok(())
    }
}

struct Person {
    talk: Talk,
    emulator: Emulator,
    phone: String,
    hurried: bool,
    dice: fastrand::Rng,
    left: Arc<AtomicUsize>,
}

impl Person {
    /// Writes it all; one after the other was taken, unless in a hurry.
    async fn write(mut self) -> Result<(), String> {
        let mut earlier: Vec<Inbound> = Vec::new();
        for starter in self.talk.starters_of_one() {
            self.say(&starter, &mut earlier).await?;
        }
        let texts: Vec<String> = self.talk.messages.clone().map(|number| format!("message {number}")).collect();
        if self.hurried {
            let tickets: Vec<_> = texts.iter().map(|text| self.emulator.say(&self.phone, text)).collect();
            for ticket in tickets {
                ticket.delivered().await.map_err(|gone| format!("{gone:?}"))?;
                self.left.fetch_sub(1, Ordering::SeqCst);
            }
            return Ok(());
        }
        for text in texts {
            self.say(&text, &mut earlier).await?;
        }
        Ok(())
    }

    async fn say(&mut self, text: &str, earlier: &mut Vec<Inbound>) -> Result<(), String> {
        let ticket = self.emulator.say(&self.phone, text);
        earlier.push(Inbound::text(&self.phone, text).wamid(&ticket.wamids[0]));
        ticket.delivered().await.map_err(|gone| format!("{gone:?}"))?;
        self.left.fetch_sub(1, Ordering::SeqCst);
        if self.dice.f64() < self.talk.repeats {
            // Nobody waits for what Meta delivers again, days later perhaps.
            let _delivered_some_time = self.emulator.say_with(earlier[self.dice.usize(..earlier.len())].clone());
        }
        tokio::time::sleep(Duration::from_millis(self.dice.u64(self.talk.pause_ms.clone()))).await;
        Ok(())
    }
}
