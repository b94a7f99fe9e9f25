//! Background tasks that the server cannot do without.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tokio_util::task::TaskTracker;

/// Exit status of a process whose background task has panicked (BSD's `EX_SOFTWARE`).
const EXIT_PANICKED: i32 = 70;

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
