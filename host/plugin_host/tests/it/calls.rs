//! What calls give back.

use std::sync::Arc;

use domain::plugin::{FailureKind, NodeCause, NodeOutcome, PluginFault};
use plugin_host::{CallError, HookRequest, LogLevel, Occurrence, TriggerCall};
use serde_json::json;

use crate::{
    guests::Guest,
    world::{caller, effect, failure, host, load, plain_caller},
};

fn trigger() -> TriggerCall {
    TriggerCall { trigger_type: "match".into(), config: json!({}), context: json!({}), call_id: "1".into() }
}

#[tokio::test]
async fn every_export_is_called_and_read() {
    let host = host();
    let plugin = load(&host, Guest::decent().component()).await;
    let caller = plain_caller();
    let described = host.describe(&plugin, &caller).await.result.unwrap();
    assert_eq!((described.name.as_str(), described.nodes.len(), described.triggers.len()), ("sample", 1, 3));

    let called = host.node(&plugin, &caller, &effect()).await;
    assert_eq!(called.result.unwrap().outcome, NodeOutcome::Next { exit: "done".into() });
    assert!(called.usage.cpu_us > 0 && called.usage.wall_us >= called.usage.instantiate_us);
    assert_eq!(called.usage.peak_memory_bytes, 2 << 16);

    let mut again = effect();
    for cause in [
        NodeCause::Input(json!({ "text": "hi" })),
        NodeCause::TimedOut,
        NodeCause::Elapsed,
        NodeCause::Event(json!({ "name": "custom.paid" })),
        NodeCause::Forced,
    ] {
        again.cause = cause;
        assert!(host.node(&plugin, &caller, &again).await.result.is_ok());
    }

    let found = host.matches(&plugin, &caller, &trigger(), &Occurrence::Message(json!({}))).await;
    assert_eq!(found.result.unwrap().unwrap().score, 0.5);
    let request = HookRequest {
        method: "POST".into(),
        path: String::new(),
        query: Some("a=1".into()),
        headers: vec![("x".into(), "y".into())],
        body: b"{}".to_vec(),
    };
    let handled = host.handle(&plugin, &caller, &trigger(), &request).await.result.unwrap();
    assert_eq!((handled.status, handled.body.as_slice()), (200, b"done".as_slice()));
    let found = host.poll(&plugin, &caller, &trigger(), Some(&json!(7))).await.result.unwrap();
    assert!(found.events.is_empty() && found.cursor.is_none());
}

