//! The host's side of the capabilities in native tests: what [`World`] holds, for the call that this thread makes.

use std::cell::RefCell;

use serde_json::{Map, Value};

use crate::{
    Capabilities,
    http::{HttpError, Request, Response},
    kv::{KvError, RawEntry, Scope},
    log::Level,
    secrets::SecretError,
    testing::{
        protocol::{LogLine, World},
        rights, store,
    },
};

/// What answers requests.
pub(crate) type Exchange = dyn FnMut(Request) -> Result<Response, HttpError>;

/// A call in progress.
pub(crate) struct Running {
    pub(crate) wanted: Capabilities,
    pub(crate) world: World,
    pub(crate) has_contact: bool,
    pub(crate) logs: Vec<LogLine>,
    /// Requests leave the thread's state while they are answered.
    pub(crate) exchange: Option<Box<Exchange>>,
    pub(crate) drawn: u64,
}

thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// Makes a call with something to serve it, and gives that back.
pub(crate) fn serve<T>(running: Running, call: impl FnOnce() -> T) -> (T, Running) {
    RUNNING.with(|cell| *cell.borrow_mut() = Some(running));
    let result = call();
    let running = RUNNING.with(|cell| cell.borrow_mut().take());
    (result, running.unwrap_or_else(|| panic!("a call ended that had not begun")))
}

/// What is left of a call that panicked.
pub(crate) fn abandoned() -> Option<Running> {
    RUNNING.with(|cell| cell.borrow_mut().take())
}

fn with<T>(what: &str, serve: impl FnOnce(&mut Running) -> T) -> T {
    RUNNING.with(|cell| match cell.borrow_mut().as_mut() {
        Some(running) => serve(running),
        None => panic!("{what} works only while a harness makes a call: see chatboost_sdk::testing"),
    })
}

pub(crate) fn log_write(level: Level, message: &str, fields: Option<&str>) {
    with("log", |running| {
        if running.wanted.log {
            let fields: Map<String, Value> =
                fields.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            running.logs.push(LogLine { level, message: message.to_owned(), fields });
        }
    });
}

/// What ends a call that uses what it may not use: a sentence that names the missing line.
pub(crate) struct Denied(pub(crate) String);

fn allowed(capability: &str, is_wanted: bool) {
    if !is_wanted {
        let missing = format!("the plugin's manifest lacks `capabilities.{capability}`: true");
        std::panic::panic_any(Denied(format!("`{capability}` may not be used: {missing}")));
    }
}

pub(crate) fn clock_now_ms() -> u64 {
    with("clock", |running| {
        allowed("clock", running.wanted.clock);
        running.world.now_ms
    })
}

pub(crate) fn random_bytes(length: u32) -> Vec<u8> {
    with("random", |running| {
        allowed("random", running.wanted.random);
        (0..length).map(|_| rights::pseudo_random(running.world.seed, &mut running.drawn)).collect()
    })
}

pub(crate) fn config_get(key: &str) -> Option<String> {
    with("settings", |running| {
        let named = running.wanted.config.iter().any(|wish| wish.key == key);
        if named { running.world.settings.get(key).map(ToString::to_string) } else { None }
    })
}

pub(crate) fn secret_placeholder(name: &str) -> Result<String, SecretError> {
    with("secrets", |running| rights::secret(running, name).map(|_| rights::placeholder(name)))
}

pub(crate) fn secret_hmac_sha256(name: &str, message: &[u8]) -> Result<Vec<u8>, SecretError> {
    use hmac::Mac;

    with("secrets", |running| {
        let key = rights::secret(running, name)?;
        let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes());
        let mut mac = mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    })
}

pub(crate) fn http_send(mut request: Request) -> Result<Response, HttpError> {
    let mut exchange = with("http", |running| {
        rights::request(running, &mut request)?;
        running.exchange.take().ok_or_else(|| HttpError::Invalid("a request within a request".to_owned()))
    })?;
    let result = exchange(request);
    with("http", |running| running.exchange = Some(exchange));
    result
}

fn with_kv<T>(scope: Scope, serve: impl FnOnce(&mut World) -> Result<T, KvError>) -> Result<T, KvError> {
    with("kv", |running| {
        rights::kv(running, scope)?;
        serve(&mut running.world)
    })
}

pub(crate) fn kv_get(scope: Scope, key: &str) -> Result<Option<RawEntry>, KvError> {
    with_kv(scope, |world| store::get(world, scope, key))
}

pub(crate) fn kv_set(scope: Scope, key: &str, value: &[u8], ttl_seconds: Option<u32>) -> Result<(), KvError> {
    with_kv(scope, |world| store::set(world, scope, key, value, ttl_seconds))
}

pub(crate) fn kv_compare_and_set(
    scope: Scope,
    key: &str,
    expected: Option<u64>,
    value: &[u8],
    ttl_seconds: Option<u32>,
) -> Result<bool, KvError> {
    with_kv(scope, |world| {
        let fits = store::get(world, scope, key)?.map(|entry| entry.version) == expected;
        if fits {
            store::set(world, scope, key, value, ttl_seconds)?;
        }
        Ok(fits)
    })
}

pub(crate) fn kv_increment(scope: Scope, key: &str, delta: i64) -> Result<i64, KvError> {
    with_kv(scope, |world| store::increment(world, scope, key, delta))
}

pub(crate) fn kv_delete(scope: Scope, key: &str) -> Result<bool, KvError> {
    with_kv(scope, |world| store::delete(world, scope, key))
}

pub(crate) fn kv_list_keys(
    scope: Scope,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, KvError> {
    with_kv(scope, |world| Ok(store::keys(world, scope, prefix, after, limit)))
}
