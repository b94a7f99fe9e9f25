//! One host of a simulation: the whole server on a runtime of its own, which stands still unless it is told to go on.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, http::StatusCode};
use domain::Clock;
use futures_util::FutureExt;
use server::{app::App, config::Config, http, work::StartError};
use storage::{Db, testing::gates::Gates};
use tokio::{runtime::Runtime, task::JoinHandle};
use tower::ServiceExt;
use whatsapp::client::Client;

use super::{
    clock::SimClock,
    wire::{Requests, SimWire},
};

/// How often in a row a runtime must find nothing to do: timers that came due are only seen when it looks for them.
const PARKS: u64 = 3;

/// Tells when a runtime has nothing to do.
#[derive(Debug, Default)]
struct Idle {
    parks: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

/// Ready when nothing runs and nothing is awaited but what the simulation decides.
struct Quiet<'a> {
    host: &'a Host,
    since: Option<((u64, u64), u64)>,
}

impl Future for Quiet<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let idle = &self.host.idle;
        let parks = idle.parks.load(Ordering::SeqCst);
        let seen = (self.host.gates.changes(), self.host.requests.changes());
        match self.since {
            Some((before, since)) if before == seen => {
                if parks >= since + PARKS && self.host.gates.going() == 0 {
                    return Poll::Ready(());
                }
            }
            _ => self.since = Some((seen, parks)),
        }
        *self.host.idle.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        Poll::Pending
    }
}

/// See the module.
pub(super) struct Host {
    runtime: Option<Runtime>,
    idle: Arc<Idle>,
    pub(super) gates: Arc<Gates>,
    pub(super) requests: Arc<Requests>,
    starting: Option<JoinHandle<Result<App, StartError>>>,
    router: Option<(Router, Arc<App>)>,
    posts: Vec<(usize, JoinHandle<StatusCode>)>,
    /// Keeps a thread of the runtime busy, without which its time would move by itself.
    hold: Option<mpsc::Sender<()>>,
    /// Its database.
    pub(super) db: Db,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("gates", &self.gates).finish_non_exhaustive()
    }
}

impl Host {
    /// Begins to start a server.
    pub(super) fn start(url: &str, mut config: Config, clock: &SimClock) -> Self {
        let (idle, gates, requests) = (Arc::new(Idle::default()), Arc::new(Gates::default()), Arc::default());
        let (parked, going) = (idle.clone(), gates.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .on_thread_park(move || {
                // While a storage call is on its way the thread really sleeps until it is back.
                if going.going() == 0 {
                    parked.parks.fetch_add(1, Ordering::SeqCst);
                    if let Some(waker) = parked.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        waker.wake();
                    }
                }
            })
            .build()
            .expect("a runtime");
        let (hold, held) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || held.recv());
        let db = runtime.block_on(Db::connect(url)).expect("the database can be opened");
        config.whatsapp.api_base_url = "http://meta.invalid".into();
        let wire: Arc<dyn whatsapp::client::Wire> = Arc::new(SimWire(Arc::clone(&requests)));
        let client = Client::new(&config.whatsapp.api_base_url, &config.whatsapp.api_version).expect("a client");
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let starting = Some(runtime.spawn(App::start_with(config, db.clone(), clock, client.over(wire))));
        let (router, posts) = (None, Vec::new());
        let host =
            Self { runtime: Some(runtime), idle, gates, requests, starting, router, posts, hold: Some(hold), db };
        host.settle();
        host
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().expect("a host that was not dropped");
        self.gates.within(|| runtime.block_on(future))
    }

    /// Runs until everything waits for the simulation.
    fn settle(&self) {
        self.run(Quiet { host: self, since: None });
    }

    /// Runs until everything waits for the simulation. Answers which webhooks were answered, and how; `Err` when the
    /// server could not start.
    pub(super) fn go_on(&mut self) -> Result<Vec<(usize, StatusCode)>, StartError> {
        self.settle();
        if self.starting.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(started) = self.starting.take().and_then(FutureExt::now_or_never)
        {
            let app = Arc::new(started.expect("the start does not panic")?);
            self.router = Some((http::router(&app), app));
        }
        let (done, posts): (Vec<_>, Vec<_>) = self.posts.drain(..).partition(|(_, post)| post.is_finished());
        self.posts = posts;
        let status = |(job, post): (usize, JoinHandle<StatusCode>)| {
            let status = post.now_or_never().and_then(Result::ok);
            (job, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        };
        Ok(done.into_iter().map(status).collect())
    }

    /// Whether webhooks can be posted to it.
    pub(super) fn is_up(&self) -> bool {
        self.router.is_some()
    }

    /// Posts a webhook.
    pub(super) fn post(&mut self, job: usize, request: Request<Body>) {
        let (router, _) = self.router.as_ref().expect("a host that is up");
        let answer = router
            .clone()
            .oneshot(request)
            .map(|answer| answer.map_or(StatusCode::INTERNAL_SERVER_ERROR, |answer| answer.status()));
        let runtime = self.runtime.as_ref().expect("a host that was not dropped");
        self.posts.push((job, runtime.spawn(answer)));
    }

    /// Lets time pass.
    pub(super) fn advance(&self, by: Duration) {
        self.run(tokio::time::advance(by));
    }
}

impl Drop for Host {
    /// As `kill -9` would end it: nothing of it runs any more, not even to tidy up.
    fn drop(&mut self) {
        self.posts.clear();
        self.starting = None;
        drop(self.hold.take());
        let runtime = self.runtime.take();
        self.gates.clone().within(|| drop(runtime));
    }
}
