//! What the trigger does. Signatures were made with OpenSSL: printf %s BODY | openssl dgst -sha256 -hmac SECRET.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chatboost_sdk::{Handling, HookRequest, Value, json, testing::Harness};
use store_webhook::Plugin;

const SECRET: &str = "shhh";
const ORDER: &str = r#"{"id":820982911,"phone":"","customer":{"first_name":"Ada","last_name":"Lovelace","phone":"+4915112345678"},"total_price":"12.50"}"#;
const SIGNATURE: &str = "0b9f9f14a29c44649f20a5d3a9bc060ed77a102406e8db521ba988a593de727a";

fn request(headers: &[(&str, &str)], body: &str) -> HookRequest {
    let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    HookRequest { method: "POST".to_owned(), headers, body: body.as_bytes().to_vec(), ..HookRequest::default() }
}

fn handled(config: Value, request: HookRequest) -> Handling {
    let mut harness = Harness::of::<Plugin>();
    harness.secret("WEBHOOK_SECRET", SECRET);
    harness.handle("order", config, request).unwrap()
}

fn custom() -> Value {
    json!({ "shop": "custom", "signature": { "header": "X-Signature", "prefix": "sha256=" } })
}

fn base64_of(hex: &str) -> String {
    chatboost_sdk::base64::encode(&chatboost_sdk::hex::decode(hex).unwrap())
}

#[test]
fn a_signed_order_starts_the_flow_with_its_customer() {
    let shopify = [
        ("x-shopify-hmac-sha256", base64_of(SIGNATURE)),
        ("x-shopify-topic", "orders/create".to_owned()),
        ("x-shopify-webhook-id", "delivery-1".to_owned()),
    ];
    let headers: Vec<(&str, &str)> = shopify.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let handling = handled(json!({ "shop": "shopify", "topics": ["orders/create"] }), request(&headers, ORDER));
    assert_eq!(handling.status, 204);
    let [event] = handling.events.as_slice() else { panic!("{handling:?}") };
    assert_eq!(event.contact, "+4915112345678");
    assert_eq!(event.contact_name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(event.id.as_deref(), Some("delivery-1"));
    assert_eq!(event.initial_state["order"]["total_price"], "12.50");
    assert_eq!(event.initial_state["topic"], "orders/create");
}

#[test]
fn an_order_of_a_shop_of_its_own_kind_is_known_by_its_id() {
    let header = format!("sha256={SIGNATURE}");
    let handling = handled(custom(), request(&[("x-signature", &header)], ORDER));
    assert_eq!(handling.events[0].id.as_deref(), Some("820982911"));
}

#[test]
fn what_is_not_signed_rightly_is_refused() {
    let right = format!("sha256={SIGNATURE}");
    let other_end = format!("{}0", &right[..right.len() - 1]);
    for headers in [
        vec![],
        vec![("x-signature", SIGNATURE)],
        vec![("x-signature", "sha256=")],
        vec![("x-signature", "sha256=zz")],
        vec![("x-signature", other_end.as_str())],
    ] {
        let handling = handled(custom(), request(&headers, ORDER));
        assert_eq!((handling.status, handling.events.len()), (401, 0), "{headers:?}");
    }
    let changed = ORDER.replace("12.50", "00.01");
    assert_eq!(handled(custom(), request(&[("x-signature", &right)], &changed)).status, 401);
}

#[test]
fn other_topics_and_orders_without_a_phone_start_nothing() {
    let wc = base64_of(SIGNATURE);
    let headers = [("x-wc-webhook-signature", wc.as_str()), ("x-wc-webhook-topic", "order.updated")];
    let handling = handled(json!({ "shop": "woocommerce", "topics": ["order.created"] }), request(&headers, ORDER));
    assert_eq!((handling.status, handling.events.len()), (204, 0));
    let header = format!("sha256={SIGNATURE}");
    let mut elsewhere = custom();
    elsewhere["phone"] = json!(["/phone", "/nobody"]);
    let handling = handled(elsewhere, request(&[("x-signature", &header)], ORDER));
    assert_eq!((handling.status, handling.events.len()), (204, 0));
}

#[test]
fn only_post_is_taken() {
    let get = HookRequest { method: "GET".to_owned(), ..HookRequest::default() };
    assert_eq!(handled(custom(), get).status, 405);
}

#[test]
fn faults_of_the_configuration_are_named() {
    let mut harness = Harness::of::<Plugin>();
    harness.secret("WEBHOOK_SECRET", SECRET);
    for config in [json!({ "shop": "custom" }), json!({ "shop": "shopify", "signature": { "header": "x" } })] {
        let fault = harness.handle("order", config, request(&[], ORDER)).unwrap_err();
        assert!(format!("{fault}").starts_with("/signature: "), "{fault}");
    }
}

#[test]
fn without_the_secret_it_says_so() {
    let header = format!("sha256={SIGNATURE}");
    let fault =
        Harness::of::<Plugin>().handle("order", custom(), request(&[("x-signature", &header)], ORDER)).unwrap_err();
    assert!(format!("{fault}").contains("WEBHOOK_SECRET"), "{fault}");
}
