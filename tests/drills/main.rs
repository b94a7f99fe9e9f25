//! Drills: the real program is killed, stopped, cut off, starved and lied to while people write to a bot, and at the end
//! every contact's transcript is compared with what it must be. `drills --help` says what there is.
//!
//! ```text
//! tests/run cargo run -p tests --bin drills -- kills --seed 7
//! ```
//!
//! The hosts are this very program, started anew with [`host::HOST`] in its environment: so they are never older than
//! what drives them.

mod balancer;
mod clock;
mod disk;
mod drill;
mod host;
mod model;
mod options;
mod postgres;
mod progress;
mod scene;
mod talk;
mod verdict;

use std::{process::ExitCode, sync::Arc, time::Instant};

use clap::Parser;
use tokio::{runtime::Handle, sync::Semaphore, task::JoinSet};

use drill::{Database, Drill};
use options::Options;
use postgres::Postgres;
use scene::Ground;

fn main() -> ExitCode {
    if let Some(file) = std::env::var_os(host::HOST) {
        host::die_with_the_drills();
        return match clock::of_host(&file) {
            Ok(clock) => server::cli::main_by(clock),
            Err(error) => failed(&error),
        };
    }
    let options = Options::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match runtime.block_on(run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &str) -> ExitCode {
    eprintln!("drills: {error}");
    ExitCode::FAILURE
}

/// Runs the drills that were asked for, several at a time, and tells which of them failed.
async fn run(options: Options) -> Result<(), String> {
    let seed = options.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let again = if options.long { "--long " } else { "" };
    println!("seed {seed}; the same dice again with {again}--seed {seed}");
    let runs = options.runs();
    let server = match std::env::var("TEST_POSTGRES_URL") {
        Ok(url) => Some((url, None)),
        Err(_) if runs.iter().any(|(_, database)| *database == Database::Postgres) => {
            let own = Postgres::start()?;
            Some((own.url(), Some(own)))
        }
        Err(_) => None,
    };
    let ground = Arc::new(Ground {
        seed,
        long: options.long,
        keep: options.keep,
        postgres_url: server.as_ref().map(|(url, _)| url.clone()).unwrap_or_default(),
    });
    let began = Instant::now();
    let room = Arc::new(Semaphore::new(options.jobs.max(1)));
    let mut running = JoinSet::new();
    for (drill, database) in runs {
        let (room, ground) = (Arc::clone(&room), Arc::clone(&ground));
        running.spawn(async move {
            // The semaphore is never closed.
            let _place = room.acquire_owned().await;
            let name = format!("{} on {}", drill.name(), database.name());
            let began = Instant::now();
            let result = one(drill, database, ground).await;
            let seconds = began.elapsed().as_secs();
            match &result {
                Ok(report) => println!("{name}: passed in {seconds} s; {report}"),
                Err(error) => println!("{name}: FAILED after {seconds} s\n{error}"),
            }
            (name, result.is_err())
        });
    }
    let mut bad = Vec::new();
    let mut total = 0;
    while let Some(ended) = running.join_next().await {
        let (name, is_bad) = ended.map_err(|error| error.to_string())?;
        total += 1;
        if is_bad {
            bad.push(name);
        }
    }
    drop(server);
    println!("{total} drills in {} s", began.elapsed().as_secs());
    if bad.is_empty() { Ok(()) } else { Err(format!("failed with seed {seed}: {}", bad.join(", "))) }
}

/// One drill on a thread of its own; a panic in it is a failure like any other.
async fn one(drill: Drill, database: Database, ground: Arc<Ground>) -> Result<String, String> {
    let handle = Handle::current();
    let running = tokio::task::spawn_blocking(move || handle.block_on(drill.run(database, &ground)));
    running.await.unwrap_or_else(|panic| Err(format!("panicked: {panic}")))
}
