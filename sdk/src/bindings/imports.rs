//! Capabilities, served by the host.

use crate::{
    bindings::capabilities::chatboost::plugin::{clock, config, http, kv, log, random, secrets},
    http::{HttpError, Request, Response},
    kv::{KvError, RawEntry, Scope},
    log::Level,
    secrets::SecretError,
};

pub(crate) fn log_write(level: Level, message: &str, fields: Option<&str>) {
    let level = match level {
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, message, fields);
}

pub(crate) fn clock_now_ms() -> u64 {
    clock::now_ms()
}

pub(crate) fn random_bytes(length: u32) -> Vec<u8> {
    random::bytes(length)
}

pub(crate) fn config_get(key: &str) -> Option<String> {
    config::get(key)
}

pub(crate) fn secret_placeholder(name: &str) -> Result<String, SecretError> {
    secrets::placeholder(name).map_err(secret_error)
}

pub(crate) fn secret_hmac_sha256(name: &str, message: &[u8]) -> Result<Vec<u8>, SecretError> {
    secrets::hmac_sha256(name, message).map_err(secret_error)
}

fn secret_error(error: secrets::Error) -> SecretError {
    match error {
        secrets::Error::Denied(text) => SecretError::Denied(text),
        secrets::Error::Missing(text) => SecretError::Missing(text),
    }
}

pub(crate) fn http_send(request: Request) -> Result<Response, HttpError> {
    let Request { method, url, headers, body, timeout_ms } = request;
    match http::send(&http::Request { method, url, headers, body, timeout_ms }) {
        Ok(http::Response { status, headers, body }) => Ok(Response { status, headers, body }),
        Err(error) => Err(match error {
            http::Error::Denied(text) => HttpError::Denied(text),
            http::Error::Invalid(text) => HttpError::Invalid(text),
            http::Error::Unreachable(text) => HttpError::Unreachable(text),
            http::Error::TimedOut => HttpError::TimedOut,
            http::Error::TooLarge(bytes) => HttpError::TooLarge(bytes),
            http::Error::Quota(text) => HttpError::Quota(text),
        }),
    }
}

pub(crate) fn kv_get(whose: Scope, key: &str) -> Result<Option<RawEntry>, KvError> {
    let entry = kv::get(scope(whose), key).map_err(kv_error)?;
    Ok(entry.map(|kv::Entry { value, version }| RawEntry { value, version }))
}

pub(crate) fn kv_set(whose: Scope, key: &str, value: &[u8], ttl_seconds: Option<u32>) -> Result<(), KvError> {
    kv::set(scope(whose), key, value, ttl_seconds).map_err(kv_error)
}

pub(crate) fn kv_compare_and_set(
    whose: Scope,
    key: &str,
    expected: Option<u64>,
    value: &[u8],
    ttl_seconds: Option<u32>,
) -> Result<bool, KvError> {
    kv::compare_and_set(scope(whose), key, expected, value, ttl_seconds).map_err(kv_error)
}

pub(crate) fn kv_increment(whose: Scope, key: &str, delta: i64) -> Result<i64, KvError> {
    kv::increment(scope(whose), key, delta).map_err(kv_error)
}

pub(crate) fn kv_delete(whose: Scope, key: &str) -> Result<bool, KvError> {
    kv::delete(scope(whose), key).map_err(kv_error)
}

pub(crate) fn kv_list_keys(
    whose: Scope,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, KvError> {
    kv::list_keys(scope(whose), prefix, after, limit).map_err(kv_error)
}

fn scope(scope: Scope) -> kv::Scope {
    match scope {
        Scope::Bot => kv::Scope::Bot,
        Scope::Contact => kv::Scope::Contact,
    }
}

fn kv_error(error: kv::Error) -> KvError {
    match error {
        kv::Error::Denied(text) => KvError::Denied(text),
        kv::Error::Quota(text) => KvError::Quota(text),
        kv::Error::Invalid(text) => KvError::Invalid(text),
        kv::Error::Unavailable(text) => KvError::Unavailable(text),
    }
}
