//! What the command line says.

use clap::Parser;

use crate::drill::{Database, Drill};

/// Kills, stops, cuts off, starves and deceives the real program while people write to a bot, and compares every
/// contact's transcript with what it must be: nothing lost, nothing doubled but what was counted as in doubt, in order,
/// nothing stuck, statuses right. SQLite with one host, PostgreSQL with three behind a balancer.
///
/// PostgreSQL is the server of TEST_POSTGRES_URL; without it, and where a drill ill-treats the server, one of its own,
/// whose programs are in POSTGRES_BIN or where packages put them. `tests/run cargo run -p tests --bin drills` sets both.
#[derive(Debug, Parser)]
#[command(name = "drills", version)]
pub(crate) struct Options {
    /// Which drills; all unless named.
    #[arg(value_enum)]
    pub(crate) drills: Vec<Drill>,
    /// Many contacts and a minute or more of trouble each, instead of the short form for every test run.
    #[arg(long)]
    pub(crate) long: bool,
    /// What the dice start from. Equal seeds make equal choices; when they hit, the machine decides.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Only on this database.
    #[arg(long, value_enum)]
    pub(crate) database: Option<Database>,
    /// Drills at a time.
    #[arg(long, default_value_t = 4)]
    pub(crate) jobs: usize,
    /// Keeps logs and databases also of drills that pass.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Options {
    /// What is to be run, in this order.
    pub(crate) fn runs(&self) -> Vec<(Drill, Database)> {
        let drills = if self.drills.is_empty() { Drill::all() } else { self.drills.clone() };
        let all = drills.into_iter().flat_map(|drill| drill.databases().iter().map(move |database| (drill, *database)));
        all.filter(|(_, database)| self.database.is_none_or(|only| only == *database)).collect()
    }
}
