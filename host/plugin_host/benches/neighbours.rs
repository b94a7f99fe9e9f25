//! How much one tenant's endless loops change another's 99th percentile. The goal is less than 10 %.
//!
//! The quiet tenant is measured alone and beside the loops in turns, each turn compared with its neighbour in time, so that
//! whatever else the machine does falls on both. What is said of all pairs is their median, with the interval in which it
//! lies with a certainty of 95 %; a machine that is too busy to tell shows by a wide one.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

#[path = "../tests/it/guests.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod guests;
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod world;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use plugin_host::{Caller, Host, Loaded};

/// Pairs of turns.
const PAIRS: usize = 30;
/// Places, from either end, of the pairs between which the median of all lies with a certainty of 95.7 %: the chance that
/// fewer than 10 of 30 fall on one side of it is 2.1 %.
const PLACE: usize = 9;
const CALLS_PER_TURN: usize = 1000;
const LOOPS: usize = 16;
/// Between two calls of the quiet tenant.
const PACE: Duration = Duration::from_micros(500);
/// Percent by which the 99th percentile may change.
const CHANGE_MAX: f64 = 10.0;

/// The quiet tenant's calls of one turn, fastest first.
async fn quiet(host: &Host, plugin: &Arc<Loaded>) -> Vec<Duration> {
    let caller = Caller { tenant: 2, ..world::plain_caller() };
    let effect = world::effect();
    let mut times = Vec::with_capacity(CALLS_PER_TURN);
    for _ in 0..CALLS_PER_TURN {
        tokio::time::sleep(PACE).await;
        let begun = Instant::now();
        host.node(plugin, &caller, &effect).await.result.unwrap();
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times
}

async fn turn(host: &Host, plugin: &Arc<Loaded>, is_noisy: &AtomicBool, noise: bool) -> Vec<Duration> {
    is_noisy.store(noise, Relaxed);
    if noise {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(host.load_now().running > 0, "the loops run");
    } else {
        while host.load_now().running > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    quiet(host, plugin).await
}

/// Runs endless loops while there is to be noise.
fn start_loops(host: &Arc<Host>, looping: &Arc<Loaded>, is_noisy: &Arc<AtomicBool>) {
    for _ in 0..LOOPS {
        let (host, looping, is_noisy) = (host.clone(), looping.clone(), is_noisy.clone());
        tokio::spawn(async move {
            let caller = world::plain_caller();
            loop {
                if is_noisy.load(Relaxed) {
                    host.node(&looping, &caller, &world::effect()).await.result.unwrap_err();
                } else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
    }
}

/// The median of the pairs' changes in percent, and between what it lies.
fn change(pairs: &[(Vec<Duration>, Vec<Duration>)], percent: usize) -> (f64, f64, f64) {
    let at = |times: &[Duration]| times[times.len() * percent / 100].as_secs_f64();
    let mut changes: Vec<f64> = pairs.iter().map(|(alone, beside)| (at(beside) / at(alone) - 1.0) * 100.0).collect();
    changes.sort_unstable_by(f64::total_cmp);
    let middle = f64::midpoint(changes[(PAIRS - 1) / 2], changes[PAIRS / 2]);
    (middle, changes[PLACE], changes[PAIRS - 1 - PLACE])
}

#[tokio::main]
async fn main() -> ExitCode {
    let host = world::host();
    let decent = world::load(&host, guests::Guest::decent().component()).await;
    let looping = guests::Guest::executing("(loop $on (br $on)) (unreachable)");
    let looping = world::load(&host, looping.component()).await;
    let is_noisy = Arc::new(AtomicBool::new(false));
    start_loops(&host, &looping, &is_noisy);
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        // Every other pair the other way round, so that a machine that gets slower or faster favours neither.
        let first = turn(&host, &decent, &is_noisy, pair % 2 == 1).await;
        let second = turn(&host, &decent, &is_noisy, pair % 2 == 0).await;
        pairs.push(if pair % 2 == 0 { (first, second) } else { (second, first) });
    }
    for percent in [50, 90, 99] {
        let (middle, low, high) = change(&pairs, percent);
        println!("p{percent} beside {LOOPS} endless loops: {middle:+.1} % (between {low:+.1} and {high:+.1} %)");
    }
    let (_, low, high) = change(&pairs, 99);
    if high < CHANGE_MAX {
        println!("less than {CHANGE_MAX} %: yes");
        return ExitCode::SUCCESS;
    }
    println!(
        "less than {CHANGE_MAX} %: {}",
        if low > CHANGE_MAX { "no" } else { "cannot be told on a machine this busy" }
    );
    ExitCode::FAILURE
}
