//! SQLite's write-ahead log: when it reaches the disk, and when it is folded into the file.
//!
//! SQLite would do both within a commit, while every other writer waits. Here a commit only writes to the log
//! (`synchronous = NORMAL`). Whoever made it then waits for a sync that has begun after it, which is everybody's who has
//! committed by then, and the next transaction goes on meanwhile. Likewise another connection folds the log into the file
//! while it grows; writers only wait for the rest, and for the file to be synced, when the log is to begin anew.
//!
//! What is committed can be read a moment before it is on the disk. No message, no request of a flow and no answer to a webhook
//! follows from that: each of them has a commit of its own before it, which waits for all earlier ones.
//!
//! Once the disk has failed to sync, nothing more is committed: the system may have dropped what the sync was for, goes on to
//! show it to whoever reads, and would not say so again. The process is to end without closing its connections, which would
//! trust what they read. The next one reads the log by its checksums and folds all that is left into the file before
//! anything is added.

use std::{
    cell::Cell,
    fs::File,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, ffi::ErrorCode, hooks::Wal};
use sqlx::{Error, Pool, Result};
use tokio::sync::watch;

use super::{Embedded, aside, failure::told, has_threads};

/// Pages, of 4 KiB, after which the log is folded into the file and begins anew. Those that are written with every commit are
/// folded in once.
const FOLDED_AT: u32 = 8_000;
/// Pages after which that is tried again when it did not begin anew, because somebody was reading it.
const AGAIN_AFTER: u32 = 1_000;

thread_local! {
    /// Pages of the log after a commit that this thread has made.
    static PAGES: Cell<Option<u32>> = const { Cell::new(None) };
}

/// See the module.
#[derive(Debug)]
pub struct Log {
    file: Arc<File>,
    /// As long as it is open, the file of the log stays. None once it is closed.
    folder: Arc<Mutex<Option<Connection>>>,
    /// Number of commits; those of earlier processes are one.
    committed: AtomicU64,
    /// Those of them that are on the disk. Locked while some are on their way.
    synced: Arc<tokio::sync::Mutex<u64>>,
    /// Whether the disk has failed.
    failed: Arc<watch::Sender<bool>>,
    pages: AtomicU32,
    /// Those of them that are on the disk.
    #[cfg(feature = "testing")]
    pages_synced: Arc<AtomicU32>,
    /// At how many pages it is to be folded in.
    fold_at: AtomicU32,
    /// Locked while it is folded in.
    folding: Arc<tokio::sync::Mutex<()>>,
}

impl Log {
    /// Opens the database in that file, which is made if it is missing, and its log, whose contents are folded in.
    ///
    /// # Errors
    /// When the file cannot be written, or is no database, or can have no log.
    pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Self> {
        let access =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let folder = Connection::open_with_flags(path, access).map_err(told)?;
        folder.busy_timeout(busy_timeout).map_err(told)?;
        let mode: String = folder.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0)).map_err(told)?;
        if mode != "wal" {
            return Err(Error::Configuration("SQLite cannot keep a write-ahead log there".into()));
        }
        // A file that cannot be written shows only when somebody wants to write.
        folder.execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE; ROLLBACK").map_err(told)?;
        checkpoint(&folder).map_err(told)?;
        let name = folder.path().ok_or_else(|| Error::Configuration("a database without a file has no log".into()))?;
        let file = File::options().write(true).open(format!("{name}-wal"))?;
        Ok(Self {
            file: Arc::new(file),
            folder: Arc::new(Mutex::new(Some(folder))),
            committed: AtomicU64::new(1),
            synced: Arc::default(),
            failed: Arc::new(watch::Sender::new(false)),
            pages: AtomicU32::new(0),
            #[cfg(feature = "testing")]
            pages_synced: Arc::default(),
            fold_at: AtomicU32::new(FOLDED_AT),
            folding: Arc::default(),
        })
    }

    /// Lets a connection tell how long the log is after each of its [commits](Self::commit).
    pub(super) fn watch(connection: &Connection) {
        connection.wal_hook(Some(|_: &Wal, pages| {
            PAGES.set(u32::try_from(pages).ok());
            Ok(())
        }));
    }

    /// Commits by `commit` on a connection that is [watched](Self::watch), and takes note of it if it wrote anything.
    pub(super) fn commit(&self, commit: impl FnOnce() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        PAGES.take();
        commit()?;
        if let Some(pages) = PAGES.take() {
            if pages < self.pages.swap(pages, SeqCst) {
                self.fold_at.store(FOLDED_AT, SeqCst);
            }
            self.committed.fetch_add(1, SeqCst);
        }
        Ok(())
    }

    /// Waits until all that was committed is on the disk.
    ///
    /// # Errors
    /// When the disk fails, now or before. It is then unknown what of it will be there after the system goes down.
    pub(crate) async fn sync(&self) -> Result<()> {
        let wanted = self.committed.load(SeqCst);
        let mut synced = self.synced.clone().lock_owned().await;
        if *synced >= wanted {
            return Ok(());
        }
        self.is_sound()?;
        let committed = self.committed.load(SeqCst);
        let (file, failed) = (self.file.clone(), self.failed.clone());
        #[cfg(feature = "testing")]
        let (pages, pages_synced) = (self.pages.load(SeqCst), self.pages_synced.clone());
        // What came of it is noted there, because whoever waits for it may go away.
        aside(move || {
            match file.sync_data() {
                Ok(()) => {
                    *synced = committed;
                    #[cfg(feature = "testing")]
                    pages_synced.store(pages, SeqCst);
                }
                Err(error) => fail(&failed, &error),
            }
            drop(synced);
        })
        .await?;
        self.is_sound()
    }

    /// Whether anything may still be committed.
    ///
    /// # Errors
    /// When the disk has failed.
    pub(crate) fn is_sound(&self) -> Result<()> {
        if *self.failed.borrow() {
            return Err(Error::Io(io::Error::other("the disk failed to keep what was written to it")));
        }
        Ok(())
    }

    /// Pages of the log that are on the disk.
    #[cfg(feature = "testing")]
    pub(crate) fn pages_synced(&self) -> u32 {
        self.pages_synced.load(SeqCst)
    }

    /// Returns when the disk has failed.
    pub(crate) async fn failed(&self) {
        // It is not dropped meanwhile.
        let _ = self.failed.subscribe().wait_for(|failed| *failed).await;
    }

    /// Has the log folded into the file if it is time for that: beside everything else, where there are threads.
    pub(crate) async fn fold(self: &Arc<Self>, writer: &Pool<Embedded>) {
        let pages = self.pages.load(SeqCst);
        if pages < self.fold_at.load(SeqCst) {
            return;
        }
        let Ok(folding) = self.folding.clone().try_lock_owned() else { return };
        self.fold_at.store(pages.saturating_add(AGAIN_AFTER), SeqCst);
        let (log, writer) = (self.clone(), writer.clone());
        let folded = async move {
            log.fold_now(&writer).await;
            drop(folding);
        };
        if has_threads() {
            tokio::spawn(folded);
        } else {
            folded.await;
        }
    }

    async fn fold_now(&self, writer: &Pool<Embedded>) {
        let folded = async {
            self.checkpoint().await?;
            // It begins anew with the next transaction if nothing is left in it.
            let _nobody_writes = writer.acquire().await?;
            self.checkpoint().await
        };
        if let Err(error) = folded.await
            && !matches!(error, Error::PoolClosed)
        {
            tracing::warn!(%error, "the database's log cannot be folded into its file, and grows");
        }
    }

    async fn checkpoint(&self) -> Result<()> {
        let (folder, failed) = (self.folder.clone(), self.failed.clone());
        aside(move || {
            let folder = folder.lock().unwrap_or_else(PoisonError::into_inner);
            let done = checkpoint(folder.as_ref().ok_or(Error::PoolClosed)?);
            if let Err(error) = &done
                && error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
            {
                fail(&failed, error);
            }
            done.map_err(told)
        })
        .await?
    }

    /// Closes the log, and folds it into the file if nobody else has it.
    pub(crate) async fn close(&self) {
        let folder = self.folder.clone();
        let closed = aside(move || {
            let folder = folder.lock().unwrap_or_else(PoisonError::into_inner).take();
            folder.map_or(Ok(()), |folder| folder.close().map_err(|(_, error)| told(error)))
        });
        if let Err(error) = closed.await.and_then(|closed| closed) {
            tracing::warn!(%error, "the database's log cannot be closed; it is read when the database is opened again");
        }
    }
}

