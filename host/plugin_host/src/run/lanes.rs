//! Where guests get their processor time.
//!
//! A call begins on the thread of whoever made it, and nearly always ends there, in microseconds. One that has not ended
//! within a slice goes on in the slow lane: a few threads of the lowest priority, on which all such calls take turns. So
//! endless loops get what others leave, and nobody waits behind them. Only guests run there: for whatever takes locks,
//! making an instance, calling the host, taking the instance down, a call is where everybody is, or others would wait for
//! a lock that is held by a thread that never gets its turn.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
};

use futures_util::{
    StreamExt,
    future::{AbortHandle, Abortable},
    stream::FuturesUnordered,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::meter::Meter;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;
type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a call stands when it leaves the slow lane.
enum Stage<T> {
    Done(T),
    Moves(Call<T>),
}

/// Polls a call until it ends, or wants to be in the other lane.
async fn until_moved<T>(call: &mut Call<T>, meter: &Meter, is_slow: bool) -> Option<T> {
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending if meter.wants_slow.load(Relaxed) != is_slow => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// The slow lane.
pub(crate) struct Lanes {
    threads: std::sync::OnceLock<Vec<Lane>>,
    count: usize,
}

struct Lane {
    jobs: mpsc::UnboundedSender<Job>,
    load: Arc<AtomicUsize>,
}

/// The thread that ran a call has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call was lost")]
pub(crate) struct Lost;

impl Lanes {
    /// One thread fewer than processors, so that loops leave one free, but one at least.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads: std::sync::OnceLock::new(), count: processors.saturating_sub(1).max(1) }
    }

    /// Runs a call: here, and in the slow lane whenever and as long as the meter says so.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        meter: Arc<Meter>,
        mut call: Pin<Box<impl Future<Output = T> + Send + 'static>>,
    ) -> Result<T, Lost> {
        let measured = meter.clone();
        let mut call: Call<T> = Box::pin(poll_fn(move |context| {
            measured.poll_begins();
            let result = call.as_mut().poll(context);
            measured.poll_ends();
            result
        }));
        loop {
            if let Some(result) = until_moved(&mut call, &meter, false).await {
                return Ok(result);
            }
            match self.slowly(call, meter.clone()).await? {
                Stage::Done(result) => return Ok(result),
                Stage::Moves(back) => call = back,
            }
        }
    }

    /// Runs a call in the slow lane until it ends or moves. One that is given up is taken apart elsewhere.
    async fn slowly<T: Send + 'static>(&self, mut call: Call<T>, meter: Arc<Meter>) -> Result<Stage<T>, Lost> {
        let (done, stage) = oneshot::channel();
        let (abort, registration) = AbortHandle::new_pair();
        let _dropped = AbortOnDrop(abort);
        let lane = self.emptiest();
        let load = Load::one_more(&lane.load);
        let job = async move {
            let _load = load;
            let stage = match Abortable::new(until_moved(&mut call, &meter, true), registration).await {
                Ok(Some(result)) => Stage::Done(result),
                Ok(None) => Stage::Moves(call),
                Err(_) => {
                    tokio::spawn(async move { drop(call) });
                    return;
                }
            };
            // Whoever waited may have gone, just now.
            if let Err(stage) = done.send(stage) {
                tokio::spawn(async move { drop(stage) });
            }
        };
        lane.jobs.send(Box::pin(job)).map_err(|_| Lost)?;
        stage.await.map_err(|_| Lost)
    }

    fn emptiest(&self) -> &Lane {
        let threads = self.threads.get_or_init(|| (0..self.count).map(Lane::start).collect());
        threads.iter().min_by_key(|lane| lane.load.load(Relaxed)).unwrap_or(&threads[0])
    }
}

impl Lane {
    fn start(number: usize) -> Self {
        let (jobs, incoming) = mpsc::unbounded_channel();
        let handle = Handle::current();
        let started =
            std::thread::Builder::new().name(format!("plugin-slow-{number}")).spawn(move || work(&handle, incoming));
        if let Err(error) = started {
            tracing::error!(%error, "no thread for long calls of plugins");
        }
        Self { jobs, load: Arc::default() }
    }
}

/// Takes jobs as they come and lets them take turns, until nobody can send any more.
fn work(handle: &Handle, mut incoming: mpsc::UnboundedReceiver<Job>) {
    lower_priority();
    handle.block_on(async {
        let mut jobs = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                job = incoming.recv() => match job {
                    Some(job) => jobs.push(job),
                    None => break,
                },
                Some(()) = jobs.next(), if !jobs.is_empty() => {}
            }
        }
    });
}

/// The lowest there is; on Linux a priority is a thread's own.
#[cfg(target_os = "linux")]
fn lower_priority() {
    const LOWEST: i32 = 19;
    if let Err(error) = rustix::process::setpriority_process(None, LOWEST) {
        tracing::warn!(%error, "long calls of plugins run at the priority of everything else");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

/// One call in a lane.
struct Load(Arc<AtomicUsize>);

impl Load {
    fn one_more(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Relaxed);
        Self(load.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
