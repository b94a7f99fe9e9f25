//! How long it takes until a plugin can be called: compiling one, and having a hundred at hand that were compiled before.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

#[path = "../tests/it/guests.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod guests;
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod world;

use std::{
    fmt::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use plugin_host::{CacheSettings, HostSettings};

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PLUGINS: u32 = 100;
/// Bytes that each of them has at least.
const GUEST_BYTES: usize = 100_000;
/// The goals.
const COMPILE_MAX: Duration = Duration::from_millis(100);
const START_MAX: Duration = Duration::from_millis(500);

/// A guest with a hundred kilobytes of functions, unlike that of any other number.
fn guest(number: u32) -> Vec<u8> {
    let mut guest = guests::Guest::decent();
    for function in 0..900 {
        write!(
            guest.items,
            "(func $f{function} (param $a i32) (param $b i32) (result i32) (local $c i32)
                (local.set $c (i32.mul (i32.add (local.get $a) (i32.const {number})) (i32.const {function})))
                (loop $again
                    (local.set $b (i32.xor (local.get $b) (i32.shr_u (local.get $c) (i32.const 3))))
                    (i32.store offset=512 (i32.and (local.get $b) (i32.const 255)) (local.get $c))
                    (local.set $c (i32.sub (local.get $c) (i32.load offset=512 (i32.and (local.get $a) (i32.const 255)))))
                    (if (i32.gt_s (local.get $c) (i32.const 1000)) (then
                        (local.set $a (i32.rotl (local.get $a) (local.get $b)))
                        (br $again))))
                (i32.add (local.get $b) (call $next)))"
        )
        .unwrap();
    }
    let component = guest.component();
    assert!(component.len() >= GUEST_BYTES, "{} bytes", component.len());
    component
}

fn settings(folder: &tempfile::TempDir) -> HostSettings {
    let cache = CacheSettings { folder: folder.path().to_owned(), key: [7; 32], bytes_max: 1 << 30 };
    HostSettings { cache: Some(cache), ready_bytes_max: 1 << 30, ..world::settings() }
}

#[tokio::main]
async fn main() -> ExitCode {
    let folder = tempfile::tempdir().unwrap();
    let guests: Vec<Vec<u8>> = (0..PLUGINS).map(guest).collect();
    let host = world::host_with(settings(&folder));
    let mut times = Vec::new();
    for guest in &guests {
        let begun = Instant::now();
        world::load(&host, guest.clone()).await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let compiling = times[times.len() / 2];
    println!("compiling {} kB, cached: {compiling:.1?} (median of {PLUGINS})", guests[0].len() / 1000);

    let digests: Vec<String> = guests.iter().map(|guest| plugin_host::digest_of(guest)).collect();
    let begun = Instant::now();
    let host = world::host_with(settings(&folder));
    let started = begun.elapsed();
    for digest in &digests {
        host.load(digest, async { panic!("this one is in the cache") }).await.unwrap();
    }
    let loaded = begun.elapsed();
    println!("starting a host: {started:.1?}; with {PLUGINS} plugins from the cache: {loaded:.1?}");

    let is_good = compiling <= COMPILE_MAX && loaded <= START_MAX;
    if !is_good {
        eprintln!("the goals are {COMPILE_MAX:?} for compiling and {START_MAX:?} for {PLUGINS} plugins");
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