/// Folds in what nobody reads.
fn checkpoint(folder: &Connection) -> rusqlite::Result<()> {
    folder.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))
}

fn fail(failed: &watch::Sender<bool>, error: &impl std::fmt::Display) {
    tracing::error!(%error, "the disk failed to keep what was written to the database");
    failed.send_replace(true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Db, Tx};

    fn log(folder: &tempfile::TempDir) -> Log {
        Log::open(&folder.path().join("x.db"), Duration::from_secs(1)).unwrap()
    }

    /// As if a transaction had written.
    fn commit(log: &Log) {
        log.commit(|| {
            PAGES.set(Some(2));
            Ok(())
        })
        .unwrap();
    }

    #[tokio::test]
    async fn a_sync_is_for_all_who_have_committed() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        commit(&log);
        commit(&log);
        log.sync().await.unwrap();
        assert_eq!(*log.synced.lock().await, 3);
    }

    #[tokio::test]
    async fn what_another_process_left_behind_is_synced_before_it_is_built_upon() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        log.sync().await.unwrap();
        assert_eq!(*log.synced.lock().await, 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_long_log_begins_anew_while_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::connect(&format!("sqlite:{}", folder.path().join("x.db").display())).await.unwrap();
        let Db::Sqlite { log, .. } = &db else { unreachable!("the URL says so") };
        let make = async |text: &'static str| {
            let mut tx = db.begin().await.unwrap();
            let Tx::Sqlite(t) = &mut tx else { unreachable!("as the database") };
            sqlx::query(text).execute(&mut **t).await.unwrap();
            tx.commit().await.unwrap();
            log.pages.load(SeqCst)
        };
        make("CREATE TABLE t (x BLOB NOT NULL)").await;
        assert!(make("INSERT INTO t VALUES (zeroblob(4096 * 8000))").await > FOLDED_AT);
        while make("INSERT INTO t VALUES (zeroblob(10))").await > FOLDED_AT {}
    }

    /// A disk that fails.
    #[cfg(target_os = "linux")]
    fn broken(folder: &tempfile::TempDir) -> Log {
        Log { file: Arc::new(File::options().write(true).open("/dev/null").unwrap()), ..log(folder) }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn nothing_is_believed_after_the_disk_has_failed() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = broken(&folder);
        log.sync().await.unwrap_err();
        log.failed().await;
        log.file = Arc::new(File::options().write(true).open(folder.path().join("x.db-wal")).unwrap());
        log.sync().await.unwrap_err();
        commit(&log);
        log.sync().await.unwrap_err();
        log.is_sound().unwrap_err();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn that_a_sync_failed_is_known_although_nobody_waited_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = broken(&folder);
        let mut sync = Box::pin(log.sync());
        tokio::select! { biased; _ = &mut sync => {}, () = tokio::task::yield_now() => {} }
        drop(sync);
        log.failed().await;
        log.sync().await.unwrap_err();
    }
}
