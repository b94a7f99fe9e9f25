//! One run: what may happen next, picked by the seed until all is done.

mod events;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use chrono::TimeDelta;
use domain::{Clock, Time};
use fastrand::Rng;
use storage::{Db, testing::gates::Call};
use tokio::runtime::Runtime;

use super::{
    Outcome, Settings, check,
    clock::SimClock,
    host::Host,
    meta::Meta,
    stage::{self, Copy, Stage},
    wire::Asked,
};
use events::row;

/// Hosts that share a database on a server.
const HOSTS_SHARED: usize = 2;
/// Readers of an SQLite database, and transactions on a server, that a host has at once: no more connections than it has.
const READERS_MAX: usize = 4;
/// Transactions that a host has at once on a server.
const CONNECTIONS_MAX: usize = 12;
/// Steps without a rest after the faults are over, from which on something runs in circles.
const STEPS_MAX: u64 = 100_000;
/// How long everything may take after the faults are over. Longer than any pause of the server that the faults lead to.
const PATIENCE: TimeDelta = TimeDelta::minutes(40);
/// How long nothing wrong may turn up after everything is done.
const AFTERMATH: TimeDelta = TimeDelta::seconds(100);

/// Something that may happen next.
#[derive(Debug)]
enum Choice {
    /// A storage call goes on.
    Storage(usize, u64, Call),
    /// Meta answers.
    Meta(usize, u64, Asked),
    /// A webhook comes.
    Webhook(usize, usize),
    /// A host that is gone is started.
    Start(usize),
    /// A host dies.
    Kill(usize),
    /// A host is stopped, and everything else goes on.
    Freeze(usize),
    /// Time passes.
    Tick,
}

/// How rough a run is.
#[derive(Debug)]
struct Weather {
    /// Faults left.
    faults: u64,
    /// One storage call in so many meets one; commits ten times as often.
    one_in: u32,
    /// Meta is unwell once in so many requests.
    meta_one_in: u32,
    /// Steps until the faults are over.
    steps: u64,
}

struct Run<'a> {
    settings: &'a Settings,
    rng: Rng,
    clock: SimClock,
    folder: std::path::PathBuf,
    config: server::config::Config,
    url: String,
    is_shared: bool,
    hosts: Vec<Option<Host>>,
    /// Until when a host is stopped, and since when.
    frozen: Vec<Option<(Time, Time)>>,
    meta: Meta,
    weather: Weather,
    is_calm: bool,
    outcome: Outcome,
    digest: DefaultHasher,
    looker: (Runtime, Db),
}

/// Runs a seed on a copy of the stage.
pub(super) fn run(stage: &Stage, settings: &Settings, seed: u64) -> Outcome {
    let copy: Copy = stage.copy();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let db = runtime.block_on(Db::connect(&copy.url)).expect("the copy can be opened");
    let mut rng = Rng::with_seed(seed);
    let is_shared = settings.server.is_some();
    let mut config = stage::config(&copy.url, stage.folder());
    config.whatsapp.messages_per_second = Some(if rng.bool() { 80 } else { 0 });
    config.whatsapp.pair_pacing = rng.bool();
    config.whatsapp.unknown_send_seconds = stage::doubt_seconds(seed);
    let weather = Weather {
        faults: if rng.u8(..10) == 0 { 0 } else { rng.u64(1..12) },
        one_in: [400, 150, 50][rng.usize(..3)],
        meta_one_in: [40, 8, 3][rng.usize(..3)],
        steps: rng.u64(100..1_200),
    };
    let hosts = if is_shared { HOSTS_SHARED } else { 1 };
    let mut run = Run {
        settings,
        rng,
        clock: SimClock::new(),
        folder: stage.folder(),
        config,
        url: copy.url.clone(),
        is_shared,
        hosts: (0..hosts).map(|_| None).collect(),
        frozen: vec![None; hosts],
        meta: Meta::new(TimeDelta::seconds(stage::doubt_seconds(seed).into())),
        weather,
        is_calm: false,
        outcome: Outcome::default(),
        digest: DefaultHasher::new(),
        looker: (runtime, db),
    };
    run.write_script();
    while run.outcome.steps < run.weather.steps {
        run.step();
    }
    run.come_to_rest();
    let Run { mut outcome, digest, hosts, looker: (runtime, db), .. } = run;
    outcome.digest = digest.finish();
    drop(hosts);
    runtime.block_on(db.close());
    outcome
}

