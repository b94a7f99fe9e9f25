//! Turns variables into a [`Config`], collecting everything that is wrong.

use std::{path::PathBuf, str::FromStr, time::Duration};

use domain::HostRole;
use ipnet::IpNet;

use super::{
    AuthConfig, BucketConfig, Config, EgressConfig, EgressRule, Environment, HttpConfig, LogConfig, LogFormat,
    MediaConfig, SecretText, StoreConfig, TriggersConfig, WhatsAppConfig, base_url, database_url, media, plugins,
    retention,
};

/// Fewest characters of a secret key in production.
const SECRET_KEY_CHARS_MIN: usize = 16;
/// Longest life of an access token: a year, in minutes.
const TOKEN_MINUTES_MAX: u64 = 366 * 24 * 60;

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is faulty:{}", listed(.faults))]
pub struct ConfigError {
    faults: Vec<String>,
}

impl ConfigError {
    pub(super) fn of(faults: Vec<String>) -> Self {
        Self { faults }
    }

    pub(super) fn one(fault: String) -> Self {
        Self { faults: vec![fault] }
    }

    /// One sentence for each fault, naming the variable and never a secret's value.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// One fault on the same line, several below each other.
fn listed(faults: &[String]) -> String {
    match faults {
        [fault] => format!(" {fault}"),
        faults => faults.iter().map(|fault| format!("\n  - {fault}")).collect(),
    }
}

pub(super) struct Reader<'a> {
    vars: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.vars)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn secret(&self, name: &str) -> Option<SecretText> {
        self.text(name).map(SecretText::new)
    }

    /// Reads a value with `parse`, which says what is wrong with it; takes the default instead of a faulty one.
    pub(super) fn value<T>(&mut self, name: &str, default: T, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let Some(text) = self.text(name) else { return default };
        match parse(&text) {
            Ok(value) => value,
            Err(fault) => {
                self.faults.push(format!("{name} {fault}"));
                default
            }
        }
    }

    pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
        &mut self,
        name: &str,
        default: T,
        least: T,
        most: T,
    ) -> T {
        self.value(name, default, |text| {
            text.parse::<T>()
                .ok()
                .filter(|n| (least..=most).contains(n))
                .ok_or_else(|| format!("must be a number from {least} to {most}, not {text:?}"))
        })
    }

    fn word<T: Copy>(&mut self, name: &str, default: T, words: &[(&str, T)]) -> T {
        self.value(name, default, |text| {
            let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            found.map(|(_, value)| *value).ok_or_else(|| {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("must be one of {}, not {text:?}", known.join(", "))
            })
        })
    }

    pub(super) fn boolean(&mut self, name: &str, default: bool) -> bool {
        const WORDS: [(&str, bool); 8] = [
            ("true", true),
            ("false", false),
            ("1", true),
            ("0", false),
            ("yes", true),
            ("no", false),
            ("on", true),
            ("off", false),
        ];
        self.word(name, default, &WORDS)
    }
}

pub(super) fn read(vars: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let mut r = Reader { vars, faults: Vec::new() };
    let environment = r.word(
        "ENVIRONMENT",
        Environment::Development,
        &[("development", Environment::Development), ("production", Environment::Production)],
    );
    let data_dir = PathBuf::from(r.text("DATA_DIR").unwrap_or_else(|| "./data".into()));
    let database_url = r.value("DATABASE_URL", database_url::default_in(&data_dir), database_url::normalise);
    let config = Config {
        environment,
        role: role(&mut r, &database_url),
        drain_seconds: r.number("DRAIN_SECONDS", 0, 0, 600),
        debug: r.boolean("DEBUG", false),
        http: HttpConfig {
            host: r.value("HOST", [127, 0, 0, 1].into(), |text| {
                let text = if text == "localhost" { "127.0.0.1" } else { text };
                text.parse().map_err(|_| format!("must be an IP address, not {text:?}"))
            }),
            port: r.number("PORT", 8000, 0, u16::MAX),
        },
        data_dir,
        database_url: SecretText::new(database_url),
        auth: auth(&mut r),
        whatsapp: whatsapp(&mut r),
        media: media_config(&mut r),
        retention: retention::read(&mut r),
        egress: EgressConfig { allow: r.value("EGRESS_ALLOW", Vec::new(), egress), ..EgressConfig::default() },
        triggers: TriggersConfig {
            public_url: r.value("PUBLIC_URL", None, |text| base_url(text).map(Some)),
            hook_requests_per_second: r.number("HOOK_REQUESTS_PER_SECOND", 20, 1, 100_000),
            poll_seconds_min: r.number("POLL_SECONDS_MIN", 60, 1, 86_400),
        },
        plugins: plugins::read(&mut r),
        log: LogConfig {
            format: r.word(
                "LOG_FORMAT",
                LogFormat::Pretty,
                &[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)],
            ),
            filter: r.value("RUST_LOG", None, |text| match tracing_subscriber::EnvFilter::try_new(text) {
                Ok(_) => Ok(Some(text.to_owned())),
                Err(error) => Err(format!("is no log filter: {error}")),
            }),
        },
    };
    if config.environment == Environment::Production {
        production(&config, &mut r.faults);
    }
    if r.faults.is_empty() { Ok(config) } else { Err(ConfigError::of(r.faults)) }
}

