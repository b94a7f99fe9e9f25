//! Tests of plugins: a scripted contact, web services that answer as told, a clock that stands still.
//!
//! [`Harness::of`] runs the plugin as it is, with nothing but `cargo test`. The same test runs the component instead, in the
//! server's own runtime, when `CHATBOOST_TEST_COMPONENT` names it, as `chatboost plugin test` does.
//!
//! ```
//! use chatboost_sdk::prelude::*;
//! # /// Asks for a name.
//! # #[config]
//! # struct AskName {}
//! # impl Node for AskName {
//! #     type State = ();
//! #     fn spec() -> NodeSpec {
//! #         NodeSpec::new("ask-name", "Ask for a name").exit("known", "Known").exit("silent", "Silent")
//! #     }
//! #     fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
//! #         visit.say("What is your name?");
//! #         Ok(Outcome::wait_input().within(std::time::Duration::from_secs(60)))
//! #     }
//! #     fn resume(&self, visit: &mut Visit, cause: Cause) -> Result<Outcome> {
//! #         let Cause::Input(message) = cause else { return Ok(Outcome::next("silent")) };
//! #         visit.set("name", message.text);
//! #         Ok(Outcome::next("known"))
//! #     }
//! # }
//! # plugin! { title: "Names", nodes: [AskName] }
//! use chatboost_sdk::testing::Harness;
//!
//! # fn main() {
//! let mut harness = Harness::of::<Plugin>();
//! let mut play = harness.node("ask-name", json!({}));
//! play.enter().says(&["What is your name?"]).waits_for_input();
//! play.say("Ada").sets("name", "Ada").leaves_by("known");
//!
//! play.enter();
//! play.time_out().leaves_by("silent");
//! # }
//! ```

mod asking;
mod clock;
mod component;
mod examples;
mod fake_http;
mod harness;
pub(crate) mod host;
mod native;
mod play;
pub mod protocol;
mod rights;
mod store;
mod turn;

pub use fake_http::Scripted;
pub use harness::{Answered, Harness, Problem};
pub use play::Play;
pub use turn::Turn;

use protocol::{Call, Returned};

/// What makes the calls: this thread, or a program that runs the component.
trait Engine {
    /// What the plugin says of itself.
    fn manifest(&self) -> crate::Manifest;

    /// Makes a call. Requests go to `http`.
    fn call(&mut self, call: Call, http: &fake_http::Shared) -> Returned;
}
