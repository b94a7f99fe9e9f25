//! Connections and transactions.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use sqlx::{
    PgPool, Pool, Postgres,
    pool::{PoolConnectionMetadata, PoolOptions},
    postgres::PgPoolOptions,
};
use tokio::time::timeout;

#[cfg(not(feature = "testing"))]
use sqlx::Transaction;

#[cfg(feature = "testing")]
use crate::testing::gates::{Open, open};
use crate::{
    Error, Result,
    embedded::{Access, Embedded, EmbeddedConnection, EmbeddedOptions, Log},
    opening,
};

/// Runs one body against whichever database a transaction is on. Each arm is type-checked on its own.
///
/// What a statement needs while it is under way is boxed: it is kilobytes, and would be part of the state of every future
/// around it, which is copied as a whole wherever one of them is moved.
macro_rules! on {
    ($tx:expr, $c:ident => $body:expr) => {
        match $tx {
            $crate::Tx::Sqlite(t) => {
                #[cfg(feature = "testing")]
                let _going = t.statement(module_path!(), line!()).await?;
                let $c = &mut **t;
                Box::pin(async { $body }).await
            }
            $crate::Tx::Postgres(t) => {
                #[cfg(feature = "testing")]
                let _going = t.statement(module_path!(), line!()).await?;
                let $c = &mut **t;
                Box::pin($crate::db::in_time(async { $body })).await
            }
        }
    };
}
pub(crate) use on;

/// How long a request waits for a free connection before it is told that the database is not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read beside SQLite's one writer.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL per host, beside the one that listens.
const POSTGRES_CONNECTIONS: u32 = 16;
/// What every connection to PostgreSQL is told: the longest time of a statement; and how long a transaction may do
/// nothing, after which the database ends it, so that what a host that hangs has locked is free again. Both are longer
/// than anything takes that is in order. And after how many seconds the database asks whether somebody is still there,
/// whose machine may have vanished without a word: else the session and its locks may stay for hours. These are set where
/// they are known (they are nothing to a socket), and by statements: what goes between host and database may refuse
/// them as options of the connection.
const POSTGRES_SESSION: &str = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '15s';
    SELECT set_config(name, '5', false) FROM pg_settings WHERE name IN ('tcp_keepalives_idle', 'tcp_keepalives_interval');
    SELECT set_config(name, '3', false) FROM pg_settings WHERE name = 'tcp_keepalives_count'";
/// How long an answer of PostgreSQL is waited for. A little longer than it lets a statement take: one that has not
/// answered by then does not answer at all.
const POSTGRES_ANSWERS_WITHIN: Duration = Duration::from_secs(35);
/// Statements that a connection keeps prepared; those that take rows come in 16 sizes each (`rows.rs`).
const STATEMENTS_KEPT: usize = 512;
/// What every connection to SQLite begins with. A commit is not synced here, but by the [`Log`], and is not reported before.
const SQLITE_SESSION: &str = "PRAGMA foreign_keys = ON; PRAGMA temp_store = memory; PRAGMA cache_size = -16000;
    PRAGMA synchronous = NORMAL";
/// How long SQLite waits for another process's lock, e.g. a backup.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A database: SQLite in a file, or PostgreSQL.
#[derive(Debug, Clone)]
pub enum Db {
    /// SQLite in WAL mode: one connection that writes, several that read.
    Sqlite {
        /// The only connection that writes. Writers queue here, in order, instead of fighting for the lock.
        writer: Pool<Embedded>,
        /// Connections that only read.
        readers: Pool<Embedded>,
        /// Sees to it that commits reach the disk.
        log: Arc<Log>,
    },
    /// PostgreSQL, perhaps shared with other hosts.
    Postgres(PgPool),
}

/// Whether a connection can begin a transaction. One that is lost, or could not roll back the last one, is not used again.
fn is_between_transactions(
    connection: &mut EmbeddedConnection,
    _: PoolConnectionMetadata,
) -> Pin<Box<dyn Future<Output = sqlx::Result<bool>> + Send + '_>> {
    let is_free = connection.is_free();
    Box::pin(async move { Ok(is_free) })
}

/// Waits for an answer of PostgreSQL, but not for ever: a server whose machine is gone says nothing, not even that.
pub(crate) async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(POSTGRES_ANSWERS_WITHIN, answer).await.unwrap_or_else(|_| Err(silence()))
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
}

/// A transaction on one kind of database. Simulations have another one, which asks them before each call.
#[cfg(not(feature = "testing"))]
type Open<DB> = Transaction<'static, DB>;

#[cfg(not(feature = "testing"))]
async fn open<DB: sqlx::Database>(
    _writes: bool,
    begin: impl Future<Output = sqlx::Result<Transaction<'static, DB>>>,
) -> Result<Open<DB>> {
    Ok(begin.await?)
}

/// A transaction. Dropped without [`commit`](Tx::commit), it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// On SQLite.
    Sqlite(Open<Embedded>),
    /// On PostgreSQL.
    Postgres(Open<Postgres>),
}