fn role(r: &mut Reader<'_>, database_url: &str) -> HostRole {
    let roles = [HostRole::All, HostRole::Api, HostRole::Worker].map(|role| (role.as_str(), role));
    let role = r.word("ROLE", HostRole::All, &roles);
    if role != HostRole::All && database_url.starts_with("sqlite:") {
        let role = role.as_str();
        r.faults
            .push(format!("ROLE {role} needs hosts that share a PostgreSQL; on SQLite there is one, which does all"));
    }
    role
}

fn auth(r: &mut Reader<'_>) -> AuthConfig {
    let minutes = r.number("ACCESS_TOKEN_EXPIRE_MINUTES", 30, 1, TOKEN_MINUTES_MAX);
    AuthConfig {
        secret_key: r.secret("SECRET_KEY"),
        previous_secret_key: r.secret("SECRET_KEY_PREVIOUS"),
        access_token_lifetime: Duration::from_secs(minutes * 60),
        registration_open: r.word("REGISTRATION", true, &[("open", true), ("closed", false)]),
    }
}

fn whatsapp(r: &mut Reader<'_>) -> WhatsAppConfig {
    let messages_per_second = r.number("WHATSAPP_MESSAGES_PER_SECOND", 80, 0, 10_000);
    WhatsAppConfig {
        access_token: r.secret("WHATSAPP_ACCESS_TOKEN"),
        phone_number_id: r.text("WHATSAPP_PHONE_NUMBER_ID"),
        business_account_id: r.text("WHATSAPP_BUSINESS_ACCOUNT_ID"),
        webhook_verify_token: r.secret("WHATSAPP_WEBHOOK_VERIFY_TOKEN"),
        app_secret: r.secret("WHATSAPP_APP_SECRET"),
        api_version: r.value("WHATSAPP_API_VERSION", "v22.0".into(), |text| {
            let is_version =
                text.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(major, minor)| {
                    [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
                });
            if is_version { Ok(text.to_owned()) } else { Err(format!("must look like v22.0, not {text:?}")) }
        }),
        api_base_url: r.value("WHATSAPP_API_BASE_URL", "https://graph.facebook.com".into(), base_url),
        messages_per_second: (messages_per_second > 0).then_some(messages_per_second),
        pair_pacing: r.boolean("WHATSAPP_PAIR_PACING", true),
        unknown_send_seconds: r.number("WHATSAPP_UNKNOWN_SEND_SECONDS", 20, 1, 3_600),
    }
}

fn media_config(r: &mut Reader<'_>) -> MediaConfig {
    let days = r.number("MEDIA_RETENTION_DAYS", 0, 0, 36_500);
    let store = match r.value("MEDIA_STORE", media::Place::Off, media::place) {
        media::Place::Off => StoreConfig::Off,
        media::Place::Folder(folder) => StoreConfig::Folder(folder),
        media::Place::Bucket { bucket, prefix } => bucket_config(r, bucket, prefix),
    };
    MediaConfig { store, retention_days: (days > 0).then_some(days) }
}

/// The names of variables are those that every client of S3 knows.
fn bucket_config(r: &mut Reader<'_>, bucket: String, prefix: String) -> StoreConfig {
    let endpoint = r.value("AWS_ENDPOINT_URL", None, |text| base_url(text).map(Some));
    let region = r.text("AWS_REGION").unwrap_or_else(|| "us-east-1".into());
    let (id, key) = (r.secret("AWS_ACCESS_KEY_ID"), r.secret("AWS_SECRET_ACCESS_KEY"));
    for (name, value) in [("AWS_ACCESS_KEY_ID", &id), ("AWS_SECRET_ACCESS_KEY", &key)] {
        if value.is_none() {
            r.faults.push(format!("{name} must be set for a MEDIA_STORE in a bucket"));
        }
    }
    let none = || SecretText::new("");
    StoreConfig::Bucket(BucketConfig {
        bucket,
        prefix,
        endpoint,
        region,
        access_key_id: id.unwrap_or_else(none),
        secret_access_key: key.unwrap_or_else(none),
        session_token: r.secret("AWS_SESSION_TOKEN"),
    })
}

fn egress(text: &str) -> Result<Vec<EgressRule>, String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(egress_rule).collect()
}

