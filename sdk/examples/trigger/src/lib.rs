//! Triggers of all three kinds, and a node that counts.

use chatboost_sdk::prelude::*;

/// Messages that begin with a word.
#[config]
struct Command {
    /// The word, without the slash.
    word: String,
}

impl Matcher for Command {
    fn spec() -> TriggerSpec {
        TriggerSpec::new("command", "Slash command").example(
            Example::new("With an argument")
                .config(json!({ "word": "order" }))
                .input(json!({ "type": "text", "text": "/order 7" }))
                .expect(true),
        )
    }

    fn matches(&self, _call: &TriggerCall, occurrence: &Occurrence) -> Result<Option<Recognition>> {
        let Occurrence::Message(message) = occurrence else { return Ok(None) };
        let Some(rest) = message.text.strip_prefix('/').and_then(|text| text.strip_prefix(&self.word)) else {
            return Ok(None);
        };
        if !rest.is_empty() && !rest.starts_with(' ') {
            return Ok(None);
        }
        Ok(Some(Recognition::sure().extract("argument", rest.trim()).reason("the message begins with the command")))
    }
}

/// Requests with a contact in their body.
#[config]
struct Inbox {}

/// Body of a request.
#[data]
struct Note {
    phone: String,
    text: String,
    id: Option<String>,
}

impl WebhookHandler for Inbox {
    fn spec() -> TriggerSpec {
        TriggerSpec::new("inbox", "Inbox")
            .description("POST {phone, text, id?}: starts the flow with `note`.")
            .example(Example::new("A note").input(json!({ "body": { "phone": "491511", "text": "Hi" } })).expect(202))
            .example(Example::new("No phone").input(json!({ "body": { "text": "Hi" } })).expect(422))
    }

    fn handle(&self, _call: &TriggerCall, request: &HookRequest) -> Result<Handling> {
        if request.method != "POST" {
            return Ok(Handling::refuse(405, "only POST is taken"));
        }
        let note: Note = match request.json() {
            Ok(note) => note,
            Err(reason) => return Ok(Handling::refuse(422, reason)),
        };
        let mut event = TriggerEvent::new(note.phone).with("note", note.text);
        if let Some(id) = note.id {
            event = event.id(id);
        }
        Ok(Handling::json(202, &json!({ "taken": true }))?.event(event))
    }
}

/// News of a feed.
#[config]
struct Feed {
    /// Address of a JSON array of `{id, phone, text}`, ids growing.
    url: String,
}

/// One piece of news.
#[data]
struct News {
    id: u64,
    phone: String,
    text: String,
}

impl Poller for Feed {
    type Cursor = u64;

    fn spec() -> TriggerSpec {
        TriggerSpec::new("feed", "Feed").interval_seconds(300)
    }

    fn poll(&self, _call: &TriggerCall, cursor: Option<u64>) -> Result<Finding<u64>> {
        let news: Vec<News> = http::get(&self.url).send()?.success()?.json()?;
        let newest = news.iter().map(|item| item.id).max().or(cursor).unwrap_or(0);
        let fresh = news.into_iter().filter(|item| cursor.is_some_and(|cursor| item.id > cursor));
        let events =
            fresh.map(|item| TriggerEvent::new(item.phone).id(item.id.to_string()).with("news", item.text)).collect();
        Ok(Finding::new(events, newest))
    }
}

/// Counts visits of the contact.
#[config]
struct Count {}

impl Node for Count {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("count", "Count visits").exit("next", "Next")
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        let visits = kv::contact().increment("visits", 1)?;
        visit.set("visits", visits);
        visit.emit("custom.counted", json!({ "visits": visits }));
        Ok(Outcome::next("next"))
    }
}

plugin! {
    title: "Triggers",
    capabilities: Capabilities::none().log().kv_contact().http("*", &["GET"], &[]),
    nodes: [Count],
    matchers: [Command],
    webhooks: [Inbox],
    pollers: [Feed],
}
