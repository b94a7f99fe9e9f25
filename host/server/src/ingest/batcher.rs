//! Group commit: whatever queued while the previous transaction was committed shares the next one.

use std::{future::Future, sync::Arc};

use storage::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::essential;

/// Requests that may wait before senders are held back.
const QUEUE_MAX: usize = 4_096;

/// Work that can share a transaction.
pub(crate) trait Shared: Send + Sync + 'static {
    /// What one request brings.
    type Job: Send + Sync + 'static;
    /// What it gets back.
    type Answer: Send + 'static;

    /// How much of a transaction's worth a job is.
    fn weight(job: &Self::Job) -> usize;

    /// Does all jobs in one transaction. One answer per job, in their order. `turn`: to be [passed on](Turn::pass) when the
    /// next transaction may begin.
    fn run(
        &self,
        jobs: &[Self::Job],
        turn: &mut Turn<'_>,
    ) -> impl Future<Output = storage::Result<Vec<Self::Answer>>> + Send;
}

/// The right to take jobs out of the queue. Where there is one writer of the database, a batch is put together when that is
/// free, and not before.
pub(crate) struct Turn<'a>(Option<Box<dyn Send + 'a>>);

impl Turn<'_> {
    /// Lets the next one have it.
    pub(crate) fn pass(&mut self) {
        self.0 = None;
    }
}

type Waiting<S> = (<S as Shared>::Job, oneshot::Sender<storage::Result<<S as Shared>::Answer>>);

/// A queue of jobs in front of [`Shared`] work.
pub(crate) struct Batcher<S: Shared> {
    queue: mpsc::Sender<Waiting<S>>,
}

impl<S: Shared> Batcher<S> {
    /// Starts `writers` tasks that take turns at the queue. `side_by_side`: they do not wait for each other's transactions.
    pub(crate) fn start(
        work: &Arc<S>,
        writers: usize,
        side_by_side: bool,
        weight_max: usize,
        tasks: &TaskTracker,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let jobs = Arc::new(tokio::sync::Mutex::new(jobs));
        for _ in 0..writers {
            essential::spawn(tasks, "ingest", write(work.clone(), jobs.clone(), side_by_side, weight_max));
        }
        Self { queue }
    }

    /// Does a job, and answers when it is durable.
    pub(crate) async fn submit(&self, job: S::Job) -> storage::Result<S::Answer> {
        let (answer, answered) = oneshot::channel();
        let gone = || Error::Stopping;
        self.queue.send((job, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

async fn write<S: Shared>(
    work: Arc<S>,
    queue: Arc<tokio::sync::Mutex<mpsc::Receiver<Waiting<S>>>>,
    side_by_side: bool,
    weight_max: usize,
) {
    loop {
        let (mut jobs, mut answers) = (Vec::new(), Vec::new());
        let mut turn = {
            let mut queue = queue.lock().await;
            let Some((job, answer)) = queue.recv().await else { return };
            let mut weight = S::weight(&job);
            jobs.push(job);
            answers.push(answer);
            while weight < weight_max {
                let Ok((job, answer)) = queue.try_recv() else { break };
                weight += S::weight(&job);
                jobs.push(job);
                answers.push(answer);
            }
            Turn((!side_by_side).then(|| Box::new(queue) as _))
        };
        let mut result = work.run(&jobs, &mut turn).await;
        // A row that something refers to was merged or deleted a moment ago: the next look finds what is there now.
        if matches!(result, Err(Error::Retry(_) | Error::Dangling(_) | Error::Conflict(_))) {
            result = work.run(&jobs, &mut turn).await;
        }
        match result {
            Ok(results) => {
                for (answer, result) in answers.into_iter().zip(results) {
                    // Whoever asked may have hung up.
                    let _ = answer.send(Ok(result));
                }
            }
            Err(error) if jobs.len() == 1 || error.is_transient() => {
                let told = error.to_string();
                let mut error = Some(error);
                for answer in answers {
                    let _ = answer.send(Err(error.take().unwrap_or_else(|| Error::Shared(told.clone()))));
                }
            }
            // One of them is at fault; the others must not suffer for it.
            Err(_) => {
                // None of a later batch may come before one of these.
                let (_turn, mut nobodys) = (turn, Turn(None));
                for (job, answer) in jobs.into_iter().zip(answers) {
                    let result = work.run(std::slice::from_ref(&job), &mut nobodys).await;
                    let _ = answer.send(result.map(|mut results| results.remove(0)));
                }
            }
        }
    }
}
