//! Runs simulations by the thousand, or one again. See `tests::simulation`.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use clap::Parser;
use tests::simulation::{Outcome, Settings, Simulator};

/// Set in the process that does the work.
const INNER: &str = "CHATBOOST_SIMULATES";
/// Where systems keep the certificates that they trust.
const CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Runs the server through simulated faults: each seed is another run, and the same one each time.
#[derive(Debug, Parser)]
struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them; random unless given.
    #[arg(long)]
    from: Option<u64>,
    /// Only this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Print every step.
    #[arg(long)]
    trace: bool,
    /// Threads.
    #[arg(long)]
    jobs: Option<usize>,
    /// A PostgreSQL server on which databases may be made: two hosts on one database. Such a run is not the same each time
    /// in all its steps.
    #[arg(long)]
    postgres: Option<String>,
    /// Go on after a seed that failed.
    #[arg(long)]
    keep_going: bool,
}

#[derive(Default)]
struct Total {
    steps: u64,
    faults: u64,
    doubled: u64,
    failed: Vec<u64>,
}

fn main() {
    let options = Options::parse();
    if let Some(status) = with_one_certificate() {
        std::process::exit(status);
    }
    let settings = Settings { server: options.postgres.clone(), is_traced: options.trace };
    if let Some(seed) = options.seed {
        let outcome = Simulator::new(settings).run(seed);
        report(seed, &outcome);
        std::process::exit(i32::from(!outcome.wrong.is_empty()));
    }
    let from = options.from.unwrap_or_else(|| {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_or(0, |()| u32::from_le_bytes(random).into())
    });
    println!("seeds {from} to {}", from + options.seeds - 1);
    let began = Instant::now();
    let jobs = options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let simulator = Arc::new(Simulator::new(settings));
    let (next, total) = (Arc::new(AtomicU64::new(from)), Arc::new(Mutex::new(Total::default())));
    let stop_at = from + options.seeds;
    let workers: Vec<_> = (0..jobs)
        .map(|_| {
            let (simulator, next, total) = (simulator.clone(), next.clone(), total.clone());
            thread::spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= stop_at {
                        return;
                    }
                    let outcome = simulator.run(seed);
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    total.steps += outcome.steps;
                    total.faults += outcome.faults;
                    total.doubled += outcome.doubled;
                    if !outcome.wrong.is_empty() {
                        report(seed, &outcome);
                        total.failed.push(seed);
                        if !options.keep_going {
                            next.store(stop_at, Ordering::SeqCst);
                        }
                    }
                }
            })
        })
        .collect();
    let panicked = workers.into_iter().filter_map(|worker| worker.join().err()).count();
    let total = total.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} steps, {} faults, {} messages doubled for a reason, in {seconds:.1} s; failed: {:?}",
        total.steps, total.faults, total.doubled, total.failed
    );
    std::process::exit(i32::from(panicked > 0 || !total.failed.is_empty()));
}

/// Runs this program again, and answers its exit status. A host that starts reads the certificates of the system for each
/// of its HTTP clients, which takes longer than all the rest of a run. None of them calls anybody here, so one will do.
fn with_one_certificate() -> Option<i32> {
    if std::env::var_os(INNER).is_some() {
        return None;
    }
    let all = CERTIFICATES.iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    let end = "-----END CERTIFICATE-----";
    let first = &all[..all.find(end)? + end.len()];
    let folder = tempfile::tempdir().ok()?;
    let (file, empty) = (folder.path().join("one.pem"), folder.path().join("none"));
    std::fs::write(&file, format!("{first}\n")).ok()?;
    std::fs::create_dir(&empty).ok()?;
    let run = |program: &Path| {
        let mut command = Command::new(program);
        command.args(std::env::args_os().skip(1)).env(INNER, "1");
        command.env("SSL_CERT_FILE", &file).env("SSL_CERT_DIR", &empty).status()
    };
    Some(run(&std::env::current_exe().ok()?).ok()?.code().unwrap_or(1))
}

fn report(seed: u64, outcome: &Outcome) {
    for line in &outcome.trace {
        println!("{line}");
    }
    println!(
        "seed {seed}: {} steps, {} faults, {} doubled, digest {:016x}",
        outcome.steps, outcome.faults, outcome.doubled, outcome.digest
    );
    for wrong in &outcome.wrong {
        println!("  WRONG: {wrong}");
    }
    if !outcome.wrong.is_empty() {
        println!("  again: cargo run -p tests --bin simulate -- --seed {seed} --trace");
    }
}
