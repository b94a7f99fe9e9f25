//! What the manifest allows a call in native tests. The owner of the bot is taken to have granted all of it.

use crate::{
    HttpRule,
    http::{HttpError, Request},
    kv::{KvError, Scope},
    secrets::SecretError,
    testing::host::Running,
};

pub(crate) fn kv(running: &Running, scope: Scope) -> Result<(), KvError> {
    let wanted = running.wanted.kv.unwrap_or_default();
    let (name, allowed) = match scope {
        Scope::Bot => ("bot", wanted.bot),
        Scope::Contact => ("contact", wanted.contact),
    };
    if !allowed {
        return Err(KvError::Denied(format!("the manifest lacks capabilities.kv.{name} = true")));
    }
    if scope == Scope::Contact && !running.has_contact {
        return Err(KvError::Denied("this call has no contact whose values there could be".to_owned()));
    }
    Ok(())
}

pub(crate) fn secret(running: &Running, name: &str) -> Result<String, SecretError> {
    if !running.wanted.secrets.iter().any(|wish| wish.name == name) {
        return Err(SecretError::Denied(format!("the manifest lacks capabilities.secrets with the name {name}")));
    }
    let value = running.world.secrets.get(name);
    value.cloned().ok_or_else(|| SecretError::Missing(format!("nobody has stored a value for {name}")))
}

pub(crate) fn placeholder(name: &str) -> String {
    format!("{{{{secret:{name}}}}}")
}

/// Checks a request, and puts secrets in their places.
pub(crate) fn request(running: &Running, request: &mut Request) -> Result<(), HttpError> {
    let (host, path) = parts(&request.url)?;
    let rule = |rule: &&HttpRule| fits(rule, host, &request.method, path);
    if !running.wanted.http.iter().any(|candidate| rule(&candidate)) {
        let line = format!(r#"{{"host": "{host}", "methods": ["{}"], "path_prefixes": ["{path}"]}}"#, request.method);
        return Err(HttpError::Denied(format!("the manifest lacks in capabilities.http a line like {line}")));
    }
    let secrets = &running.world.secrets;
    let filled = |text: &str| {
        secrets.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&placeholder(name), value))
    };
    if let Some((before, query)) = request.url.split_once('?') {
        if before.contains("{{secret:") {
            return Err(HttpError::Denied("a secret goes into headers, query or body".to_owned()));
        }
        request.url = format!("{before}?{}", filled(query));
    } else if request.url.contains("{{secret:") {
        return Err(HttpError::Denied("a secret goes into headers, query or body".to_owned()));
    }
    for (_, value) in &mut request.headers {
        *value = filled(value);
    }
    if let Some(body) = &mut request.body
        && let Ok(text) = std::str::from_utf8(body)
    {
        *body = filled(text).into_bytes();
    }
    Ok(())
}

/// Host with its port if there is one, and path.
fn parts(url: &str) -> Result<(&str, &str), HttpError> {
    let invalid = || HttpError::Invalid(format!("{url} is no address that begins with https:// or http://"));
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or_else(invalid)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(end);
    if host.is_empty() || host.contains('@') {
        return Err(invalid());
    }
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    Ok((host, if path.is_empty() { "/" } else { path }))
}

fn fits(rule: &HttpRule, host: &str, method: &str, path: &str) -> bool {
    let host_fits = match rule.host.strip_prefix("*") {
        Some(domain) => domain.is_empty() || host.ends_with(domain),
        None => rule.host == host,
    };
    let begins = |prefix: &String| {
        path.strip_prefix(prefix.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    host_fits
        && (rule.methods.is_empty() || rule.methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method)))
        && (rule.path_prefixes.is_empty() || rule.path_prefixes.iter().any(begins))
}

/// A byte that looks random and is the same in every run (SplitMix64).
pub(crate) fn pseudo_random(seed: u64, drawn: &mut u64) -> u8 {
    *drawn = drawn.wrapping_add(1);
    let mut mixed = seed.wrapping_add(drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 56) as u8
}
