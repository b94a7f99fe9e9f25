//! What the server cannot do without: background tasks, and the disk.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use storage::Db;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Exit status of a process whose background task has panicked (BSD's `EX_SOFTWARE`).
const EXIT_PANICKED: i32 = 70;

/// Exit status of a process under whose database the disk has failed (BSD's `EX_IOERR`).
const EXIT_DISK_FAILED: i32 = 74;

/// Ends the process when the disk under the database has failed. The next start brings the database in order; nothing is lost
/// that was acknowledged.
pub(crate) fn watch_disk(tasks: &TaskTracker, db: Db, stop: CancellationToken) {
    spawn(tasks, "disk", async move {
        tokio::select! {
            () = db.disk_failed() => {}
            () = stop.cancelled() => return,
        }
        tracing::error!("the disk under the database has failed; the process ends so that it is started anew");
        std::process::exit(EXIT_DISK_FAILED);
    });
}

/// Starts a task. Should it panic, the process ends: a server that goes on without its outbox or its runner would look
/// healthy and do nothing. Nothing is lost; the next start, or another host, takes the work up.
pub(crate) fn spawn(tasks: &TaskTracker, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            tracing::error!(task = name, "a background task has panicked; the process ends so that it is started anew");
            std::process::exit(EXIT_PANICKED);
        }
    });
}