#[tokio::test]
async fn state_actions_and_faults_come_through() {
    let host = host();
    let mut guest = Guest::decent();
    let state = guest.text(r#"{"turn":1}"#);
    let actions = guest.text(r#"{"messages":[{"message_type":"text","content":{"text":"Hi\u0000!"}}]}"#);
    guest.execute = format!("(call $state {state})");
    guest.resume = format!("(call $actions {actions})");
    let plugin = load(&host, guest.component()).await;
    let step = host.node(&plugin, &plain_caller(), &effect()).await.result.unwrap();
    assert_eq!(step.state, Some(json!({ "turn": 1 })));
    let mut resumed = effect();
    resumed.cause = NodeCause::Elapsed;
    let step = host.node(&plugin, &plain_caller(), &resumed).await.result.unwrap();
    assert_eq!(step.actions.messages[0].content, json!({ "text": "Hi!" }), "without NUL, which databases refuse");

    let mut guest = Guest::decent();
    let sentence = guest.text("no such order");
    guest.execute = format!("(call $fault {sentence})");
    let plugin = load(&host, guest.component()).await;
    let fault = host.node(&plugin, &plain_caller(), &effect()).await.result.unwrap_err();
    let expected = PluginFault::Permanent { message: "no such order".into(), code: None };
    assert_eq!(fault, CallError::Fault(expected));
}

#[tokio::test]
async fn what_is_not_what_it_should_be_is_invalid_output() {
    let host = host();
    for (body, text, word) in [
        ("$state", "{", "`state`"),
        ("$state", r#""\ud800""#, "`state`"),
        ("$actions", r#"{"mesages":[]}"#, "mesages"),
        ("$actions", r#"{"messages":[{"message_type":5}]}"#, "`actions`"),
        ("$exit", "", "1 to 200 bytes"),
        ("$exit", "a\nb", "1 to 200 bytes"),
    ] {
        let mut guest = Guest::decent();
        let text_at = guest.text(text);
        guest.execute = format!("(call {body} {text_at})");
        let plugin = load(&host, guest.component()).await;
        let (kind, message) = failure(&host.node(&plugin, &plain_caller(), &effect()).await);
        assert!(kind == FailureKind::InvalidOutput && message.contains(word), "{text}: {kind:?} {message}");
    }
    // A text that is no UTF-8, and one that lies outside memory.
    for body in [
        "(i32.store8 (i32.const 1088) (i32.const 255)) (call $next)",
        "(call $exit (i32.const 1) (i32.const 99999999))",
    ] {
        let plugin = load(&host, Guest::executing(body).component()).await;
        let called = host.node(&plugin, &plain_caller(), &effect()).await;
        assert!(matches!(failure(&called).0, FailureKind::InvalidOutput | FailureKind::Trapped), "{called:?}");
    }
}

#[tokio::test]
async fn the_last_words_and_the_functions_of_a_panic_are_for_the_owner() {
    let host = host();
    let mut guest = Guest::decent().importing(&["log"]);
    let words = guest.text("panicked at src/lib.rs:7: no hours given");
    guest.items = "(func $read_hours (unreachable)) (func $plan (call $read_hours))".into();
    guest.execute = format!(
        "(call $log (i32.const 3) {words} (i32.const 0) (i32.const 0) (i32.const 0)) (call $plan) (call $next)"
    );
    let plugin = load(&host, guest.component()).await;
    let called = host.node(&plugin, &plain_caller(), &effect()).await;
    let Err(CallError::Failure(failure)) = called.result else { panic!("it should have failed") };
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Trapped, "the plugin panicked"));
    let detail = failure.detail.unwrap();
    assert!(detail.contains("no hours given") && detail.contains("read_hours") && detail.contains("plan"), "{detail}");
    assert_eq!((called.logs.len(), called.logs[0].level), (1, LogLevel::Error));
}

#[tokio::test]
async fn a_plugin_without_the_export_is_told_apart() {
    let host = host();
    // A module with nodes only, for the world of nodes.
    let wit =
        crate::guests::wit().replace("world plugin {", "world both {").replace("world node-plugin {", "world plugin {");
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
            (func (export "chatboost:plugin/manifest@0.1.0#describe") (result i32) (i32.const 0))
            (func (export "chatboost:plugin/node@0.1.0#execute") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 0))
            (func (export "chatboost:plugin/node@0.1.0#resume") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 0)))"#,
    )
    .unwrap();
    let plugin = load(&host, crate::guests::wrap_for(&module, &wit)).await;
    assert!(plugin.has_nodes() && !plugin.has_triggers());
    let called = host.matches(&plugin, &plain_caller(), &trigger(), &Occurrence::Event(json!({}))).await;
    assert_eq!(failure(&called).0, FailureKind::Unavailable);
}

#[tokio::test]
async fn ten_thousand_calls_leave_nothing_behind() {
    let host = host();
    let plugin = load(&host, Guest::decent().component()).await;
    let caller = caller(Arc::default(), json!({}), json!({}));
    let effect = effect();
    for _ in 0..1_000 {
        assert!(host.node(&plugin, &caller, &effect).await.result.is_ok());
    }
    let before = resident_bytes();
    for _ in 0..10_000 {
        assert!(host.node(&plugin, &caller, &effect).await.result.is_ok());
    }
    let grown = resident_bytes().saturating_sub(before);
    // A leak of one page per call would be 40 MB; other tests of this process run meanwhile and may keep some.
    assert!(grown < 20 << 20, "{grown} bytes more");
    assert_eq!((host.load_now().running, host.load_now().waiting), (0, 0));
}

/// Bytes of memory that this process has.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
