//! Group commit: what queues while a transaction is made shares the next one.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use storage::Error;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::task::TaskTracker;

use crate::essential;

/// Requests that may wait before senders are held back.
const QUEUE_MAX: usize = 4_096;

/// How much work makes a transaction worth while, as it costs about as much as a dozen messages in it. Beside another one
/// what is less waits for more, or until none runs.
const WORTH: usize = 16;
/// How long it waits at most: the other one may be held up by a lock.
const PATIENCE: Duration = Duration::from_millis(25);

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

/// The right to a transaction. Where there is one writer of the database, it is the right to take jobs out of the queue: a
/// batch is put together when the writer is free, and not before. Elsewhere it is one of several.
pub(crate) struct Turn<'a>(Option<Box<dyn Send + 'a>>);

impl Turn<'_> {
    /// Lets the next one have it.
    pub(crate) fn pass(&mut self) {
        self.0 = None;
    }
}

/// Transactions that are made beside each other.
#[derive(Default)]
struct Beside {
    running: AtomicUsize,
    ended: Notify,
}

/// One of them.
struct Running(Arc<Beside>);

impl Running {
    fn begin(beside: &Arc<Beside>) -> Self {
        beside.running.fetch_add(1, Ordering::SeqCst);
        Self(beside.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_one();
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
        let beside = side_by_side.then(Arc::<Beside>::default);
        for _ in 0..writers {
            essential::spawn(tasks, "ingest", write(work.clone(), jobs.clone(), beside.clone(), weight_max));
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

/// What goes into one transaction.
struct Batch<S: Shared> {
    jobs: Vec<S::Job>,
    answers: Vec<oneshot::Sender<storage::Result<S::Answer>>>,
    weight: usize,
}

impl<S: Shared> Batch<S> {
    fn of(first: Waiting<S>) -> Self {
        let mut batch = Self { jobs: Vec::new(), answers: Vec::new(), weight: 0 };
        batch.add(first);
        batch
    }

    fn add(&mut self, (job, answer): Waiting<S>) {
        self.weight += S::weight(&job);
        self.jobs.push(job);
        self.answers.push(answer);
    }

    /// Takes in what comes until it is worth a transaction beside others, or there are no others.
    async fn gather(&mut self, queue: &mut mpsc::Receiver<Waiting<S>>, beside: &Beside) {
        let deadline = Instant::now() + PATIENCE;
        while self.weight < WORTH {
            let ended = beside.ended.notified();
            if beside.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            tokio::select! {
                () = ended => {}
                waiting = timeout_at(deadline, queue.recv()) => match waiting {
                    Ok(Some(waiting)) => self.add(waiting),
                    Ok(None) | Err(_) => return,
                }
            }
        }
    }
}

async fn write<S: Shared>(
    work: Arc<S>,
    queue: Arc<tokio::sync::Mutex<mpsc::Receiver<Waiting<S>>>>,
    beside: Option<Arc<Beside>>,
    weight_max: usize,
) {
    loop {
        let mut queue = queue.lock().await;
        let Some(first) = queue.recv().await else { return };
        let mut batch = Batch::<S>::of(first);
        if let Some(beside) = &beside {
            batch.gather(&mut queue, beside).await;
        }
        // Of what waits for the one writer, half: those are answered while the others are written. Were all of them one
        // batch, nothing would be there to be written while they are answered.
        let share = if beside.is_some() { usize::MAX } else { (batch.jobs.len() + queue.len()).div_ceil(2) };
        while batch.weight < weight_max && (batch.weight < WORTH || batch.jobs.len() < share) {
            let Ok(waiting) = queue.try_recv() else { break };
            batch.add(waiting);
        }
        let Batch { jobs, answers, .. } = batch;
        let mut turn = Turn(Some(match &beside {
            Some(beside) => {
                // Before somebody else has the queue.
                let running = Running::begin(beside);
                drop(queue);
                Box::new(running)
            }
            None => Box::new(queue),
        }));
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
                // Where there is one writer, none of a later batch comes before one of these.
                let (_turn, mut nobodys) = (turn, Turn(None));
                for (job, answer) in jobs.into_iter().zip(answers) {
                    let result = work.run(std::slice::from_ref(&job), &mut nobodys).await;
                    let _ = answer.send(result.map(|mut results| results.remove(0)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Transactions that end when they are told to.
    #[derive(Default)]
    struct Work {
        begun: Mutex<Vec<Vec<u32>>>,
        may_end: Notify,
    }

    impl Shared for Work {
        type Job = u32;
        type Answer = u32;

        fn weight(_: &u32) -> usize {
            1
        }

        async fn run(&self, jobs: &[u32], _: &mut Turn<'_>) -> storage::Result<Vec<u32>> {
            self.begun.lock().unwrap().push(jobs.to_vec());
            self.may_end.notified().await;
            Ok(jobs.to_vec())
        }
    }

    /// Three writers, the jobs that are waited for, and what was begun.
    struct Bench {
        work: Arc<Work>,
        batcher: Arc<Batcher<Work>>,
        asked: Vec<tokio::task::JoinHandle<storage::Result<u32>>>,
    }

    impl Bench {
        fn new(side_by_side: bool) -> Self {
            let work = Arc::new(Work::default());
            let batcher = Batcher::start(&work, 3, side_by_side, 500, &TaskTracker::new());
            Self { work, batcher: Arc::new(batcher), asked: Vec::new() }
        }

        /// Submits jobs and lets everybody do what can be done at once. The clock stands still meanwhile.
        async fn submit(&mut self, jobs: std::ops::Range<u32>) {
            for job in jobs {
                let batcher = self.batcher.clone();
                self.asked.push(tokio::spawn(async move { batcher.submit(job).await }));
            }
            settle().await;
        }

        async fn end_one(&self) {
            self.work.may_end.notify_one();
            settle().await;
        }

        fn begun(&self) -> Vec<Vec<u32>> {
            self.work.begun.lock().unwrap().clone()
        }

        async fn end_all(self) {
            for (job, asked) in (0..).zip(self.asked) {
                self.work.may_end.notify_one();
                assert_eq!(asked.await.unwrap().unwrap(), job);
            }
        }
    }

    async fn settle() {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_wait_for_the_transaction_that_runs() {
        let mut bench = Bench::new(true);
        bench.submit(0..1).await;
        bench.submit(1..4).await;
        assert_eq!(bench.begun(), [vec![0]]);
        bench.end_one().await;
        assert_eq!(bench.begun(), [vec![0], vec![1, 2, 3]]);
        bench.end_all().await;
    }

    #[tokio::test(start_paused = true)]
    async fn many_do_not_wait_and_neither_do_a_few_for_long() {
        let mut bench = Bench::new(true);
        bench.submit(0..1).await;
        bench.submit(1..17).await;
        assert_eq!(bench.begun(), [vec![0], (1..17).collect()]);
        bench.submit(17..19).await;
        assert_eq!(bench.begun().len(), 2);
        tokio::time::advance(PATIENCE).await;
        settle().await;
        assert_eq!(bench.begun().last(), Some(&vec![17, 18]));
        bench.end_all().await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_writer_takes_what_has_come_when_it_is_free() {
        let mut bench = Bench::new(false);
        bench.submit(0..1).await;
        bench.submit(1..17).await;
        assert_eq!(bench.begun(), [vec![0]]);
        bench.end_one().await;
        assert_eq!(bench.begun(), [vec![0], (1..17).collect()]);
        // Of many it takes half.
        bench.submit(17..97).await;
        bench.end_one().await;
        assert_eq!(bench.begun().last(), Some(&(17..57).collect()));
        bench.end_one().await;
        assert_eq!(bench.begun().last(), Some(&(57..77).collect()));
        bench.end_all().await;
    }
}
