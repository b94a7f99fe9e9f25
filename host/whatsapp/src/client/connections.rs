//! The connections that messages and questions go by.
//!
//! A connection is driven by the task whose request it carries: a request costs no change of tasks, and one that was not
//! handed over to the network is known not to have been. Between requests nobody drives it; whether it was closed
//! meanwhile is looked at before it is used again.

use std::{
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};
use tower::ServiceExt;

use super::{Options, SendError, error::causes};

/// How long a connection may have been unused when it is used again. Shorter than servers usually keep theirs, so that a
/// request seldom meets one that the other side is just closing: its fate would be unknown.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// After how long the system asks whether an unused connection still has another end, and how long it waits in between.
const KEEPALIVE: Duration = Duration::from_secs(15);

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Body = Full<Bytes>;

/// The connections to one host.
#[derive(Debug)]
pub(super) struct Connections {
    connector: HttpsConnector<HttpConnector>,
    /// Scheme, host and port.
    origin: Uri,
    options: Options,
    unused: Mutex<Unused>,
}

#[derive(Debug, Default)]
struct Unused {
    /// The one that was used last is the last.
    list: Vec<Connection>,
    /// Whether somebody sees to it that none stays for too long.
    swept: bool,
}

#[derive(Debug)]
struct Connection {
    sender: http1::SendRequest<Body>,
    /// Boxed: it is moved from task to task.
    driver: Box<http1::Connection<Stream, Body>>,
    used: Instant,
}

/// Why there is no answer.
enum Failure {
    /// The connection was closed before the request was handed over to it.
    Untouched(Box<Request<Body>>),
    /// The request may have gone out.
    Unknown(String),
    /// The answer began, and then broke off or was too long.
    Broken { http_status: u16, reason: String },
}

impl Connections {
    pub(super) fn new(origin: Uri, tls: rustls::ClientConfig, options: &Options) -> Arc<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        // Divided among the addresses that a name has: one that is silent leaves time for the next one.
        tcp.set_connect_timeout(Some(options.connect_timeout));
        let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        Arc::new(Self {
            connector: connector.wrap_connector(tcp),
            origin,
            options: options.clone(),
            unused: Mutex::default(),
        })
    }

    /// Makes one request, whose URI is a path, and reads the answer, up to so many bytes: HTTP status and body.
    ///
    /// # Errors
    /// [`SendError::NotSent`] when surely nothing has left, [`SendError::Unknown`] otherwise.
    pub(super) async fn request(
        self: &Arc<Self>,
        request: Request<Bytes>,
        bytes_max: usize,
    ) -> Result<(u16, Vec<u8>), SendError> {
        let deadline = Instant::now() + self.options.timeout;
        let mut request = request.map(Full::new);
        loop {
            let taken = self.take();
            let is_new = taken.is_none();
            let connection = match taken {
                Some(connection) => connection,
                None => self.connect(deadline).await?,
            };
            match connection.exchange(request, bytes_max, deadline).await {
                Ok((answer, connection)) => {
                    if let Some(connection) = connection {
                        self.keep(connection);
                    }
                    return Ok(answer);
                }
                Err(Failure::Untouched(_)) if is_new => {
                    return Err(SendError::NotSent("the connection was closed at once".into()));
                }
                Err(Failure::Untouched(untouched)) => request = *untouched,
                Err(Failure::Unknown(reason)) => return Err(SendError::Unknown(reason)),
                Err(Failure::Broken { http_status, .. }) if !(200..300).contains(&http_status) => {
                    return Ok((http_status, Vec::new()));
                }
                Err(Failure::Broken { reason, .. }) => {
                    return Err(SendError::Unknown(format!("the answer broke off: {reason}")));
                }
            }
        }
    }

    fn unused(&self) -> MutexGuard<'_, Unused> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is open, as far as is known here.
    fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = self.unused().list.pop()?;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, SendError> {
        let connecting = async {
            let stream = self.connector.clone().oneshot(self.origin.clone()).await?;
            let (sender, driver) = http1::handshake(stream).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(Connection { sender, driver: Box::new(driver), used: Instant::now() })
        };
        match timeout_at(deadline.min(Instant::now() + self.options.connect_timeout), connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(SendError::NotSent(causes(&*error))),
            Err(_) => Err(SendError::NotSent("timed out".into())),
        }
    }

    /// Keeps a connection for the next request.
    fn keep(self: &Arc<Self>, mut connection: Connection) {
        connection.used = Instant::now();
        if !connection.is_usable() {
            return;
        }
        let mut unused = self.unused();
        if unused.list.len() < self.options.idle_connections {
            unused.list.push(connection);
            if !unused.swept {
                unused.swept = true;
                tokio::spawn(sweep(Arc::downgrade(self)));
            }
        }
    }
}

/// Closes what nobody has used for a while, until nothing is left.
async fn sweep(connections: Weak<Connections>) {
    loop {
        sleep(IDLE).await;
        let Some(connections) = connections.upgrade() else { return };
        let mut unused = connections.unused();
        unused.list.retain_mut(Connection::is_usable);
        if unused.list.is_empty() {
            unused.swept = false;
            return;
        }
    }
}

impl Connection {
    /// Whether it can take a request.
    fn is_usable(&mut self) -> bool {
        // Nobody is to be woken: it is looked at again before it is used.
        let is_open = Pin::new(&mut *self.driver).poll(&mut Context::from_waker(Waker::noop())).is_pending();
        is_open && self.sender.is_ready() && self.used.elapsed() < IDLE
    }

    /// Makes a request. The connection comes back with the answer, unless it has ended; one whose answer does not come, or
    /// not to its end, is closed.
    async fn exchange(
        self,
        request: Request<Body>,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<((u16, Vec<u8>), Option<Self>), Failure> {
        let Self { mut sender, driver, used } = self;
        let mut driver = Some(driver);
        let answer = {
            let mut answer = pin!(read(sender.try_send_request(request), bytes_max, deadline));
            poll_fn(|context| {
                // Twice, because the next piece of an answer is read when the one before was taken.
                for _ in 0..2 {
                    if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                        return Poll::Ready(answer);
                    }
                    // One that has ended is dropped at once: that gives back a request which it did not get to.
                    let ended = driver.take_if(|driver| Pin::new(&mut **driver).poll(context).is_ready());
                    drop(ended);
                }
                answer.as_mut().poll(context)
            })
            .await?
        };
        Ok((answer, driver.map(|driver| Self { sender, driver, used })))
    }
}

async fn read(
    answer: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>>,
    bytes_max: usize,
    deadline: Instant,
) -> Result<(u16, Vec<u8>), Failure> {
    let timed_out = || "timed out".to_owned();
    let response = timeout_at(deadline, answer).await.map_err(|_| Failure::Unknown(timed_out()))?;
    let response = response.map_err(|mut error| match error.take_message() {
        Some(request) => Failure::Untouched(Box::new(request)),
        None => Failure::Unknown(causes(&error.into_error())),
    })?;
    let http_status = response.status().as_u16();
    let broken = |reason| Failure::Broken { http_status, reason };
    let body = Limited::new(response.into_body(), bytes_max).collect();
    match timeout_at(deadline, body).await.map_err(|_| broken(timed_out()))? {
        Ok(body) => Ok((http_status, body.to_bytes().into())),
        Err(error) if error.is::<LengthLimitError>() => Err(broken("too long".into())),
        Err(error) => Err(broken(causes(&*error))),
    }
}