impl Db {
    /// Opens the database that the URL names: `sqlite:path`, or `postgres://…`. A missing SQLite file is created. Nothing
    /// is migrated yet.
    ///
    /// # Errors
    /// When the URL is of another kind, or the database cannot be reached.
    pub async fn connect(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            Self::open_sqlite(path).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = opening::reach(url).await?;
            let pool = PgPoolOptions::new()
                .max_connections(POSTGRES_CONNECTIONS)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .after_connect(|connection, _| {
                    Box::pin(async move { sqlx::raw_sql(POSTGRES_SESSION).execute(connection).await.map(|_| ()) })
                })
                .connect_with(options.statement_cache_capacity(STATEMENTS_KEPT))
                .await?;
            Ok(Self::Postgres(pool))
        } else {
            Err(Error::Url("must begin with sqlite: or postgres://".into()))
        }
    }

    async fn open_sqlite(path: &str) -> Result<Self> {
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.split('?').next().unwrap_or(path);
        if path.is_empty() {
            return Err(Error::Url("names no file".into()));
        }
        let refused = |error: sqlx::Error| opening::file_error(&error, path);
        let log = Arc::new(Log::open(path.as_ref(), SQLITE_BUSY_TIMEOUT).map_err(refused)?);
        let options =
            |access| EmbeddedOptions::new(path.into(), access, STATEMENTS_KEPT, SQLITE_BUSY_TIMEOUT, SQLITE_SESSION);
        let writer: Pool<Embedded> = PoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .before_acquire(is_between_transactions)
            .connect_with(options(Access::Write(log.clone())))
            .await
            .map_err(refused)?;
        let readers = PoolOptions::new()
            .max_connections(SQLITE_READERS)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .before_acquire(is_between_transactions)
            .connect_with(options(Access::Read))
            .await
            .map_err(refused)?;
        Ok(Self::Sqlite { writer, readers, log })
    }

    /// Begins a transaction that may write. On SQLite it has the write lock from the start (`BEGIN IMMEDIATE`).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection can be had in time.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { writer, log, .. } => {
                log.is_sound()?;
                log.fold(writer).await;
                Tx::Sqlite(Box::pin(open(true, writer.begin_with("BEGIN IMMEDIATE"))).await?)
            }
            Self::Postgres(pool) => Tx::Postgres(Box::pin(open(true, pool.begin())).await?),
        })
    }

    /// Begins a transaction that only reads. On SQLite it never waits for a writer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection can be had in time.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { readers, log, .. } => {
                log.is_sound()?;
                Tx::Sqlite(Box::pin(open(false, readers.begin())).await?)
            }
            Self::Postgres(pool) => Tx::Postgres(Box::pin(open(false, pool.begin())).await?),
        })
    }

    /// Whether several hosts may share this database.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Returns when the disk under the database has failed. Nothing more is committed then, and the process is to end at once,
    /// without [closing](Self::close) the database: what it has in memory may not be what the disk has. Nothing is lost
    /// that was committed before; the next start brings the database in order.
    pub async fn disk_failed(&self) {
        match self {
            Self::Sqlite { log, .. } => log.failed().await,
            Self::Postgres(_) => std::future::pending().await,
        }
    }

    /// Answers when the database answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        let mut tx = self.read().await?;
        on!(&mut tx, c => sqlx::query("SELECT 1").execute(c).await.map(|_| ()))?;
        tx.commit().await
    }

    /// Closes all connections, waiting for those in use. SQLite folds its log into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers, log } => {
                readers.close().await;
                writer.close().await;
                log.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction that is committed and perhaps not yet on the disk.
#[derive(Debug)]
#[must_use = "nothing may be done on the strength of it before it is synced"]
pub struct Unsynced {
    log: Option<Arc<Log>>,
}

impl Unsynced {
    /// Waits until it is durable.
    ///
    /// # Errors
    /// When the disk fails; then it is unknown whether it is.
    pub async fn synced(self) -> Result<()> {
        let Some(log) = self.log else { return Ok(()) };
        #[cfg(feature = "testing")]
        crate::testing::gates::sync().await?;
        Ok(log.sync().await?)
    }
}

impl Tx {
    /// Makes everything done in this transaction durable.
    ///
    /// # Errors
    /// When the database refuses or is gone; then nothing of it was done, or, if the connection broke while it
    /// answered, it is unknown.
    pub async fn commit(self) -> Result<()> {
        self.commit_unsynced().await?.synced().await
    }

    /// Commits, so that the next transaction can begin. This one is durable once it is [`synced`](Unsynced::synced).
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn commit_unsynced(self) -> Result<Unsynced> {
        match self {
            Self::Sqlite(t) => {
                let log = t.log().cloned();
                Box::pin(t.commit()).await?;
                Ok(Unsynced { log })
            }
            Self::Postgres(t) => {
                Box::pin(timeout(POSTGRES_ANSWERS_WITHIN, t.commit())).await.map_err(|_| silence())??;
                Ok(Unsynced { log: None })
            }
        }
    }

