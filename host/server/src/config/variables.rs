//! Every variable there is.

/// A variable of the environment or of `.env`.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What `.env.example` shows: the default, or an example where there is none.
    pub example: &'static str,
    /// What it is for.
    pub help: &'static str,
}

const fn variable(name: &'static str, example: &'static str, help: &'static str) -> Variable {
    Variable { name, example, help }
}

/// All variables, in the order of `.env.example`.
pub const VARIABLES: &[Variable] = &[
    variable("ENVIRONMENT", "development", "development | production; production refuses to start without its secrets"),
    variable("DEBUG", "true", "log more than usual"),
    variable("HOST", "127.0.0.1", "address to listen on; 0.0.0.0 for all"),
    variable("PORT", "8000", "port to listen on"),
    variable(
        "ROLE",
        "all",
        "all | api (requests and webhooks) | worker (runs and sends); the latter two on PostgreSQL",
    ),
    variable("DRAIN_SECONDS", "0", "how long a server that stops says so before, for a load balancer to notice"),
    variable("DATA_DIR", "./data", "where files are kept"),
    variable(
        "DATABASE_URL",
        "sqlite+aiosqlite:///./chatboost.db",
        "sqlite:… or postgres://…; without it a file in DATA_DIR",
    ),
    variable(
        "SECRET_KEY",
        "your-secret-key-here",
        "signs tokens and seals secrets; generated into DATA_DIR in development",
    ),
    variable("SECRET_KEY_PREVIOUS", "", "the key before SECRET_KEY: what it sealed is sealed anew at the next start"),
    variable("ACCESS_TOKEN_EXPIRE_MINUTES", "30", "how long a login lasts"),
    variable("REGISTRATION", "open", "open | closed; the first user may always register"),
    variable("WHATSAPP_ACCESS_TOKEN", "your-whatsapp-access-token-here", "for bots that have none of their own"),
    variable("WHATSAPP_PHONE_NUMBER_ID", "your-phone-number-id-here", "for the one bot that has none of its own"),
    variable("WHATSAPP_BUSINESS_ACCOUNT_ID", "your-business-account-id-here", "for bots that have none of their own"),
    variable(
        "WHATSAPP_WEBHOOK_VERIFY_TOKEN",
        "your-webhook-verify-token-here",
        "what Meta says in the webhook handshake",
    ),
    variable("WHATSAPP_APP_SECRET", "your-app-secret-here", "what webhooks are signed with"),
    variable("WHATSAPP_API_VERSION", "v22.0", "version of the Cloud API"),
    variable("WHATSAPP_API_BASE_URL", "https://graph.facebook.com", "where the Cloud API is"),
    variable("WHATSAPP_MESSAGES_PER_SECOND", "80", "per number; 0 = no pacing"),
    variable("WHATSAPP_PAIR_PACING", "true", "keep to Meta's pace per contact"),
    variable(
        "WHATSAPP_UNKNOWN_SEND_SECONDS",
        "20",
        "how long a send without an answer waits for a status before it is tried again",
    ),
    variable("MEDIA_STORE", "off", "keeps files that people send: off | file:<folder> | s3://<bucket>/<prefix>"),
    variable("MEDIA_RETENTION_DAYS", "0", "for how long; 0 = for ever"),
    variable(
        "RETENTION_MESSAGES_DAYS",
        "0",
        "messages; 0 = for ever, else at least 8: Meta repeats webhooks for a week",
    ),
    variable("RETENTION_EXECUTIONS_DAYS", "90", "executions since their end, with their step logs; 0 = for ever"),
    variable("RETENTION_STEPS_DAYS", "30", "step logs; 0 = as long as their executions"),
    variable("RETENTION_TRIGGER_LOGS_DAYS", "30", "what triggers started and were refused; 0 = for ever"),
    variable("RETENTION_ACCOUNT_EVENTS_DAYS", "90", "what webhooks tell of accounts; 0 = for ever, else at least 8"),
    variable("RETENTION_PLUGIN_LOGS_DAYS", "30", "what plugins log; 0 = the newest 1,000 lines of each bot"),
    variable("AWS_ACCESS_KEY_ID", "", "for a MEDIA_STORE in a bucket"),
    variable("AWS_SECRET_ACCESS_KEY", "", "for a MEDIA_STORE in a bucket"),
    variable("AWS_SESSION_TOKEN", "", "for credentials that expire"),
    variable("AWS_REGION", "us-east-1", "where the bucket is"),
    variable("AWS_ENDPOINT_URL", "", "for a bucket that is not at Amazon"),
    variable("PUBLIC_URL", "", "where the outside reaches this server; shown in the addresses of webhook triggers"),
    variable("HOOK_REQUESTS_PER_SECOND", "20", "per address of a webhook trigger"),
    variable("POLL_SECONDS_MIN", "60", "shortest time between two looks of a polling trigger"),
    variable("EGRESS_ALLOW", "", "comma-separated internal hosts or networks that flows may call"),
    variable(
        "PLUGIN_CAPABILITIES",
        "http,kv,secrets,log,clock,random,config",
        "what plugins may be granted at all, comma-separated; none for nothing",
    ),
    variable(
        "PLUGIN_HTTP_HOSTS",
        "*",
        "comma-separated hosts that plugins may be granted, e.g. *.example.com; * for all",
    ),
    variable(
        "PLUGIN_WASI",
        "false",
        "take components that import WASI (Python, JavaScript, Go), which gives them nothing",
    ),
    variable("PLUGIN_MAX_UPLOAD_KB", "16384", "largest component"),
    variable("PLUGIN_MAX_MEMORY_KB", "65536", "memory of one call"),
    variable("PLUGIN_MAX_CPU_MS", "2000", "processor time of one call"),
    variable("PLUGIN_MAX_WALL_MS", "30000", "time of one call, its requests included"),
    variable("PLUGIN_MAX_HTTP_CALLS", "10", "requests of one call"),
    variable("PLUGIN_MAX_HTTP_KB", "4096", "bytes that these may send and receive"),
    variable("PLUGIN_MAX_KV_KEYS", "10000", "values that a plugin may keep for a bot, and for each contact"),
    variable("PLUGIN_MAX_KV_KB", "8192", "size of these values together"),
    variable("PLUGIN_MAX_CALLS", "64", "calls of plugins at once"),
    variable("PLUGIN_MAX_CALLS_PER_USER", "16", "calls of plugins at once for the bots of one user"),
    variable("LOG_FORMAT", "pretty", "pretty | json"),
    variable("RUST_LOG", "", "log filter, e.g. info,server=debug"),
];
