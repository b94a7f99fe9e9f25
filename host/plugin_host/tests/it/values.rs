//! What guests keep: stored with the outcome, counted once, within quotas.

use std::sync::Arc;

use domain::plugin::FailureKind;
use plugin_host::{Caller, KvEntry, KvScope, Limits};
use serde_json::json;

use crate::{
    guests::Guest,
    world::{World, caller, effect, failure, host, limits, load},
};

fn keeper(world: &Arc<World>) -> Caller {
    let kv = json!({ "kv": { "bot": true, "contact": true } });
    caller(world.clone(), kv.clone(), kv)
}

/// Adds one to `points` and stores a note.
fn counting() -> Guest {
    let mut guest = Guest::decent().importing(&["increment", "set"]);
    let (points, note) = (guest.text("points"), guest.text("note"));
    guest.execute = format!(
        "(call $increment (i32.const 1) {points} (i64.const 1) (i32.const 512))
         (if (i32.load8_u (i32.const 512)) (then (return (call $fault (i32.load (i32.const 524)) (i32.load (i32.const 528))))))
         (call $set (i32.const 1) {note} {note} (i32.const 0) (i32.const 0) (i32.const 560))
         (if (i32.load8_u (i32.const 560)) (then (return (call $fault (i32.load (i32.const 568)) (i32.load (i32.const 572))))))
         (call $next)"
    );
    guest
}

#[tokio::test]
async fn values_are_stored_with_the_outcome_and_counted_once() {
    let host = host();
    let plugin = load(&host, counting().component()).await;
    let world = Arc::new(World::default());
    *world.conflicts.lock().unwrap() = 2;
    let called = host.node(&plugin, &keeper(&world), &effect()).await;
    assert!(called.result.is_ok(), "{called:?}");
    assert_eq!(called.usage.kv_calls, 6, "made three times");
    let points = (KvScope::Contact, "points".to_owned());
    assert_eq!(world.kv.lock().unwrap()[&points].value, b"1");
    {
        let commits = world.commits.lock().unwrap();
        let (changes, outcome) = commits.last().unwrap();
        assert_eq!((commits.len(), changes.writes.len(), changes.checks.len()), (3, 2, 1));
        assert!(outcome.is_some());
    }
    // Somebody is always faster.
    *world.conflicts.lock().unwrap() = 1000;
    let (kind, message) = failure(&host.node(&plugin, &keeper(&world), &effect()).await);
    assert!(kind == FailureKind::Overloaded && message.contains("8 times"), "{message}");
    assert_eq!(world.kv.lock().unwrap()[&points].value, b"1");
}

#[tokio::test]
async fn a_call_that_fails_stores_nothing() {
    let host = host();
    let mut guest = counting();
    guest.execute = guest.execute.replace("(call $next)", "(unreachable)");
    let plugin = load(&host, guest.component()).await;
    let world = Arc::new(World::default());
    assert_eq!(failure(&host.node(&plugin, &keeper(&world), &effect()).await).0, FailureKind::Trapped);
    assert!(world.commits.lock().unwrap().is_empty());
}

#[tokio::test]
async fn values_have_quotas_and_rights() {
    let host = host();
    let plugin = load(&host, counting().component()).await;
    let world = Arc::new(World::default());
    let told = |caller: Caller| {
        let (host, plugin) = (host.clone(), plugin.clone());
        async move { format!("{:?}", host.node(&plugin, &caller, &effect()).await.result.unwrap_err()) }
    };
    let keeper = keeper(&world);
    for (limits, word) in [
        (Limits { kv_calls: 1, ..limits() }, "a call may use kv 1 times"),
        (Limits { kv_bytes: 10, ..limits() }, "a call may read and write 10 bytes of kv"),
        (Limits { kv_value_bytes: 0, ..limits() }, "a value has at most 0 bytes"),
        (Limits { kv_stored_keys: 1, ..limits() }, "there may be 1 keys"),
        (Limits { kv_stored_bytes: 12, ..limits() }, "may have 12 bytes together"),
    ] {
        let error = told(Caller { limits, ..keeper.clone() }).await;
        assert!(error.contains(word), "{error}");
    }
    assert!(told(Caller { has_contact: false, ..keeper.clone() }).await.contains("no contact in this call"));
    let bot_only = json!({ "kv": { "bot": true } });
    let denied = caller(world.clone(), json!({ "kv": { "bot": true, "contact": true } }), bot_only);
    assert!(told(denied).await.replace('\\', "").contains(r#"the grant for this bot lacks `kv`: {"contact":true}"#));
    let text = KvEntry { value: b"many".to_vec(), version: 3 };
    world.kv.lock().unwrap().insert((KvScope::Contact, "points".to_owned()), text);
    assert!(told(keeper.clone()).await.contains("is no whole number"));
    // A full scope still lets what is there be changed.
    world.kv.lock().unwrap().clear();
    for key in ["points", "note"] {
        world.kv.lock().unwrap().insert((KvScope::Contact, key.into()), KvEntry { value: b"7".to_vec(), version: 1 });
    }
    let full = Caller { limits: Limits { kv_stored_keys: 2, ..limits() }, ..keeper };
    assert!(host.node(&plugin, &full, &effect()).await.result.is_ok());
}
