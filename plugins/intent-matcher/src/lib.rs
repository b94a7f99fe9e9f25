//! A trigger that understands what people mean, even with typing errors.

mod likeness;

use chatboost_sdk::prelude::*;
use likeness::{likeness, words};

/// What people may want, and how they say it.
#[config]
struct Intents {
    /// What people may want; the likeliest one counts.
    #[schemars(length(min = 1, max = 50))]
    intents: Vec<Intent>,
    /// How like a phrase a message must be, from 0 to 1.
    #[serde(default = "likely")]
    #[schemars(range(min = 0.0, max = 1.0))]
    minimum_score: f64,
}

/// Something that people may want.
#[config]
struct Intent {
    /// Its name; the flow finds it in the variable `intent`.
    name: String,
    /// Ways to say it. Case, accents, punctuation and small typing errors do not matter; other words may stand around.
    #[schemars(length(min = 1, max = 100))]
    phrases: Vec<String>,
}

fn likely() -> f64 {
    0.8
}

impl Matcher for Intents {
    fn spec() -> TriggerSpec {
        let config = json!({ "intents": [
            { "name": "opening_hours", "phrases": ["opening hours", "when are you open"] },
            { "name": "order", "phrases": ["where is my order", "track my parcel"] },
        ] });
        let text = |text: &str| json!({ "type": "text", "text": text });
        TriggerSpec::new("intent", "Intent")
            .description("Matches messages that mean one of several things, in spite of typing errors.")
            .example(
                Example::new("With a typing error").config(config.clone()).input(text("Whre is my ordr?")).expect(true),
            )
            .example(Example::new("Something else").config(config).input(text("Good morning")).expect(false))
    }

    fn matches(&self, _call: &TriggerCall, occurrence: &Occurrence) -> Result<Option<Recognition>> {
        let Occurrence::Message(message) = occurrence else { return Ok(None) };
        let said = words(&message.text);
        let mut best: Option<(f64, &str, &str)> = None;
        for (at, intent) in self.intents.iter().enumerate() {
            for (index, phrase) in intent.phrases.iter().enumerate() {
                let wanted = words(phrase);
                if wanted.is_empty() {
                    let pointer = format!("/intents/{at}/phrases/{index}");
                    return Err(Fault::config(pointer, "the phrase has neither letters nor digits"));
                }
                let score = likeness(&wanted, &said);
                if best.is_none_or(|(highest, ..)| score > highest) {
                    best = Some((score, &intent.name, phrase));
                }
            }
        }
        let found = best.filter(|(score, ..)| *score >= self.minimum_score);
        Ok(found.map(|(score, intent, phrase)| {
            Recognition::with_score(score)
                .extract("intent", intent)
                .extract("intent_score", score)
                .reason(format!("{:.0} % like \"{phrase}\" ({intent})", score * 100.0))
        }))
    }
}

plugin! { title: "Intent matcher", capabilities: Capabilities::none().log(), matchers: [Intents] }