fn egress_rule(entry: &str) -> Result<EgressRule, String> {
    if let Ok(net) = entry.parse::<IpNet>() {
        return Ok(EgressRule::Net(net));
    }
    if let Ok(address) = entry.parse::<std::net::IpAddr>() {
        return Ok(EgressRule::Net(address.into()));
    }
    match url::Host::parse(entry) {
        Ok(url::Host::Domain(host)) if !entry.contains(':') => Ok(EgressRule::Host(host.to_lowercase())),
        _ => Err(format!("has {entry:?}, which is no host, address or network (write neither scheme nor port)")),
    }
}

/// What may be missing or weak on a developer's machine only.
fn production(config: &Config, faults: &mut Vec<String>) {
    match &config.auth.secret_key {
        None => faults.push("SECRET_KEY must be set in production".into()),
        Some(key) if key.reveal() == "your-secret-key-here" || key.reveal().len() < SECRET_KEY_CHARS_MIN => {
            faults.push(format!(
                "SECRET_KEY must be a secret of your own with at least {SECRET_KEY_CHARS_MIN} characters in production"
            ));
        }
        Some(_) => {}
    }
    if config.whatsapp.app_secret.is_none() {
        faults.push("WHATSAPP_APP_SECRET must be set in production: webhooks are verified with it".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_needed_in_development() {
        let config = config(&[]).unwrap();
        assert_eq!(config.database_url.reveal(), "sqlite:./data/chatboost.db");
        assert_eq!((config.http.port, config.auth.access_token_lifetime.as_secs()), (8000, 1800));
        assert_eq!(config.whatsapp.messages_per_second, Some(80));
        assert!(config.auth.registration_open && config.whatsapp.pair_pacing);
    }

    #[test]
    fn all_faults_are_named_at_once_and_no_secret() {
        let error = config(&[
            ("PORT", "eighty"),
            ("ENVIRONMENT", "staging"),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", "0"),
            ("DATABASE_URL", "mysql://root:hunter2@db/x"),
            ("WHATSAPP_PAIR_PACING", "perhaps"),
            ("EGRESS_ALLOW", "10.0.0.0/8, http://x"),
            ("WHATSAPP_API_VERSION", "22"),
        ])
        .unwrap_err();
        let text = error.to_string();
        for name in [
            "PORT",
            "ENVIRONMENT",
            "ACCESS_TOKEN_EXPIRE_MINUTES",
            "DATABASE_URL",
            "WHATSAPP_PAIR_PACING",
            "EGRESS_ALLOW",
        ] {
            assert!(text.contains(name), "{name} is missing in {text}");
        }
        assert_eq!(error.faults().len(), 7);
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn production_wants_its_own_secrets() {
        let error = config(&[("ENVIRONMENT", "production")]).unwrap_err();
        assert_eq!(error.faults().len(), 2, "{error}");
        let weak =
            [("ENVIRONMENT", "production"), ("SECRET_KEY", "your-secret-key-here"), ("WHATSAPP_APP_SECRET", "x")];
        assert_eq!(config(&weak).unwrap_err().faults().len(), 1);
        let own = [("ENVIRONMENT", "production"), ("SECRET_KEY", "0123456789abcdef"), ("WHATSAPP_APP_SECRET", "x")];
        assert!(config(&own).is_ok());
    }

    #[test]
    fn files_are_kept_where_the_operator_says() {
        assert_eq!(config(&[]).unwrap().media.store, StoreConfig::Off);
        let folder = config(&[("MEDIA_STORE", "file:./media"), ("MEDIA_RETENTION_DAYS", "30")]).unwrap().media;
        assert_eq!((folder.store, folder.retention_days), (StoreConfig::Folder("./media".into()), Some(30)));
        let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        let bucket = config(&[&keys[..], &[("MEDIA_STORE", "s3://my-files/a/b/")]].concat()).unwrap();
        assert!(!format!("{bucket:?}").contains("hunter2"));
        let StoreConfig::Bucket(bucket) = bucket.media.store else { panic!("a bucket") };
        assert_eq!(
            (bucket.bucket.as_str(), bucket.prefix.as_str(), bucket.region.as_str()),
            ("my-files", "a/b", "us-east-1")
        );
        for (store, faults) in
            [("s3://my-files", 2), ("s3://", 1), ("s3://UPPER/x", 1), ("file:", 1), ("ftp://x", 1), ("./media", 1)]
        {
            let error = config(&[("MEDIA_STORE", store)]).unwrap_err();
            assert_eq!(error.faults().len(), faults, "{store}: {error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = config(&[("SECRET_KEY", "hunter2"), ("DATABASE_URL", "postgres://u:hunter2@h/d")]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn egress_takes_hosts_addresses_and_networks() {
        let config = config(&[("EGRESS_ALLOW", "localhost, 10.0.0.0/8,::1, CRM.internal")]).unwrap();
        assert_eq!(
            config.egress.allow,
            [
                EgressRule::Host("localhost".into()),
                EgressRule::Net("10.0.0.0/8".parse().unwrap()),
                EgressRule::Net("::1/128".parse().unwrap()),
                EgressRule::Host("crm.internal".into()),
            ]
        );
    }
}
