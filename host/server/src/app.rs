//! Everything long-lived that a request may use.

use std::sync::Arc;

use domain::Clock;
use storage::Db;
use tokio_util::sync::CancellationToken;
use whatsapp::client::Client;

use crate::{
    config::Config,
    http::{self, auth::Passwords},
    plugins::Plugins,
    rotation::rotate,
    secrets::Secrets,
    work::{StartError, Work},
};

/// Everything long-lived that a request may use. Shared by all of them as `Arc<App>`.
#[derive(Debug)]
pub struct App {
    /// What the operator wants.
    pub config: Config,
    /// Where everything is kept.
    pub db: Db,
    /// The only source of the present time.
    pub clock: Arc<dyn Clock>,
    /// What hangs on the secret key.
    pub secrets: Secrets,
    /// Hashes passwords off the async threads, a few at once.
    pub passwords: Passwords,
    /// Requests with an `Idempotency-Key` that are being answered.
    pub requests: http::Running,
    /// How many requests addresses of triggers take.
    pub(crate) hooks: http::Pace,
    /// What users uploaded, at work.
    pub plugins: Arc<Plugins>,
    /// What goes on in the background.
    pub work: Work,
    /// The server is about to stop: it is to be sent nothing more.
    pub(crate) leaving: CancellationToken,
}

impl App {
    /// Puts the parts together and starts the background work. The database is open and migrated.
    ///
    /// # Errors
    /// When there is no secret key and none can be made, the database refuses, or an HTTP client cannot be made.
    pub async fn start(config: Config, db: Db, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let client = Client::new(&config.whatsapp.api_base_url, &config.whatsapp.api_version)?;
        Self::start_with(config, db, clock, client).await
    }

    /// The same with the client for Meta that the caller has, which in a simulation uses no network.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(config: Config, db: Db, clock: Arc<dyn Clock>, client: Client) -> Result<Self, StartError> {
        let secrets = Secrets::open(&config)?;
        rotate(&db, &secrets, clock.as_ref()).await?;
        let plugins = Plugins::open(&db, &clock, &config, &secrets)?;
        let work = Work::start(&db, &clock, &config, &secrets, &plugins, client).await?;
        let (passwords, requests) = (Passwords::new(), http::Running::default());
        let hooks = http::Pace::default();
        let leaving = CancellationToken::new();
        Ok(Self { passwords, requests, hooks, secrets, config, db, clock, plugins, work, leaving })
    }
}
