//! Every bound of the engine, by name.

/// Most nodes in one flow.
pub const NODES_PER_FLOW: usize = 1_000;
/// Most bytes of one template's source.
pub const TEMPLATE_SOURCE_BYTES: usize = 32 * 1024;
/// Work one template may do, in the template engine's fuel: an instruction costs one, and so do 64 bytes of data made
/// or read. It bounds time and memory: this much is about 3 MB.
pub const TEMPLATE_FUEL: u64 = 50_000;
/// Most names in a dotted path such as `state.order.items.0`.
pub const PATH_SEGMENTS: usize = 16;
/// Longest wait and longest reply time-out that can be saved, in days.
pub const WAIT_DAYS: u32 = 366;
/// Longest time for one attempt of a `webhook_action` that can be saved, in seconds.
pub const HTTP_TIMEOUT_SECONDS: u32 = 30;
/// Most attempts after the first one of a `webhook_action` that can be saved.
pub const HTTP_RETRIES: u32 = 5;
/// Most headers of a `webhook_action`.
pub const HTTP_HEADERS: usize = 50;
/// Fuel that compiling a regular expression costs when a variable in it keeps it from being compiled beforehand.
pub const PATTERN_FUEL: u64 = 10_000;
/// Most memory one regular expression may take when compiled, in bytes.
pub const PATTERN_BYTES: usize = 1024 * 1024;
/// Most keywords of one trigger.
pub const KEYWORDS_PER_TRIGGER: usize = 100;
/// Most characters of one keyword.
pub const KEYWORD_CHARS: usize = 500;
/// Most contacts that a schedule trigger can name.
pub const AUDIENCE_PHONES: usize = 1_000;
/// Most tags of a schedule trigger's audience.
pub const AUDIENCE_TAGS: usize = 100;
/// Most characters of a cron expression.
pub const CRON_CHARS: usize = 200;
/// Most conditions of one event trigger.
pub const EVENT_CONDITIONS: usize = 50;
/// Most flows that may start one another in a row, each by its end: it cuts loops between flows.
pub const EVENT_DEPTH: i64 = 5;

/// Most attempts after the first one of a plugin's node that can be saved.
pub(crate) const PLUGIN_RETRIES: u32 = 10;
/// Most bytes of what a plugin's node keeps between two calls, written as JSON.
pub(crate) const PLUGIN_STATE_BYTES: usize = 64 * 1024;
/// Shortest wait that a plugin's node can ask for, in milliseconds; a shorter one is made this long, so that nobody can
/// be called without pause.
pub(crate) const PLUGIN_WAIT_MS_MIN: u64 = 1_000;
/// Longest pause before another attempt that a plugin's node can ask for, in milliseconds.
pub(crate) const PLUGIN_RETRY_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Most events that one step of a plugin's node can emit.
pub(crate) const EVENTS_PER_STEP: usize = 10;
/// Most bytes of an event's payload, written as JSON.
pub const EVENT_PAYLOAD_BYTES: usize = 32 * 1024;
/// Most items of one request to a webhook trigger.
pub const HOOK_ITEMS: usize = 100;
/// Most characters of an event's id.
pub const HOOK_ID_CHARS: usize = 200;
/// Most characters of a contact's name.
pub(crate) const CONTACT_TEXT_CHARS: usize = 200;
/// Most tags of a contact.
pub const CONTACT_TAGS: usize = 100;
/// Most characters of a tag.
pub const CONTACT_TAG_CHARS: usize = 100;
/// Most free fields of a contact.
pub const CONTACT_ATTRIBUTES: usize = 200;

/// What one sprint may use. What a flow may say when it is saved is bounded by the constants beside this type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Nodes entered in one sprint; one more fails the execution. It is what ends a loop that never waits.
    pub steps_per_sprint: u32,
    /// Messages sent in one sprint; one more fails the execution.
    pub messages_per_sprint: u32,
    /// Work all templates of one sprint may do, in the fuel of [`TEMPLATE_FUEL`]; more fails the execution. A million is
    /// well below a second.
    pub fuel_per_sprint: u64,
    /// Bytes of the flow's variables, written as JSON.
    pub state_bytes: usize,
    /// How deep lists and objects may be nested in the flow's variables. JSON readers give up at 128.
    pub state_depth: usize,
    /// Bytes one template may produce.
    pub template_output_bytes: usize,
    /// Longest wait in days; a longer one fails the execution.
    pub wait_days: u32,
    /// Seconds for one attempt of a `webhook_action`; a larger wish is cut to this.
    pub http_timeout_seconds: u32,
    /// Attempts after the first one of a `webhook_action`; a larger wish is cut to this.
    pub http_retries: u32,
    /// Attempts after the first one of a plugin's node; a larger wish is cut to this.
    pub plugin_retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps_per_sprint: 200,
            messages_per_sprint: 30,
            fuel_per_sprint: 1_000_000,
            state_bytes: 256 * 1024,
            state_depth: 64,
            template_output_bytes: 64 * 1024,
            wait_days: WAIT_DAYS,
            http_timeout_seconds: HTTP_TIMEOUT_SECONDS,
            http_retries: HTTP_RETRIES,
            plugin_retries: PLUGIN_RETRIES,
        }
    }
}
