//! A whole server inside the test's process.

use std::{sync::Arc, time::Duration};

use domain::{Clock, SystemClock, TestClock};
use server::{config::Config, running::Running};
use tempfile::TempDir;

use crate::{Api, OnDatabase, TestDatabase};

/// A server on a port of its own, with a database of its own.
#[derive(Debug)]
pub struct TestApp {
    running: Running,
    clock: Arc<dyn Clock>,
    hands: Option<TestClock>,
    // Dropped last: the server writes there.
    _data_dir: TempDir,
    database: TestDatabase,
}

impl TestApp {
    /// Starts a server whose configuration `change` has seen before; it runs by the computer's clock.
    pub async fn with(database: TestDatabase, change: impl FnOnce(&mut Config)) -> Self {
        Self::start(database, Arc::new(SystemClock), None, change).await
    }

    /// The same with a clock that stands still until it is moved; see [`advance`](Self::advance).
    pub async fn with_test_clock(database: TestDatabase, change: impl FnOnce(&mut Config)) -> Self {
        Self::with_clock(database, TestClock::at(SystemClock.now()), change).await
    }

    /// The same with a clock that others go by as well.
    pub async fn with_clock(database: TestDatabase, clock: TestClock, change: impl FnOnce(&mut Config)) -> Self {
        Self::start(database, Arc::new(clock.clone()), Some(clock), change).await
    }

    async fn start(
        database: TestDatabase,
        clock: Arc<dyn Clock>,
        hands: Option<TestClock>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config::for_testing(database.url());
        config.data_dir = data_dir.path().to_owned();
        change(&mut config);
        let running = Running::start(config, Arc::clone(&clock)).await.expect("the server starts");
        Self { running, clock, hands, _data_dir: data_dir, database }
    }

    /// A client that has not logged in.
    pub fn api(&self) -> Api {
        Api::at(&self.running.base_url())
    }

    /// The server.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Its time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Moves the clock of an app started with [`with_test_clock`](Self::with_test_clock).
    pub fn advance(&self, by: Duration) {
        self.hands.as_ref().expect("an app with a test clock").advance(by);
    }

    /// Where its database is.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Its database.
    pub fn db(&self) -> &storage::Db {
        &self.running.app().db
    }
}

impl OnDatabase for TestApp {
    async fn on(database: TestDatabase) -> Self {
        Self::with(database, |_| {}).await
    }
}
