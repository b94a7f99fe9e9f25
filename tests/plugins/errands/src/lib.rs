//! Nodes that wait for events, tell of some, change the contact and count, and an address that counts: for tests of what
//! becomes of it all.

use std::time::Duration;

use chatboost_sdk::prelude::*;

/// Waits for an event of the contact.
#[config]
struct Await {
    /// Its name.
    event: String,
    /// Longest wait; without, for ever.
    #[serde(default)]
    seconds: Option<u64>,
}

impl Node for Await {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("await", "Wait for an event").exit("came", "It came").exit("over", "The time is over")
    }

    fn execute(&self, _visit: &mut Visit) -> Result<Outcome> {
        let wait = Outcome::wait_event(&self.event);
        Ok(match self.seconds {
            Some(seconds) => wait.within(Duration::from_secs(seconds)),
            None => wait,
        })
    }

    fn resume(&self, visit: &mut Visit, cause: Cause) -> Result<Outcome> {
        match cause {
            Cause::Event(event) => {
                visit.set("heard", json!({ "name": event.name, "payload": event.payload }));
                Ok(Outcome::next("came"))
            }
            Cause::TimedOut => Ok(Outcome::next("over")),
            other => Ok(Outcome::Fail(format!("went on by {other:?}"))),
        }
    }
}

/// Tells of an event of the contact.
#[config]
struct Tell {
    /// Its name.
    event: String,
    /// What it brings.
    #[serde(default)]
    payload: Value,
}

impl Node for Tell {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("tell", "Tell of an event").exit("next", "Next")
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        visit.emit(&self.event, self.payload.clone());
        Ok(Outcome::next("next"))
    }
}

/// Asks a web service, and changes the contact when it has answered.
#[config]
struct Label {
    /// Address of the service.
    url: String,
    /// What becomes of the contact: a tag more, and the name of an attribute that is set to true.
    label: String,
}

impl Node for Label {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("label", "Label the contact").exit("next", "Next")
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        http::get(&self.url).send()?.success()?;
        let change = visit.change_contact();
        change.add_tags.push(self.label.clone());
        change.attributes.insert(self.label.clone(), true.into());
        Ok(Outcome::next("next"))
    }
}

/// Panics, asks for the time or for randomness, or goes on, as it is told.
#[config]
struct Whim {
    /// `panic`, `clock`, `random`; anything else goes on.
    what: String,
}

impl Node for Whim {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("whim", "Whim").exit("next", "Next")
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        match self.what.as_str() {
            "panic" => panic!("as told"),
            "clock" => visit.set("at", clock::now_ms()),
            "random" => visit.set("drawn", random::bytes(8).len()),
            _ => visit.set("whim", self.what.clone()),
        }
        Ok(Outcome::next("next"))
    }
}

/// Counts how often it is called, beside what it has noted: for measuring calls that take a state and give one back.
#[config]
struct Tally {
    /// What is noted at the first call.
    greeting: String,
}

/// What it remembers.
#[data]
struct Tallied {
    notes: String,
    #[serde(default)]
    times: u64,
}

impl Node for Tally {
    type State = Tallied;

    fn spec() -> NodeSpec {
        NodeSpec::new("tally", "Count the calls").exit("next", "Next")
    }

    fn execute(&self, visit: &mut Visit<Tallied>) -> Result<Outcome> {
        match visit.state_mut() {
            Some(tallied) => tallied.times += 1,
            None => visit.remember(Tallied { notes: self.greeting.clone(), times: 1 }),
        }
        Ok(Outcome::next("next"))
    }
}

/// Counts the requests that come to its address.
#[config]
struct Counter {}

/// Body of a request.
#[data]
struct Visitor {
    phone: String,
    id: Option<String>,
}

impl WebhookHandler for Counter {
    fn spec() -> TriggerSpec {
        TriggerSpec::new("counter", "Counter")
    }

    fn handle(&self, _call: &TriggerCall, request: &HookRequest) -> Result<Handling> {
        let visitor: Visitor = match request.json() {
            Ok(visitor) => visitor,
            Err(reason) => return Ok(Handling::refuse(422, reason)),
        };
        let count = kv::bot().increment("requests", 1)?;
        let mut event = TriggerEvent::new(visitor.phone).with("count", count);
        if let Some(id) = visitor.id {
            event = event.id(id);
        }
        Ok(Handling::json(202, &json!({ "count": count }))?.event(event))
    }
}

plugin! {
    title: "Errands",
    capabilities: Capabilities::none().log().clock().random().kv_bot().http("*", &["GET"], &[]),
    nodes: [Await, Tell, Label, Whim, Tally],
    webhooks: [Counter],
}
