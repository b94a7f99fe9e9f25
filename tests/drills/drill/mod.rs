//! The drills.

mod clocks;
mod disk;
mod kills;
mod meta;
mod postgres;
mod redelivery;
mod rolling;
mod timers;
mod zombie;

use clap::ValueEnum;

use crate::{
    scene::{Ground, Scene, Wishes},
    verdict::Report,
};

/// What a drill takes place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    /// One host.
    Sqlite,
    /// Three hosts.
    Postgres,
}

/// What befalls the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drill {
    /// A random host is killed every second and started again, some of them while they start.
    Kills,
    /// Hosts are asked to end, one after the other, and started again.
    Rolling,
    /// A host stands still past its lease and goes on: it must neither write nor send.
    Zombie,
    /// PostgreSQL is restarted and killed, and its connections are cut.
    Postgres,
    /// Meta answers 500 and 429, not at all, or takes a message and breaks the connection.
    Meta,
    /// The disk of an SQLite database is full for a while.
    Disk,
    /// Wall clocks jump forwards and backwards.
    Clocks,
    /// Meta delivers messages twice and in disorder while hosts are killed.
    Redelivery,
    /// Waits and schedules come due while hosts are killed.
    Timers,
}

impl Database {
    /// As it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// How many hosts it has, if one that can be shared has so many.
    pub(crate) fn hosts(self, shared: usize) -> usize {
        if self == Self::Sqlite { 1 } else { shared }
    }
}

impl Drill {
    /// All, the longest first.
    pub(crate) fn all() -> Vec<Self> {
        use Drill::{Clocks, Disk, Kills, Meta, Postgres, Redelivery, Rolling, Timers, Zombie};
        vec![Zombie, Meta, Clocks, Postgres, Timers, Redelivery, Kills, Rolling, Disk]
    }

    /// As it is called.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Where it can take place.
    pub(crate) fn databases(self) -> &'static [Database] {
        match self {
            Self::Postgres => &[Database::Postgres],
            Self::Disk => &[Database::Sqlite],
            _ => &[Database::Postgres, Database::Sqlite],
        }
    }

    /// Runs it, and tells what it saw.
    pub(crate) async fn run(self, database: Database, ground: &Ground) -> Result<String, String> {
        match self {
            Self::Disk => return disk::run(ground).await,
            Self::Postgres => return postgres::run(ground).await,
            _ => {}
        }
        let wishes = match self {
            Self::Meta => meta::wishes(),
            Self::Clocks => clocks::wishes(),
            Self::Redelivery => redelivery::wishes(),
            _ => Wishes::default(),
        };
        let mut scene = Scene::set(&self.name(), database, ground, wishes).await?;
        let result = match self {
            Self::Kills => kills::run(&mut scene).await,
            Self::Rolling => rolling::run(&mut scene).await,
            Self::Zombie => zombie::run(&mut scene).await,
            Self::Meta => meta::run(&mut scene).await,
            Self::Clocks => clocks::run(&mut scene).await,
            Self::Redelivery => redelivery::run(&mut scene).await,
            Self::Timers => timers::run(&mut scene).await,
            Self::Disk | Self::Postgres => Err("this drill sets its own scene".to_owned()),
        };
        strike(scene, ground, result).await
    }
}

/// Takes the scene down. After a failure the logs stay, and the error says where.
async fn strike(scene: Scene, ground: &Ground, result: Result<Report, String>) -> Result<String, String> {
    let kept = scene.strike(ground.keep || result.is_err()).await?;
    let place = kept.map(|place| format!("; logs are in {}", place.display())).unwrap_or_default();
    match result {
        Ok(report) => Ok(format!("{report}{place}")),
        Err(error) => Err(format!("{error}{place}")),
    }
}
