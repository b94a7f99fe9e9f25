//! What the node does.

use chatboost_sdk::{
    Fault, Value,
    http::HttpError,
    json,
    testing::{Harness, Scripted},
};
use http_lookup::Plugin;

const URL: &str = "https://shop.example.com/orders/7?full=1";

fn answered(scripted: Scripted, config: Value) -> chatboost_sdk::testing::Turn {
    let mut harness = Harness::of::<Plugin>();
    harness.secret("LOOKUP_KEY", "s3cret").answers(scripted);
    harness.node("lookup", config).enter()
}

#[test]
fn parts_of_the_answer_become_variables() {
    let order = json!({ "order": { "state": "sent", "items": [{ "name": "Tea" }], "a/b": 1 } });
    let config = json!({
        "url": URL,
        "keep": { "order.state": "/order/state", "first": "/order/items/0/name", "slash": "/order/a~1b", "no": "/x", "all": "" },
        "required": ["/order/items/0"],
    });
    let turn = answered(Scripted::new("GET", URL).json(200, &order), config);
    turn.leaves_by("found").sets("order.state", "sent").sets("first", "Tea").sets("slash", 1).sets("no", Value::Null);
    turn.sets("all", order);
}

#[test]
fn the_secret_goes_into_the_header_that_is_named() {
    let scripted = Scripted::new("GET", URL).when_header("authorization", "Bearer s3cret");
    answered(scripted, json!({ "url": URL, "authorization": {} })).leaves_by("found");
    let scripted = Scripted::new("GET", URL).when_header("x-key", "s3cret");
    answered(scripted, json!({ "url": URL, "authorization": { "header": "x-key", "prefix": "" } })).leaves_by("found");
}

#[test]
fn a_body_is_sent_as_json_with_an_idempotency_key() {
    let scripted = Scripted::new("POST", URL)
        .when_json(json!({ "q": [1, "two"] }))
        .when_header("idempotency-key", "call-1")
        .when_header("content-type", "application/json")
        .when_header("accept", "application/json");
    let headers = json!({ "accept": "application/json" });
    answered(scripted, json!({ "method": "POST", "url": URL, "headers": headers, "body": { "q": [1, "two"] } }))
        .leaves_by("found");
}

#[test]
fn what_is_not_there_is_not_found() {
    let config = json!({ "url": URL, "keep": { "x": "/x" }, "required": ["/x"] });
    for scripted in [
        Scripted::new("GET", URL).text(404, "no such order"),
        Scripted::new("GET", URL).json(200, &json!({ "x": null })),
        Scripted::new("GET", URL),
    ] {
        let turn = answered(scripted, config.clone());
        turn.leaves_by("not_found");
        assert!(turn.actions.is_empty());
    }
}

#[test]
fn what_may_pass_is_told_from_what_does_not() {
    let fault = |scripted: Scripted| answered(scripted, json!({ "url": URL })).fault().clone();
    let request = || Scripted::new("GET", URL);
    assert_eq!(
        fault(request().text(429, "").header("Retry-After", "7")),
        Fault::Retryable { message: "the other side answered 429".to_owned(), retry_after_ms: Some(7000) }
    );
    assert!(matches!(fault(request().text(503, "")), Fault::Retryable { retry_after_ms: None, .. }));
    assert!(matches!(fault(request().error(HttpError::TimedOut)), Fault::Retryable { .. }));
    assert!(matches!(fault(request().text(401, "")), Fault::Permanent { code: Some(code), .. } if code == "http_401"));
    assert!(
        matches!(fault(request().text(200, "<html>")), Fault::Permanent { code: Some(code), .. } if code == "bad_answer")
    );
    let denied = HttpError::Denied("the grant lacks shop.example.com".to_owned());
    assert!(
        matches!(fault(request().error(denied)), Fault::Permanent { code: Some(code), .. } if code == "http_denied")
    );
}

#[test]
fn faults_of_the_configuration_are_named() {
    for (config, pointer) in [
        (json!({ "url": URL, "keep": { "a/b": "x" } }), "/keep/a~1b"),
        (json!({ "url": URL, "required": ["/x", "y"] }), "/required/1"),
        (json!({ "url": URL, "body": {} }), "/body"),
        (json!({ "url": URL, "method": "get" }), ""),
    ] {
        let turn = Harness::of::<Plugin>().node("lookup", config).enter();
        assert!(matches!(turn.fault(), Fault::InvalidConfig { pointer: found, .. } if found == pointer), "{turn:?}");
    }
}

#[test]
fn without_the_secret_it_says_so() {
    let turn = Harness::of::<Plugin>().node("lookup", json!({ "url": URL, "authorization": {} })).enter();
    assert!(matches!(turn.fault(), Fault::Permanent { code: Some(code), .. } if code == "secret_missing"));
}
