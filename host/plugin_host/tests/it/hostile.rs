//! Guests that mean harm. Each ends as a named failure, the host lives on, and others do not notice.

use std::sync::Arc;

use domain::plugin::FailureKind;
use plugin_host::{Called, Caller, HookRequest, Host, Limits, Loaded, Occurrence, TriggerCall};
use serde_json::json;

use crate::{
    guests::Guest,
    world::{World, caller, effect, failure, host, limits, load, plain_caller},
};

const FOREVER: &str = "(loop $on (br $on)) (unreachable)";

fn trigger() -> TriggerCall {
    TriggerCall { trigger_type: "match".into(), config: json!({}), context: json!({}), call_id: "1".into() }
}

/// Fails as expected, and a decent plugin of another tenant works before and after.
async fn fails<T: std::fmt::Debug>(host: &Host, called: Called<T>, kind: FailureKind, word: &str) {
    let (found, message) = failure(&called);
    assert!(found == kind && message.contains(word), "{found:?}: {message}; {:?}", called.result);
    let decent = load(host, Guest::decent().component()).await;
    let other = Caller { tenant: 2, ..plain_caller() };
    assert!(host.node(&decent, &other, &effect()).await.result.is_ok());
}

async fn executing(host: &Host, guest: Guest) -> (Arc<Loaded>, Called<domain::plugin::NodeStep>) {
    let plugin = load(host, guest.component()).await;
    let called = host.node(&plugin, &plain_caller(), &effect()).await;
    (plugin, called)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_ends_in_every_export_and_at_the_start() {
    let host = host();
    let mut guest = Guest::decent();
    for body in [
        &mut guest.describe,
        &mut guest.execute,
        &mut guest.resume,
        &mut guest.matches,
        &mut guest.handle,
        &mut guest.poll,
    ] {
        *body = FOREVER.into();
    }
    let plugin = load(&host, guest.component()).await;
    let caller = plain_caller();
    let word = "processor time";
    fails(&host, host.describe(&plugin, &caller).await, FailureKind::TimedOut, word).await;
    let called = host.node(&plugin, &caller, &effect()).await;
    assert!(called.usage.cpu_us >= 200_000, "{:?}", called.usage);
    fails(&host, called, FailureKind::TimedOut, word).await;
    let mut resumed = effect();
    resumed.cause = domain::plugin::NodeCause::Elapsed;
    fails(&host, host.node(&plugin, &caller, &resumed).await, FailureKind::TimedOut, word).await;
    let called = host.matches(&plugin, &caller, &trigger(), &Occurrence::Message(json!({}))).await;
    fails(&host, called, FailureKind::TimedOut, word).await;
    let request =
        HookRequest { method: "GET".into(), path: String::new(), query: None, headers: Vec::new(), body: Vec::new() };
    fails(&host, host.handle(&plugin, &caller, &trigger(), &request).await, FailureKind::TimedOut, word).await;
    fails(&host, host.poll(&plugin, &caller, &trigger(), None).await, FailureKind::TimedOut, word).await;

    let guest = Guest { start: Some("(loop $on (br $on))".into()), ..Guest::decent() };
    let (_, called) = executing(&host, guest).await;
    fails(&host, called, FailureKind::TimedOut, word).await;
}

#[tokio::test]
async fn memory_is_bounded_however_it_is_asked_for() {
    let host = host();
    // Page by page, in one go, and from the beginning.
    let page_by_page = Guest::executing("(loop $on (drop (memory.grow (i32.const 1))) (br $on)) (unreachable)");
    let at_once = Guest::executing("(drop (memory.grow (i32.const 60000))) (call $next)");
    for guest in [page_by_page, at_once] {
        let (_, called) = executing(&host, guest).await;
        assert!(called.usage.peak_memory_bytes <= limits().memory_bytes);
        fails(&host, called, FailureKind::OutOfMemory, "bytes of memory").await;
    }
    // Within a pool's slot, but more than this plugin may have.
    let plugin = load(&host, Guest { pages: 40, ..Guest::decent() }.component()).await;
    let tight = Caller { limits: Limits { memory_bytes: 1 << 20, ..limits() }, ..plain_caller() };
    fails(&host, host.node(&plugin, &tight, &effect()).await, FailureKind::OutOfMemory, "bytes of memory").await;
    assert!(host.node(&plugin, &plain_caller(), &effect()).await.result.is_ok());
}

#[tokio::test]
async fn memories_and_tables_of_many_modules_count_together() {
    let host = host();
    let alone = load(&host, beside("")).await;
    assert_eq!(failure(&host.describe(&alone, &plain_caller()).await).0, FailureKind::InvalidOutput, "it runs");
    // Three modules of one component, each with a memory that alone would be allowed.
    let modules: String =
        (0..3).map(|i| format!("(core module $m{i} (memory 100)) (core instance $i{i} (instantiate $m{i}))")).collect();
    let plugin = load(&host, beside(&modules)).await;
    let called = host.describe(&plugin, &plain_caller()).await;
    fails(&host, called, FailureKind::OutOfMemory, "bytes of memory").await;

    let modules: String = (0..3)
        .map(|i| format!("(core module $m{i} (table 9000 funcref)) (core instance $i{i} (instantiate $m{i}))"))
        .collect();
    let plugin = load(&host, beside(&modules)).await;
    let called = host.describe(&plugin, &plain_caller()).await;
    fails(&host, called, FailureKind::OutOfMemory, "elements").await;

    let mut guest =
        Guest::executing("(loop $on (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $on)) (unreachable)");
    guest.items = "(table $t 1 funcref)".into();
    let (_, called) = executing(&host, guest).await;
    fails(&host, called, FailureKind::OutOfMemory, "elements").await;
}

/// A component that describes itself, beside other modules.
fn beside(modules: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            {modules}
            (core module $m
                (memory (export "memory") 1)
                (data (i32.const 8) "{{}}")
                (func (export "describe") (result i32)
                    (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 2)) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $describe (result string) (canon lift (core func $i "describe") (memory $i "memory")))
            (instance $manifest (export "describe" (func $describe)))
            (export "chatboost:plugin/manifest@0.1.0" (instance $manifest)))"#
    ))
    .unwrap()
}

