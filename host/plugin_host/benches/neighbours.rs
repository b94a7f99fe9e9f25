//! How much one tenant's endless loops change another's 99th percentile. The goal is less than 10 %.
//!
//! `cargo bench -p plugin_host --bench neighbours`. Alone and beside are measured in turns, so that whatever else the
//! machine does falls on both.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

#[path = "../tests/it/guests.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod guests;
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use plugin_host::{Caller, Host, Loaded};

const ROUNDS: usize = 6;
const CALLS_PER_ROUND: usize = 1000;
const LOOPS: usize = 16;
/// Between two calls of the quiet tenant.
const PACE: Duration = Duration::from_micros(500);

async fn quiet(host: &Host, plugin: &Arc<Loaded>, times: &mut Vec<Duration>) {
    let caller = Caller { tenant: 2, ..world::plain_caller() };
    let effect = world::effect();
    for _ in 0..CALLS_PER_ROUND {
        tokio::time::sleep(PACE).await;
        let begun = Instant::now();
        host.node(plugin, &caller, &effect).await.result.unwrap();
        times.push(begun.elapsed());
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[times.len() * percent / 100]
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let host = world::host();
        let decent = world::load(&host, guests::Guest::decent().component()).await;
        let looping = guests::Guest::executing("(loop $on (br $on)) (unreachable)");
        let looping = world::load(&host, looping.component()).await;
        let is_noisy = Arc::new(AtomicBool::new(false));
        let loops: Vec<_> = (0..LOOPS)
            .map(|_| {
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
                })
            })
            .collect();
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            is_noisy.store(false, Relaxed);
            while host.load_now().running > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            quiet(&host, &decent, &mut alone).await;
            is_noisy.store(true, Relaxed);
            tokio::time::sleep(Duration::from_millis(300)).await;
            quiet(&host, &decent, &mut beside).await;
        }
        loops.iter().for_each(tokio::task::JoinHandle::abort);
        for percent in [50, 90, 99] {
            let (alone, beside) = (percentile(&mut alone, percent), percentile(&mut beside, percent));
            let change = (beside.as_secs_f64() / alone.as_secs_f64() - 1.0) * 100.0;
            println!("p{percent}: alone {alone:?}, beside {LOOPS} endless loops {beside:?}: {change:+.1} %");
        }
    });
}
