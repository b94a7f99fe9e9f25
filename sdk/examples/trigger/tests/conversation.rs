//! What starts flows, and what does not.

use chatboost_sdk::{
    HookRequest, json,
    testing::{Harness, Scripted},
};
use trigger::Plugin;

#[test]
fn a_command_is_recognised_with_its_argument() {
    let mut harness = Harness::of::<Plugin>();
    let config = json!({ "word": "order" });
    let found = harness.matches("command", config.clone(), "/order 7").unwrap().unwrap();
    assert_eq!(found.extracted["argument"], "7");
    assert_eq!(harness.matches("command", config, "/orders").unwrap(), None);
}

#[test]
fn a_note_starts_a_flow_and_anything_else_is_refused() {
    let mut harness = Harness::of::<Plugin>();
    let body = json!({ "phone": "4915112345678", "text": "call me", "id": "n1" }).to_string();
    let request = HookRequest { method: "POST".into(), body: body.into(), ..HookRequest::default() };
    let handling = harness.handle("inbox", json!({}), request.clone()).unwrap();
    assert_eq!((handling.status, handling.events.len()), (202, 1));
    let request = HookRequest { body: b"no JSON".to_vec(), ..request };
    assert_eq!(harness.handle("inbox", json!({}), request).unwrap().status, 422);
}

#[test]
fn only_news_since_the_last_look_count() {
    let mut harness = Harness::of::<Plugin>();
    let url = "https://feed.example.com/news.json";
    let feed = json!([{ "id": 1, "phone": "4915112345678", "text": "old" }, { "id": 2, "phone": "4915112345678", "text": "new" }]);
    harness.answers(Scripted::new("GET", url).json(200, &feed)).answers(Scripted::new("GET", url).json(200, &feed));
    let (events, cursor) = harness.poll("feed", json!({ "url": url }), None).unwrap();
    assert_eq!((events.len(), cursor), (0, Some(json!(2))));
    let (events, cursor) = harness.poll("feed", json!({ "url": url }), Some(json!(1))).unwrap();
    assert_eq!((events.len(), cursor), (1, Some(json!(2))));
}
