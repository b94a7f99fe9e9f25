//! A simulation of whole servers: one seed decides everything, so that what went wrong once goes wrong again.
//!
//! The hosts are the production server: ingest, runner, outbox, schedules, storage, HTTP router, on a real database.
//! What is simulated is what is around them. Each host has a runtime of its own that runs until everything in it waits:
//! for a storage call, each of which stops at a gate (`storage::testing::gates`), for Meta (`wire.rs`), or for time, which only
//! the simulation moves. Then one of the things that may happen next is picked by the seed (`run.rs`): a storage call goes
//! on, or is refused, or is made without the caller being told; Meta answers, refuses or says nothing; a webhook comes, again
//! or too early; a host dies or is started anew; time passes. At most one storage call is under way at a time, so nothing
//! hangs on what is faster.
//!
//! When the faults are over, the run goes on until everything should be done, and what came of it is compared with what
//! should have (`check.rs`): from what was acknowledged to what arrived, in which order, how often.

mod check;
mod clock;
mod host;
mod meta;
mod run;
mod stage;
mod wire;

use stage::Stage;

/// How simulations are run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// A PostgreSQL server on which databases may be made, for several hosts on one database; else one host on SQLite.
    pub server: Option<String>,
    /// Whether to write down every step.
    pub is_traced: bool,
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What must not be, in words; empty when all is well.
    pub wrong: Vec<String>,
    /// Every step, if the run was traced.
    pub trace: Vec<String>,
    /// A hash of every step: two runs of a seed have the same.
    pub digest: u64,
    /// Things that happened.
    pub steps: u64,
    /// Faults among them.
    pub faults: u64,
    /// Messages that came to people twice, each for a reason.
    pub doubled: u64,
}

/// Runs simulations, each on a copy of the same database.
#[derive(Debug)]
pub struct Simulator {
    stage: Stage,
    settings: Settings,
}

impl Simulator {
    /// Makes the database that runs are copies of.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(settings: Settings) -> Self {
        Self { stage: Stage::set(settings.server.as_deref()), settings }
    }

    /// Runs a seed. Takes the calling thread; several threads may run seeds at once.
    ///
    /// # Panics
    /// When the machine has no room for another database.
    pub fn run(&self, seed: u64) -> Outcome {
        run::run(&self.stage, &self.settings, seed)
    }
}