#[tokio::test]
async fn a_stack_that_never_ends_overflows_in_the_guest_only() {
    let host = host();
    let mut guest = Guest::executing("(call $deep (i32.const 0)) (call $next)");
    guest.items = "(func $deep (param i32) (call $deep (i32.add (local.get 0) (i32.const 1))))".into();
    let (_, called) = executing(&host, guest).await;
    fails(&host, called, FailureKind::Trapped, "stack overflowed").await;
}

#[tokio::test]
async fn a_flood_of_host_calls_and_of_log_lines_is_cut_off() {
    let host = host();
    let mut guest = Guest::decent().importing(&["log"]);
    let line = guest.text("again and again");
    guest.execute = format!(
        "(loop $on (call $log (i32.const 1) {line} (i32.const 0) (i32.const 0) (i32.const 0)) (br $on)) (unreachable)"
    );
    let (_, called) = executing(&host, guest).await;
    let lines = called.logs.len() as u64;
    assert!(lines <= limits().log_lines + 1, "{lines}");
    assert!(called.logs.last().unwrap().message.contains("were dropped"), "{:?}", called.logs.last());
    let bytes: usize = called.logs.iter().map(|line| line.message.len()).sum();
    assert!(bytes as u64 <= limits().log_bytes + 200);
    fails(&host, called, FailureKind::Trapped, "10000 host calls").await;
}

#[tokio::test]
async fn giant_texts_and_lists_are_not_copied() {
    let host = host();
    // A line of log that is all of memory, and an answer that is.
    let mut guest = Guest { pages: 200, ..Guest::decent() }.importing(&["log"]);
    guest.execute = "(call $log (i32.const 1) (i32.const 0) (i32.const 13000000) (i32.const 0) (i32.const 0) (i32.const 0)) (call $next)".into();
    let (_, called) = executing(&host, guest).await;
    fails(&host, called, FailureKind::OutOfMemory, "to the server at once").await;
    let guest = Guest { pages: 200, ..Guest::executing("(call $state (i32.const 0) (i32.const 13000000))") };
    let (_, called) = executing(&host, guest).await;
    fails(&host, called, FailureKind::OutOfMemory, "to the server at once").await;
    let guest = Guest { pages: 200, ..Guest::executing("(call $state (i32.const 4096) (i32.const 3000000))") };
    let (_, called) = executing(&host, guest).await;
    fails(&host, called, FailureKind::InvalidOutput, "may have").await;
    // Headers whose number is made up: 100 million pairs that would lie beyond memory.
    let guest = Guest {
        handle: "(drop (call $answered)) (i32.store (i32.const 272) (i32.const 100000000)) (i32.const 256)".into(),
        ..Guest::decent()
    };
    let plugin = load(&host, guest.component()).await;
    let request =
        HookRequest { method: "GET".into(), path: String::new(), query: None, headers: Vec::new(), body: Vec::new() };
    let called = host.handle(&plugin, &plain_caller(), &trigger(), &request).await;
    let (kind, _) = failure(&called);
    assert!(matches!(kind, FailureKind::InvalidOutput | FailureKind::OutOfMemory | FailureKind::Trapped), "{called:?}");
}

#[tokio::test]
async fn handles_that_are_never_dropped_are_bounded() {
    let host = host();
    // A component that makes handles of a resource of its own and lets none of them go.
    let component = wat::parse_str(
        r#"(component
            (type $thing (resource (rep i32)))
            (core func $make (canon resource.new $thing))
            (core module $m
                (import "" "make" (func $make (param i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "describe") (result i32) (loop $on (drop (call $make (i32.const 1))) (br $on)) (unreachable)))
            (core instance $i (instantiate $m (with "" (instance (export "make" (func $make))))))
            (func $describe (result string) (canon lift (core func $i "describe") (memory $i "memory")))
            (instance $manifest (export "describe" (func $describe)))
            (export "chatboost:plugin/manifest@0.1.0" (instance $manifest)))"#,
    )
    .unwrap();
    let plugin = load(&host, component).await;
    let called = host.describe(&plugin, &plain_caller()).await;
    fails(&host, called, FailureKind::OutOfMemory, "1000 handles").await;
}