impl Run<'_> {
    /// What people are going to write, and when.
    fn write_script(&mut self) {
        let begin = self.clock.now();
        for person in 0..self.rng.usize(1..=stage::PEOPLE_MAX) {
            let mut at = begin + TimeDelta::milliseconds(self.rng.i64(0..5_000));
            for number in 1..=self.rng.usize(1..=5) {
                let word = if self.rng.u8(..3) == 0 { "timer" } else { "message" };
                let repetitions = if self.rng.u8(..4) == 0 { self.rng.u32(1..3) } else { 0 };
                // Meta now and then tells a later message before an earlier one.
                let late = TimeDelta::seconds(if self.rng.u8(..6) == 0 { self.rng.i64(1..30) } else { 0 });
                self.meta.say(person, &format!("{word} {number}"), at + late, repetitions);
                at += TimeDelta::milliseconds(self.rng.i64(0..12_000));
            }
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        self.outcome.steps += 1;
        let text = text();
        text.hash(&mut self.digest);
        if self.settings.is_traced {
            let at = self.clock.now().format("%H:%M:%S%.3f");
            self.outcome.trace.push(format!("{:>5} {at} {text}", self.outcome.steps));
        }
    }

    fn fault(&mut self) {
        self.weather.faults = self.weather.faults.saturating_sub(1);
        self.outcome.faults += 1;
    }

    /// Picks one of the things that may happen, and lets it happen.
    fn step(&mut self) {
        let choices = self.choices();
        let total: u32 = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.rng.u32(..total.max(1));
        let picked = choices.into_iter().find(|(weight, _)| {
            let is_it = left < *weight;
            left = left.saturating_sub(*weight);
            is_it
        });
        match picked {
            Some((_, choice)) => self.happen(choice),
            None => self.tick(Duration::from_millis(500)),
        }
    }

    /// What may happen, with weights.
    fn choices(&mut self) -> Vec<(u32, Choice)> {
        let now = self.clock.now();
        let mut choices = Vec::new();
        let mut is_busy = false;
        let writes_elsewhere = |run: &Self, host: usize| {
            (0..run.hosts.len())
                .any(|other| other != host && run.hosts[other].as_ref().is_some_and(|other| other.gates.open().0 > 0))
        };
        for index in 0..self.hosts.len() {
            let Some(host) = &self.hosts[index] else {
                choices.push((60, Choice::Start(index)));
                continue;
            };
            if self.frozen[index].is_some() {
                continue;
            }
            let (writers, readers) = host.gates.open();
            for (id, call) in host.gates.waiting() {
                is_busy = true;
                let is_free = match call {
                    // One writes at a time: a server would let the other wait for its locks, and that would be a race.
                    Call::Begin => writers == 0 && !writes_elsewhere(self, index),
                    Call::Read if self.is_shared => readers < CONNECTIONS_MAX,
                    Call::Read => readers < READERS_MAX,
                    Call::Statement { .. } | Call::Commit { .. } | Call::Sync => true,
                };
                if is_free {
                    choices.push((120, Choice::Storage(index, id, call)));
                }
            }
            let mut requests = host.requests.waiting();
            requests.sort_by_key(|(id, asked)| (row(asked), *id));
            for (id, asked) in requests {
                choices.push((40, Choice::Meta(index, id, asked)));
            }
            if !self.is_calm && self.weather.faults > 0 {
                choices.push((1, Choice::Kill(index)));
                if self.is_shared && host.is_up() && host.gates.open() == (0, 0) {
                    choices.push((1, Choice::Freeze(index)));
                }
            }
        }
        let up: Vec<usize> = (0..self.hosts.len())
            .filter(|index| self.frozen[*index].is_none() && self.hosts[*index].as_ref().is_some_and(Host::is_up))
            .collect();
        if !up.is_empty() {
            let due: Vec<usize> =
                (0..self.meta.jobs.len()).filter(|job| self.meta.jobs[*job].is_due(now)).take(6).collect();
            for job in due {
                choices.push((40, Choice::Webhook(job, up[self.rng.usize(..up.len())])));
            }
        }
        if !is_busy && !self.is_calm {
            choices.push((20, Choice::Tick));
        }
        choices
    }

    fn tick(&mut self, by: Duration) {
        self.note(|| format!("{} ms pass", by.as_millis()));
        self.clock.advance(by);
        let now = self.clock.now();
        for index in 0..self.hosts.len() {
            let mut by = by;
            if let Some((until, since)) = self.frozen[index] {
                if until > now {
                    continue;
                }
                by = (now - since).to_std().unwrap_or_default();
                self.frozen[index] = None;
                self.note(|| format!("host {index} goes on"));
            }
            if let Some(host) = &self.hosts[index] {
                host.advance(by);
            }
            self.go_on(index);
        }
    }

    /// The faults are over: everything goes on until all is done, and is done right.
    fn come_to_rest(&mut self) {
        self.note(|| "the faults are over".into());
        self.is_calm = true;
        let over = self.clock.now();
        let mut sound_since = None;
        let mut pause = Duration::from_millis(200);
        let mut steps = 0;
        loop {
            if !self.choices().is_empty() {
                steps += 1;
                if steps > STEPS_MAX {
                    self.outcome.wrong.push("it never comes to rest".into());
                    return;
                }
                self.step();
                continue;
            }
            let now = self.clock.now();
            let wrong = check::check(&self.looker, &self.meta, &mut self.outcome.doubled);
            if wrong.is_empty() {
                if now >= *sound_since.get_or_insert(now) + AFTERMATH {
                    return;
                }
            } else if sound_since.is_some() || now > over + PATIENCE {
                self.outcome.wrong.extend(wrong);
                return;
            }
            pause = (pause * 2).min(Duration::from_secs(30));
            self.tick(pause);
        }
    }
}
