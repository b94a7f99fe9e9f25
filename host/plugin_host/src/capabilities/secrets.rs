//! `secrets`: placeholders for values that the guest never sees.

use aho_corasick::{AhoCorasick, MatchKind};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use wasmtime::Result;

use crate::{
    HostPattern,
    bindings::chatboost::plugin::secrets::{Error, Host},
    run::state::State,
};

/// How a placeholder begins. Nothing in it changes in a header, a query or JSON.
const PREFIX: &str = "chatboost-secret-";

/// The placeholders that a call was given.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    known: Vec<Known>,
}

/// A secret in a call.
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) placeholder: String,
    pub(crate) value: String,
    pub(crate) hosts: Vec<HostPattern>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Placeholders {
    /// Whether the call was given none.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Those that a text contains.
    pub(crate) fn within(&self, text: &[u8]) -> Vec<&Known> {
        if self.known.is_empty() || text.len() < PREFIX.len() {
            return Vec::new();
        }
        let patterns = self.known.iter().map(|known| &known.placeholder);
        let Ok(finder) = AhoCorasick::new(patterns) else { return self.known.iter().collect() };
        let mut found: Vec<usize> = finder.find_iter(text).map(|hit| hit.pattern().as_usize()).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|index| self.known.get(index)).collect()
    }

    /// The text with every value in its placeholder's place, written as `encode` says.
    pub(crate) fn fill(&self, text: &[u8], encode: impl Fn(&str) -> String) -> Vec<u8> {
        let values = self.known.iter().map(|known| encode(&known.value));
        replace(text, self.known.iter().map(|known| known.placeholder.clone()).zip(values).collect())
    }

    /// The text with every placeholder in its value's place, however the value is written.
    pub(crate) fn scrub(&self, text: &[u8]) -> Vec<u8> {
        if self.known.is_empty() {
            return text.to_vec();
        }
        let mut pairs = Vec::new();
        for known in &self.known {
            for written in [known.value.clone(), json_text(&known.value), query_text(&known.value)] {
                pairs.push((written, known.placeholder.clone()));
            }
        }
        replace(text, pairs)
    }
}

/// A value within the quotes of a JSON string.
pub(crate) fn json_text(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// A value in a query or a form.
pub(crate) fn query_text(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

fn replace(text: &[u8], pairs: Vec<(String, String)>) -> Vec<u8> {
    let (from, to): (Vec<_>, Vec<_>) = pairs.into_iter().filter(|(from, _)| !from.is_empty()).unzip();
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&from);
    finder.map_or_else(|_| Vec::new(), |finder| finder.replace_all_bytes(text, &to))
}

impl State {
    /// The index of a secret among the call's, fetched when it is asked for the first time.
    async fn known(&mut self, name: &str) -> Result<usize, Error> {
        if let Some(index) = self.placeholders.known.iter().position(|known| known.name == name) {
            return Ok(index);
        }
        let binding = self.caller.rights.secret(name).map_err(|denial| Error::Denied(self.denied(denial)))?;
        let hosts = binding.hosts.iter().filter_map(|host| HostPattern::parse(host).ok()).collect();
        let found = self.meter.outside(self.caller.services.secret(name)).await;
        let value = found.map_err(|error| Error::Missing(format!("the secret {name} cannot be read: {error}")))?;
        let value = value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Error::Missing(format!("nobody has stored a value for the secret {name}")))?;
        let mut bytes = [0; 16];
        self.caller.services.random(&mut bytes);
        let placeholder = format!("{PREFIX}{}", hex::encode(bytes));
        self.placeholders.known.push(Known { name: name.to_owned(), placeholder, value, hosts });
        Ok(self.placeholders.known.len() - 1)
    }
}

impl Host for State {
    async fn placeholder(&mut self, name: String) -> Result<Result<String, Error>> {
        self.host_call("secrets")?;
        Ok(self.known(&name).await.map(|index| self.placeholders.known[index].placeholder.clone()))
    }

    async fn hmac_sha256(&mut self, name: String, message: Vec<u8>) -> Result<Result<Vec<u8>, Error>> {
        self.host_call("secrets")?;
        let index = match self.known(&name).await {
            Ok(index) => index,
            Err(error) => return Ok(Err(error)),
        };
        let value = &self.placeholders.known[index].value;
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(value.as_bytes()) else {
            return Ok(Err(Error::Missing(format!("the secret {name} cannot be a key"))));
        };
        mac.update(&message);
        Ok(Ok(mac.finalize().into_bytes().to_vec()))
    }
}
