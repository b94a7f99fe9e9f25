//! A node that says hello.

use chatboost_sdk::prelude::*;

/// Greets the contact by name.
#[config]
struct Hello {
    /// Said before the name.
    greeting: String,
}

impl Node for Hello {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("hello", "Say hello")
            .exit("next", "Next")
            .example(Example::new("Hi").config(json!({ "greeting": "Hi" })).expect("next"))
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        let name = visit.contact().first_name.as_deref().unwrap_or("you").to_owned();
        visit.say(format!("{} {name}!", self.greeting));
        Ok(Outcome::next("next"))
    }
}

plugin! { title: "Hello", nodes: [Hello] }
