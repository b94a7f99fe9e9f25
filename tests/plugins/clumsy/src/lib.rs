//! Nodes that do what they should not, made with the SDK as any other.

use chatboost_sdk::prelude::*;

/// Panics with a text, some calls deep.
#[config]
struct Panic {
    /// What it says.
    text: String,
}

impl Node for Panic {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("panic", "Panic")
    }

    fn execute(&self, _visit: &mut Visit) -> Result<Outcome> {
        log::info!("before the panic");
        Ok(fall_over(&self.text))
    }
}

#[inline(never)]
fn fall_over(text: &str) -> Outcome {
    panic!("{text}")
}

/// Returns a thing that cannot be.
#[config]
struct Nonsense {}

impl Node for Nonsense {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("nonsense", "Nonsense").exit("next", "Next")
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        visit.emit("new_contact", Value::Null);
        Ok(Outcome::next("nowhere"))
    }
}

/// Says that something went wrong.
#[config]
struct Faulty {
    /// `invalid_config`, `retryable` or `permanent`.
    kind: String,
}

impl Node for Faulty {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("faulty", "Faulty").exit("next", "Next")
    }

    fn execute(&self, _visit: &mut Visit) -> Result<Outcome> {
        Err(match self.kind.as_str() {
            "retryable" => Fault::retryable("later").after(std::time::Duration::from_secs(1)),
            "permanent" => Fault::permanent("never").code("no_way"),
            _ => Fault::config("/kind", "there is no such fault"),
        })
    }
}

/// Asks for what the manifest does not name.
#[config]
struct Greedy {}

impl Node for Greedy {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("greedy", "Greedy").exit("next", "Next")
    }

    fn execute(&self, _visit: &mut Visit) -> Result<Outcome> {
        http::get("https://not-in-the-manifest.example.com/").send()?;
        Ok(Outcome::next("next"))
    }
}

plugin! {
    title: "Clumsy",
    capabilities: Capabilities::none().log().http("example.com", &[], &[]),
    nodes: [Panic, Nonsense, Faulty, Greedy],
}