    /// Gives everything up that was done in this transaction.
    ///
    /// # Errors
    /// When the connection is gone, in which case the database does the same by itself.
    pub async fn rollback(self) -> Result<()> {
        match self {
            Self::Sqlite(t) => t.rollback().await?,
            Self::Postgres(t) => t.rollback().await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn opened() -> (tempfile::TempDir, Db, Pool<Embedded>) {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::connect(&format!("sqlite:{}", folder.path().join("x.db").display())).await.unwrap();
        let Db::Sqlite { writer, .. } = &db else { unreachable!("the URL says so") };
        let writer = writer.clone();
        (folder, db, writer)
    }

    /// The flags are in `.cargo/config.toml`, and nothing else would miss them.
    #[tokio::test]
    async fn sqlite_is_compiled_as_it_should_be() {
        let (_folder, _, writer) = opened().await;
        let writer = &writer;
        let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options").fetch_all(writer).await.unwrap();
        for wanted in ["ENABLE_QPSG", "DEFAULT_MEMSTATUS=0", "DEFAULT_PCACHE_INITSZ=0"] {
            assert!(options.iter().any(|option| option == wanted), "{wanted} is not among {options:?}");
        }
        for unwanted in ["ENABLE_MEMORY_MANAGEMENT", "ENABLE_STAT4", "ENABLE_API_ARMOR"] {
            assert!(!options.iter().any(|option| option == unwanted), "{unwanted} is among {options:?}");
        }
    }

    #[tokio::test]
    async fn a_full_disk_costs_a_transaction_and_no_more() {
        let (_folder, db, writer) = opened().await;
        let writer = &writer;
        sqlx::query("CREATE TABLE t (x TEXT NOT NULL)").execute(writer).await.unwrap();
        sqlx::query("PRAGMA max_page_count = 10").execute(writer).await.unwrap();
        let insert = async || {
            let mut tx = db.begin().await?;
            on!(&mut tx, c => sqlx::query("INSERT INTO t VALUES (hex(zeroblob(100000)))").execute(c).await.map(|_| ()))?;
            tx.commit().await
        };
        let refused = insert().await.unwrap_err();
        assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
        sqlx::query("PRAGMA max_page_count = 1000").execute(writer).await.unwrap();
        insert().await.unwrap();
    }

    #[tokio::test]
    async fn times_are_stored_each_as_it_is() {
        let (_folder, _, writer) = opened().await;
        let at = |text: &str| text.parse::<domain::Time>().unwrap();
        let (early, late) = (at("2026-01-02T03:04:05Z"), at("2026-01-02T03:04:05.000006Z"));
        let (a, b, c, none, d): (String, String, String, Option<String>, String) =
            sqlx::query_as("SELECT ?, ?, ?, ?, ?")
                .bind(early)
                .bind(late)
                .bind(late)
                .bind(None::<domain::Time>)
                .bind(early)
                .fetch_one(&writer)
                .await
                .unwrap();
        assert_eq!([&*a, &*b, &*c], ["2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.000006+00:00", &*b]);
        assert_eq!((none, d), (None, a));
    }

    #[tokio::test]
    async fn as_many_values_are_bound_as_there_are_parameters() {
        let (_folder, _, writer) = opened().await;
        for (text, bound) in [("SELECT ?, ?", 1), ("SELECT ?, ?", 3), ("SELECT $1, $2", 1)] {
            let mut query = sqlx::query(text);
            for number in 0..bound {
                query = query.bind(number);
            }
            let error = query.fetch_one(&writer).await.unwrap_err();
            assert!(error.to_string().contains("bound"), "{text} with {bound}: {error}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_stops_waiting_for_a_statement_leaves_a_database_that_works() {
        let (folder, db, writer) = opened().await;
        let writer = &writer;
        sqlx::query("CREATE TABLE t (x INTEGER NOT NULL)").execute(writer).await.unwrap();
        sqlx::query("PRAGMA cache_size = 10").execute(writer).await.unwrap();
        let insert = async |text: &'static str| {
            let mut tx = db.begin().await?;
            on!(&mut tx, c => sqlx::query(text).persistent(false).execute(c).await.map(|_| ()))?;
            tx.commit().await
        };
        let long = "INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000000) SELECT x FROM n";
        let mut left = Box::pin(insert(long));
        // The statement is under way in another thread once its first rows have no room in memory.
        while fs::metadata(folder.path().join("x.db-wal")).unwrap().len() < 1_000_000 {
            let is_done = tokio::select! { biased; _ = &mut left => true, () = tokio::task::yield_now() => false };
            assert!(!is_done, "not long enough");
        }
        drop(left);
        insert("INSERT INTO t VALUES (1)").await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(writer).await.unwrap();
        assert_eq!(count, 1, "half a transaction is kept");
    }
}
