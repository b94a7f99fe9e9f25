//! A database of its own for each test.

use std::future::Future;

use storage::Db;
use tempfile::TempDir;

/// Names the PostgreSQL server that tests may make databases on; `tests/run` sets it.
const SERVER: &str = "TEST_POSTGRES_URL";

/// An empty database that goes when this value goes.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    is_postgres: bool,
    keep: Keep,
}

#[derive(Debug)]
enum Keep {
    File {
        /// Removed when dropped.
        _folder: TempDir,
    },
    Server {
        url: String,
        name: String,
    },
}

impl TestDatabase {
    /// SQLite in a temporary folder.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self { url, is_postgres: false, keep: Keep::File { _folder: folder } }
    }

    /// A new database on the PostgreSQL server that `TEST_POSTGRES_URL` names. Without the variable the test fails:
    /// a test that passes over a database proves nothing about it.
    pub async fn postgres() -> Self {
        let Ok(server) = std::env::var(SERVER) else {
            panic!(
                "{SERVER} is not set. Start the tests with `tests/run cargo test …`, which brings a PostgreSQL \
                 server, or set it to the URL of one, such as postgres://postgres@127.0.0.1:5432/postgres"
            );
        };
        let mut random = [0; 8];
        getrandom::fill(&mut random).expect("randomness");
        let name = format!("chatboost_test_{:016x}", u64::from_le_bytes(random));
        let url = storage::testing::create_database(&server, &name).await.expect("a database on the server");
        Self { url, is_postgres: true, keep: Keep::Server { url: server, name } }
    }

    /// Where it is, as `DATABASE_URL` would say it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Which of the two it is.
    pub fn is_postgres(&self) -> bool {
        self.is_postgres
    }

    /// A connection to it, without tables.
    pub async fn connect(&self) -> Db {
        Db::connect(&self.url).await.expect("a connection")
    }
}

impl std::ops::Deref for TestDatabase {
    type Target = str;

    fn deref(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Keep::Server { url, name } = &self.keep else { return };
        let (url, name) = (url.clone(), name.clone());
        // A runtime cannot be entered from inside another one.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(storage::testing::drop_database(&url, &name))
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("a test database could not be dropped: {error}");
        }
    }
}

/// One database of each kind with its name, for tests that start processes of their own.
pub async fn database_urls() -> Vec<(&'static str, TestDatabase)> {
    vec![("sqlite", TestDatabase::sqlite()), ("postgres", TestDatabase::postgres().await)]
}

/// What a test of [`each_database!`](crate::each_database) may ask for.
pub trait OnDatabase {
    /// Starts it on an empty database.
    fn on(database: TestDatabase) -> impl Future<Output = Self> + Send;
}

impl OnDatabase for TestDatabase {
    async fn on(database: TestDatabase) -> Self {
        database
    }
}

/// A database with all tables, for tests of storage.
#[derive(Debug)]
pub struct Migrated {
    /// The open database.
    pub db: Db,
    database: TestDatabase,
}

impl Migrated {
    /// The database below.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }
}

impl OnDatabase for Migrated {
    async fn on(database: TestDatabase) -> Self {
        let db = database.connect().await;
        db.migrate().await.expect("all migrations");
        Self { db, database }
    }
}

impl std::ops::Deref for Migrated {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}
