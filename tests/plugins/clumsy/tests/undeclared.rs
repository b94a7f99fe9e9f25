//! What the harness says of a plugin whose manifest lacks what it uses. No server takes it, so there is no component of it.

use chatboost_sdk::{
    prelude::*,
    testing::{Harness, Problem},
};

/// Wants to know the time, or draws lots.
#[config]
struct Undeclared {
    /// Whether it is the time.
    time: bool,
}

impl Node for Undeclared {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("undeclared", "Undeclared").exit("next", "Next")
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        if self.time {
            visit.set("at", clock::now_ms());
        } else {
            visit.set("drawn", random::below(6));
        }
        Ok(Outcome::next("next"))
    }
}

plugin! { title: "Undeclared", nodes: [Undeclared] }

#[test]
fn what_the_manifest_does_not_name_is_denied_with_the_missing_line() {
    let mut harness = Harness::native::<Plugin>();
    for (time, what) in [(true, "clock"), (false, "random")] {
        let turn = harness.node("undeclared", json!({ "time": time })).enter();
        let Err(Problem::Failure { failure, message, .. }) = &turn.outcome else { panic!("{turn:?}") };
        assert_eq!(failure, "denied");
        let line = format!("`{what}` may not be used: the plugin's manifest lacks `capabilities.{what}`: true");
        assert!(message.ends_with(&line), "{message}");
    }
}
