//! Who runs, who waits, and who is left alone for a while.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::plugin::FailureKind;
use plugin_host::{AdmissionLimits, BreakerLimits, Caller, Host, HostSettings, Limits};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{
    guests::Guest,
    world::{World, caller, clock, effect, failure, host, host_with, limits, load, plain_caller, settings},
};

/// A guest that asks the world and goes on when it has answered.
fn asking() -> Guest {
    let mut guest = Guest::decent().importing(&["http"]);
    let (method, url) = (guest.text("GET"), guest.text("https://api.test/"));
    guest.execute = format!(
        "(call $http {method} {url} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 512)) (call $next)"
    );
    guest
}

/// A caller whose requests are answered when the gate lets them.
fn slow_caller(tenant: i64, gate: &Arc<Semaphore>) -> Caller {
    let rules = json!({ "http": [{ "host": "api.test" }] });
    let world = World { gate: Some(gate.clone()), ..World::default() };
    Caller { tenant, ..caller(Arc::new(world), rules.clone(), rules) }
}

fn narrow(admission: AdmissionLimits) -> Arc<Host> {
    host_with(HostSettings { admission, ..settings() })
}

/// Lets everything that can go on go on.
async fn settle(host: &Host, running: u32, waiting: u32) {
    for _ in 0..10_000 {
        if (host.load_now().running, host.load_now().waiting) == (running, waiting) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{:?}", host.load_now());
}

#[tokio::test]
async fn tenants_take_turns_however_many_calls_one_has() {
    let admission = AdmissionLimits {
        calls: 1,
        calls_per_tenant: 1,
        calls_per_plugin: 1,
        waiting_per_tenant: 100,
        wait: Duration::from_secs(600),
    };
    let host = narrow(admission);
    let plugin = load(&host, asking().component()).await;
    let gate = Arc::new(Semaphore::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut calls = Vec::new();
    let call = |tenant: i64| {
        let (host, plugin, order, caller) = (host.clone(), plugin.clone(), order.clone(), slow_caller(tenant, &gate));
        tokio::spawn(async move {
            let called = host.node(&plugin, &caller, &effect()).await;
            assert!(called.result.is_ok());
            order.lock().unwrap().push(tenant);
        })
    };
    // Twenty of the first tenant are there before the others come.
    for _ in 0..20 {
        calls.push(call(1));
    }
    settle(&host, 1, 19).await;
    for tenant in [2, 2, 3] {
        calls.push(call(tenant));
    }
    settle(&host, 1, 22).await;
    gate.add_permits(23);
    for call in calls {
        call.await.unwrap();
    }
    let order = order.lock().unwrap();
    let place = |tenant: i64, nth: usize| order.iter().enumerate().filter(|(_, t)| **t == tenant).nth(nth).unwrap().0;
    assert!(place(2, 0) <= 3 && place(3, 0) <= 3 && place(2, 1) <= 6, "{order:?}");
    assert_eq!((host.load_now().running, host.load_now().waiting), (0, 0));
}

#[tokio::test]
async fn one_plugin_of_a_tenant_leaves_room_for_its_others() {
    let admission = AdmissionLimits {
        calls: 4,
        calls_per_tenant: 2,
        calls_per_plugin: 1,
        waiting_per_tenant: 100,
        wait: Duration::from_secs(600),
    };
    let host = narrow(admission);
    let first = load(&host, asking().component()).await;
    let second = load(&host, Guest { pages: 3, ..asking() }.component()).await;
    let gate = Arc::new(Semaphore::new(0));
    let spawn = |plugin: &Arc<plugin_host::Loaded>, tenant| {
        let (host, plugin, caller) = (host.clone(), plugin.clone(), slow_caller(tenant, &gate));
        tokio::spawn(async move { host.node(&plugin, &caller, &effect()).await.result })
    };
    let mut calls: Vec<_> = (0..3).map(|_| spawn(&first, 1)).collect();
    settle(&host, 1, 2).await;
    calls.extend((0..2).map(|_| spawn(&second, 1)));
    settle(&host, 2, 3).await;
    calls.push(spawn(&first, 2));
    settle(&host, 3, 3).await;
    gate.add_permits(6);
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn who_finds_no_room_is_told_so() {
    let admission = AdmissionLimits {
        calls: 1,
        calls_per_tenant: 1,
        calls_per_plugin: 1,
        waiting_per_tenant: 1,
        wait: Duration::from_millis(100),
    };
    let host = narrow(admission);
    let plugin = load(&host, asking().component()).await;
    let gate = Arc::new(Semaphore::new(0));
    let spawn = || {
        let (host, plugin, caller) = (host.clone(), plugin.clone(), slow_caller(1, &gate));
        tokio::spawn(async move { host.node(&plugin, &caller, &effect()).await })
    };
    let running = spawn();
    settle(&host, 1, 0).await;
    let waiting = spawn();
    settle(&host, 1, 1).await;
    let (kind, message) = failure(&spawn().await.unwrap());
    assert!(kind == FailureKind::Overloaded && message.contains("1 calls are waiting already"), "{message}");
    let (kind, message) = failure(&waiting.await.unwrap());
    assert!(kind == FailureKind::Overloaded && message.contains("within 100 ms"), "{message}");
    gate.add_permits(1);
    assert!(running.await.unwrap().result.is_ok());
    // One who gives up leaves the queue, and one who is given up leaves room.
    let running = spawn();
    settle(&host, 1, 0).await;
    let waiting = spawn();
    settle(&host, 1, 1).await;
    waiting.abort();
    settle(&host, 1, 0).await;
    running.abort();
    settle(&host, 0, 0).await;
    gate.add_permits(1);
    assert!(spawn().await.unwrap().result.is_ok());
}

#[tokio::test]
async fn a_plugin_that_fails_again_and_again_is_left_alone_for_a_while() {
    let moved = clock();
    let breaker = BreakerLimits { failures: 3, rest: Duration::from_secs(30) };
    let host = Host::new(HostSettings { breaker, ..settings() }, Arc::new(moved.clone())).unwrap();
    // Traps unless it is resumed.
    let plugin = load(&host, Guest::executing("(unreachable)").component()).await;
    for _ in 0..3 {
        assert_eq!(failure(&host.node(&plugin, &plain_caller(), &effect()).await).0, FailureKind::Trapped);
    }
    let called = host.node(&plugin, &plain_caller(), &effect()).await;
    assert!(failure(&called).0 == FailureKind::CircuitOpen && called.usage.cpu_us == 0, "{called:?}");
    assert_eq!(host.open_circuits()[0].digest, plugin.digest());
    // Another tenant's circuit, and what the plugin itself says, are other things.
    let other = Caller { tenant: 2, ..plain_caller() };
    assert_eq!(failure(&host.node(&plugin, &other, &effect()).await).0, FailureKind::Trapped);
    let mut faulty = Guest::decent();
    let words = faulty.text("no");
    faulty.execute = format!("(call $fault {words})");
    let faulty = load(&host, faulty.component()).await;
    for _ in 0..10 {
        assert!(matches!(
            host.node(&faulty, &plain_caller(), &effect()).await.result,
            Err(plugin_host::CallError::Fault(_))
        ));
    }
    moved.advance(Duration::from_secs(31));
    let mut resumed = effect();
    resumed.cause = domain::plugin::NodeCause::Elapsed;
    assert!(host.node(&plugin, &plain_caller(), &resumed).await.result.is_ok());
    assert!(host.open_circuits().is_empty());
}

/// Fails rather than waits for ever. On a busy machine the loops, which have the lowest priority, take their time.
async fn in_time<T>(what: &str, done: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(120);
    tokio::time::timeout(patience, done).await.unwrap_or_else(|_| panic!("not within {patience:?}: {what}"))
}

/// Loops of one tenant, on every thread that there is, and calls of another in between. What it costs them is measured
/// by the benchmark `neighbours`; that they get through at all is tested here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_loops_do_not_keep_others_from_running() {
    let host = host();
    let looping = load(&host, Guest::executing("(loop $on (br $on)) (unreachable)").component()).await;
    let decent = load(&host, Guest::decent().component()).await;
    let hog = Caller { limits: Limits { cpu_ms: 1_000_000, wall_ms: 1_000_000, ..limits() }, ..plain_caller() };
    let loops: Vec<_> = (0..8)
        .map(|_| {
            let (host, looping, hog) = (host.clone(), looping.clone(), hog.clone());
            tokio::spawn(async move { host.node(&looping, &hog, &effect()).await })
        })
        .collect();
    in_time("all of them loop", async {
        while host.load_now().running < 8 {
            assert!(loops.iter().all(|call| !call.is_finished()), "a loop has ended by itself");
            tokio::task::yield_now().await;
        }
    })
    .await;
    let other = Caller { tenant: 2, ..plain_caller() };
    in_time("others run", async {
        for _ in 0..200 {
            assert!(host.node(&decent, &other, &effect()).await.result.is_ok());
        }
    })
    .await;
    assert_eq!(host.load_now().running, 8, "they loop still");
    loops.iter().for_each(tokio::task::JoinHandle::abort);
    for call in loops {
        assert!(call.await.unwrap_err().is_cancelled());
    }
    // What was given up stops using the processor, although nobody waits for it any more.
    in_time("they have ended", async {
        while host.load_now().running > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
