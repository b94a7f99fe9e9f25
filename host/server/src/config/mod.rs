//! Configuration: the environment and a `.env` file, read once at start.
//!
//! Every variable is declared in [`variables::VARIABLES`], which a test compares with `.env.example`. All faults are
//! reported at once; nothing starts with half of a configuration.

mod database_url;
mod dotenv;
mod media;
mod plugins;
mod reader;
mod retention;
mod secret_text;
pub mod variables;

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use domain::HostRole;
use ipnet::IpNet;
use url::Url;

use crate::egress::{Names, SystemNames};

pub(crate) use database_url::normalise as database_url;
pub use media::{BucketConfig, MediaConfig, StoreConfig};
pub use plugins::PluginsConfig;
pub use reader::ConfigError;
pub use retention::RetentionConfig;
pub use secret_text::SecretText;

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// How strict to be.
    pub environment: Environment,
    /// What this host does for the others.
    pub role: HostRole,
    /// For how many seconds a server that is asked to stop says that it is not ready, and goes on all the same, so that a
    /// load balancer sends it nothing more.
    pub drain_seconds: u32,
    /// Whether to log more than usual.
    pub debug: bool,
    /// Where to listen.
    pub http: HttpConfig,
    /// Where files are kept: the SQLite database, the generated secret key.
    pub data_dir: PathBuf,
    /// `sqlite:<path>` or `postgres://…`, as `storage` takes it. Secret: it may hold a password.
    pub database_url: SecretText,
    /// Who may log in, and for how long.
    pub auth: AuthConfig,
    /// What a bot takes that has no WhatsApp settings of its own.
    pub whatsapp: WhatsAppConfig,
    /// What becomes of files that people send.
    pub media: MediaConfig,
    /// For how long what grows with time is kept.
    pub retention: RetentionConfig,
    /// Which internal addresses flows may call.
    pub egress: EgressConfig,
    /// Where and how often triggers are fired from outside.
    pub triggers: TriggersConfig,
    /// What plugins may do and use.
    pub plugins: PluginsConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// How strict to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Generates what is missing.
    Development,
    /// Refuses to start without its own secrets.
    Production,
}

/// Where to listen.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Address of the interface.
    pub host: IpAddr,
    /// TCP port; 0 takes any free one.
    pub port: u16,
}

/// Who may log in, and for how long.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// What tokens and the sealing of secrets hang on. Without one, it is read from or generated into the data
    /// folder.
    pub secret_key: Option<SecretText>,
    /// The key before that one, while the secrets that it sealed are to be sealed anew.
    pub previous_secret_key: Option<SecretText>,
    /// How long an access token lasts.
    pub access_token_lifetime: Duration,
    /// Whether strangers may register. The first user always may.
    pub registration_open: bool,
}

/// What a bot takes that has no WhatsApp settings of its own.
#[derive(Debug, Clone)]
pub struct WhatsAppConfig {
    /// Access token for the Cloud API.
    pub access_token: Option<SecretText>,
    /// Meta's id of the number.
    pub phone_number_id: Option<String>,
    /// Meta's id of the business account.
    pub business_account_id: Option<String>,
    /// What Meta must say in the webhook handshake.
    pub webhook_verify_token: Option<SecretText>,
    /// What webhooks are signed with.
    pub app_secret: Option<SecretText>,
    /// E.g. `v22.0`.
    pub api_version: String,
    /// Where the Cloud API is, without a trailing slash.
    pub api_base_url: String,
    /// Messages per second and number; `None` is without bound.
    pub messages_per_second: Option<u32>,
    /// Whether to keep to Meta's pace per contact.
    pub pair_pacing: bool,
    /// Seconds that a message waits whose send brought no answer: a status webhook may prove that it went out.
    pub unknown_send_seconds: u32,
}

/// Which internal addresses flows may call.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// What the egress guard lets through.
    pub allow: Vec<EgressRule>,
    /// Who knows the addresses of names: the system, unless a test answers for it.
    pub names: Arc<dyn Names>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self { allow: Vec::new(), names: Arc::new(SystemNames) }
    }
}

/// Where and how often triggers are fired from outside.
#[derive(Debug, Clone)]
pub struct TriggersConfig {
    /// Where the outside reaches this server, without a trailing slash; shown in the addresses of triggers.
    pub public_url: Option<String>,
    /// Requests per second to one trigger's address, on one host; twice as many may come at once.
    pub hook_requests_per_second: u32,
    /// Shortest time between two looks of a poller, in seconds.
    pub poll_seconds_min: u32,
}

/// One thing that the egress guard lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EgressRule {
    /// A host by name, in lower case; its addresses may be internal.
    Host(String),
    /// A network or a single address.
    Net(IpNet),
}

/// What is logged.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// For people or for programs.
    pub format: LogFormat,
    /// Directives in the syntax of `RUST_LOG`.
    pub filter: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the environment, and `.env` in the working folder for what the environment does not say.
    ///
    /// # Errors
    /// Names every malformed value, and every variable of `.env` that looks like one of ours and is none.
    pub fn load() -> Result<Self, ConfigError> {
        Self::load_with(|_| None)
    }

    /// The same with values that go before both, such as the command line's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(first: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let file = dotenv::read(".env".as_ref())?;
        Self::from_vars(|name| first(name).or_else(|| std::env::var(name).ok()).or_else(|| file.get(name).cloned()))
    }

    /// Reads variables from wherever they are. A variable that is empty counts as absent.
    ///
    /// # Errors
    /// Names every malformed value.
    pub fn from_vars(vars: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        reader::read(&vars)
    }

    /// What tests run with: nothing but the database is set, secrets are fixed, nothing is paced.
    ///
    /// # Panics
    /// When a default is malformed, which a test would show.
    #[expect(clippy::expect_used, reason = "the values are constants")]
    pub fn for_testing(database_url: &str) -> Self {
        Self::from_vars(|name| {
            let value = match name {
                "DATABASE_URL" => database_url,
                "PORT" | "WHATSAPP_MESSAGES_PER_SECOND" => "0",
                "SECRET_KEY" => "a secret key that is only for tests",
                "WHATSAPP_APP_SECRET" => "app secret for tests",
                "WHATSAPP_WEBHOOK_VERIFY_TOKEN" => "verify token for tests",
                "WHATSAPP_PAIR_PACING" => "false",
                _ => return None,
            };
            Some(value.to_owned())
        })
        .expect("the test configuration is sound")
    }
}

/// `https://graph.facebook.com/` and `https://graph.facebook.com` are the same base.
fn base_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must be an http or https URL".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment".into());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
