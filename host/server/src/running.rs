//! A running server: database, background work and HTTP, started and stopped in order.

use std::{
    fs::{File, TryLockError},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use domain::Clock;
use storage::Db;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{app::App, config::Config, http, work};

/// How long requests in progress have when the server stops, before it is their connections that end.
const REQUESTS_DRAIN_MAX: Duration = Duration::from_secs(5);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder or file could not be made or read.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// Another process has this SQLite database.
    #[error("another chatboost is running on {0}; SQLite serves one at a time, PostgreSQL several")]
    InUse(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The parts could not be put together.
    #[error(transparent)]
    App(#[from] work::StartError),
}

/// A running server.
#[derive(Debug)]
pub struct Running {
    app: Arc<App>,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    /// Keeps other processes off an SQLite database while this one has it.
    _lock: Option<File>,
}

impl Running {
    /// Listens, opens and migrates the database, and starts the background work. Until that is done, requests are answered
    /// that the server is not ready.
    ///
    /// # Errors
    /// Says what stood in the way.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        std::fs::create_dir_all(&config.data_dir)
            .map_err(|error| StartError::File(format!("DATA_DIR {}", config.data_dir.display()), error))?;
        let url = config.database_url.reveal().to_owned();
        let lock = match url.strip_prefix("sqlite:") {
            Some(path) => Some(lock(Path::new(path))?),
            None => None,
        };
        let wanted = SocketAddr::new(config.http.host, config.http.port);
        let listener = TcpListener::bind(wanted).await.map_err(|error| StartError::Listen(wanted, error))?;
        let address = listener.local_addr().map_err(|error| StartError::Listen(wanted, error))?;
        let (stop, door) = (CancellationToken::new(), http::Door::default());
        let serving = tokio::spawn(http::serve(listener, door.router(), stop.clone().cancelled_owned()));
        let prepared = async {
            let db = Db::connect(&url).await?;
            db.migrate().await?;
            Ok(Arc::new(App::start(config, db, clock).await?))
        };
        let app = match prepared.await {
            Ok(app) => app,
            Err(error) => {
                serving.abort();
                return Err(error);
            }
        };
        door.open(http::router(&app));
        Ok(Self { app, address, stop, serving, _lock: lock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it works with.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Comes when a newer program has changed the database so that this one must not work on it any more. It has taken on
    /// nothing since, and is to be shut down.
    pub async fn is_outdated(&self) {
        self.app.work.is_outdated().await;
    }

    /// Says from now on that it is not ready, and goes on for as long as the configuration says, so that a load balancer
    /// sends it nothing more.
    pub async fn drain(&self) {
        self.app.leaving.cancel();
        tokio::time::sleep(Duration::from_secs(self.app.config.drain_seconds.into())).await;
    }

    /// Stops within ten seconds: no new requests, those in progress are finished, messages on their way are settled.
    /// Whatever is left is taken up by the next start, or by another host.
    pub async fn shut_down(mut self) {
        self.app.leaving.cancel();
        self.stop.cancel();
        let (_, ()) =
            tokio::join!(tokio::time::timeout(REQUESTS_DRAIN_MAX, &mut self.serving), self.app.work.shut_down());
        self.serving.abort();
        self.app.plugins.close().await;
        self.app.work.leave().await;
        self.app.db.close().await;
    }
}

/// Takes the lock beside an SQLite file. The operating system lets go of it when the process ends, however it ends.
pub(crate) fn lock(database: &Path) -> Result<File, StartError> {
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| StartError::File(folder.display().to_string(), error))?;
    }
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let named = path.to_string_lossy().into_owned();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StartError::File(named.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(database.display().to_string())),
        Err(TryLockError::Error(error)) => Err(StartError::File(named, error)),
    }
}
