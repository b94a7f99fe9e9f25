//! What the web service and the flow see of the node.

use chatboost_sdk::{
    json,
    testing::{Harness, Scripted},
};
use http_node::Plugin;

const SEARCH: &str = "https://quotes.example.com/v1/search";

#[test]
fn the_service_is_asked_with_the_key_and_the_quotation_kept() {
    let mut harness = Harness::of::<Plugin>();
    harness.secret("QUOTES_KEY", "s3cret");
    let asked = Scripted::new("POST", SEARCH).when_json(json!({ "topic": "patience" }));
    let asked = asked.when_header("authorization", "Bearer s3cret");
    harness.answers(asked.json(200, &json!({ "text": "All good things …", "author": "Anonymous" })));
    let mut play = harness.node("quote", json!({ "topic": "patience" }));
    play.enter().sets("quote", json!({ "text": "All good things …", "author": "Anonymous" })).leaves_by("found");
}

#[test]
fn no_quotation_is_no_failure() {
    let mut harness = Harness::of::<Plugin>();
    harness.secret("QUOTES_KEY", "s3cret").answers(Scripted::new("POST", SEARCH).text(404, "none"));
    harness.node("quote", json!({ "topic": "patience" })).enter().leaves_by("nothing");
}
