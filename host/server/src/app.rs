//! Everything long-lived that a request may use.

use std::sync::Arc;

use domain::Clock;
use storage::Db;

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
}

impl App {
    /// Puts the parts together and starts the background work. The database is open and migrated.
    ///
    /// # Errors
    /// When there is no secret key and none can be made, the database refuses, or an HTTP client cannot be made.
    pub async fn start(config: Config, db: Db, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let secrets = Secrets::open(&config)?;
        rotate(&db, &secrets, clock.as_ref()).await?;
        let plugins = Plugins::open(&db, &clock, &config, &secrets)?;
        let work = Work::start(&db, &clock, &config, &secrets, &plugins).await?;
        let (passwords, requests) = (Passwords::new(), http::Running::default());
        let hooks = http::Pace::default();
        Ok(Self { passwords, requests, hooks, secrets, config, db, clock, plugins, work })
    }
}