#[tokio::test]
async fn after_a_trap_the_next_call_is_as_good_as_new() {
    let host = host();
    let mut guest = Guest::decent();
    guest.head = "(global $times (mut i32) (i32.const 0))".into();
    // Traps when it is resumed; otherwise answers only if it is called for the first time.
    guest.resume = "(global.set $times (i32.const 1)) (i32.store (i32.const 60000) (i32.const 1)) (unreachable)".into();
    guest.execute = "(if (i32.or (global.get $times) (i32.load (i32.const 60000))) (then (unreachable)))
        (global.set $times (i32.const 1)) (i32.store (i32.const 60000) (i32.const 1)) (call $next)"
        .into();
    let plugin = load(&host, guest.component()).await;
    let mut resumed = effect();
    resumed.cause = domain::plugin::NodeCause::Elapsed;
    for _ in 0..20 {
        fails(&host, host.node(&plugin, &plain_caller(), &resumed).await, FailureKind::Trapped, "panicked").await;
        assert!(host.node(&plugin, &plain_caller(), &effect()).await.result.is_ok());
    }
}

#[tokio::test]
async fn no_byte_of_a_former_call_is_left() {
    let host = host();
    // One plugin fills all of its memory, tables and stack with canaries; the other looks for anything that is not zero.
    let mut dirty = Guest { pages: 100, ..Guest::decent() };
    dirty.execute = "(memory.fill (i32.const 70000) (i32.const 0xAB) (i32.const 6000000)) (call $next)".into();
    let mut looks = Guest { pages: 100, ..Guest::decent() };
    looks.execute = "(local $at i32) (local.set $at (i32.const 70000))
        (loop $on
            (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (unreachable)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $on (i32.lt_u (local.get $at) (i32.const 6500000))))
        (call $next)"
        .into();
    let dirty = load(&host, dirty.component()).await;
    let looks = load(&host, looks.component()).await;
    let other = Caller { tenant: 2, ..plain_caller() };
    for _ in 0..30 {
        assert!(host.node(&dirty, &plain_caller(), &effect()).await.result.is_ok());
        let called = host.node(&looks, &other, &effect()).await;
        assert!(called.result.is_ok(), "{called:?}");
    }
}

#[tokio::test]
async fn a_guest_that_waits_for_the_world_is_stopped_by_the_clock_and_leaves_no_trace() {
    let host = host();
    let mut guest = Guest::decent().importing(&["http"]);
    let (method, url) = (guest.text("GET"), guest.text("https://slow.test/"));
    guest.execute = format!(
        "(call $http {method} {url} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)) (call $next)"
    );
    let rules = json!({ "http": [{ "host": "slow.test" }] });
    let world = World { gate: Some(Arc::new(tokio::sync::Semaphore::new(0))), ..World::default() };
    let plugin = load(&host, guest.component()).await;
    let patient = caller(Arc::new(world), rules.clone(), rules);
    let hurried = Caller { limits: Limits { wall_ms: 100, ..limits() }, ..patient };
    let called = host.node(&plugin, &hurried, &effect()).await;
    assert!(called.usage.cpu_us < 100_000, "waiting is not computing: {:?}", called.usage);
    assert_eq!(called.usage.http_calls, 1);
    fails(&host, called, FailureKind::TimedOut, "within 100 ms").await;
    assert_eq!(host.load_now().running, 0);
}

#[tokio::test]
async fn describe_can_use_nothing_but_the_log() {
    let host = host();
    let rights = json!({ "clock": true, "random": true });
    for (import, call) in [
        ("clock", "(drop (call $clock))"),
        ("random", "(call $random (i32.const 8) (i32.const 512))"),
        ("config", "(call $config (i32.const 1088) (i32.const 4) (i32.const 512))"),
        ("get", "(call $get (i32.const 0) (i32.const 1088) (i32.const 4) (i32.const 512))"),
        ("placeholder", "(call $placeholder (i32.const 1088) (i32.const 4) (i32.const 512))"),
    ] {
        let mut guest = Guest::decent().importing(&[import]);
        guest.describe = format!("{call} (i32.const 1024)");
        let plugin = load(&host, guest.component()).await;
        let caller = caller(Arc::default(), rights.clone(), rights.clone());
        fails(&host, host.describe(&plugin, &caller).await, FailureKind::Trapped, "may use no import but `log`").await;
    }
}

#[tokio::test]
async fn a_module_that_is_wrapped_badly_cannot_confuse_the_host() {
    // The answer lies at an address that is not aligned, and beyond memory.
    let host = host();
    for body in ["(i32.const 257)", "(i32.const 131070)", "(i32.const -8)"] {
        let (_, called) = executing(&host, Guest::executing(body)).await;
        let (kind, _) = failure(&called);
        assert!(matches!(kind, FailureKind::InvalidOutput | FailureKind::Trapped), "{called:?}");
    }
}
