//! What hangs on the secret key: the signatures of access tokens, and the sealing of bots' secrets at rest.

use std::{io, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use domain::BotId;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::{Config, SecretText};

/// Marks what this version of the program sealed.
const SEAL: &str = "v1:";
/// Bytes of a nonce, long enough to be drawn at random for every sealing.
const NONCE_BYTES: usize = 24;
/// File in the data folder that holds a generated secret key.
const KEY_FILE: &str = "secret_key";

/// Keys derived from the secret key, one per purpose.
#[derive(Clone)]
pub struct Secrets {
    token_key: [u8; 32],
    plugin_cache_key: [u8; 32],
    cipher: XChaCha20Poly1305,
    /// Opens what was sealed before the secret key was changed.
    previous: Option<XChaCha20Poly1305>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Why a sealed secret stays shut: it was sealed with another secret key, for another place, or it is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be opened: was SECRET_KEY changed?")]
pub struct UnsealError;

impl Secrets {
    /// Takes the configured secret key, else the one in the data folder, else makes one there that only the owner of
    /// the process may read.
    ///
    /// # Errors
    /// When the file can neither be read nor made, or there is no randomness.
    pub fn open(config: &Config) -> io::Result<Self> {
        let mut secrets = match &config.auth.secret_key {
            Some(key) => Self::derive(key),
            None => Self::derive(&read_or_make(&config.data_dir)?),
        };
        secrets.previous = config.auth.previous_secret_key.as_ref().map(cipher);
        Ok(secrets)
    }

    /// Derives the keys.
    pub fn derive(secret_key: &SecretText) -> Self {
        Self {
            token_key: derive(secret_key, b"chatboost access tokens"),
            plugin_cache_key: derive(secret_key, b"chatboost machine code of plugins"),
            cipher: cipher(secret_key),
            previous: None,
        }
    }

    /// Whether a previous secret key is known.
    pub(crate) fn has_previous(&self) -> bool {
        self.previous.is_some()
    }

    /// What access tokens are signed with.
    pub fn token_key(&self) -> &[u8; 32] {
        &self.token_key
    }

    /// What machine code of plugins that is kept on disk is authenticated with.
    pub(crate) fn plugin_cache_key(&self) -> &[u8; 32] {
        &self.plugin_cache_key
    }

    /// Seals a secret of a bot for the database. It opens only for the same bot and field.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(&self, bot: BotId, field: &str, secret: &str) -> io::Result<String> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let place = place(bot, field);
        let payload = Payload { msg: secret.as_bytes(), aad: place.as_bytes() };
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| io::Error::other("sealing failed"))?;
        Ok(format!("{SEAL}{}", STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what [`seal`](Self::seal) sealed.
    ///
    /// # Errors
    /// When it was sealed with another key, for another bot or field, or is damaged.
    pub fn unseal(&self, bot: BotId, field: &str, sealed: &str) -> Result<SecretText, UnsealError> {
        let previous = || self.previous.as_ref().ok_or(UnsealError).and_then(|old| open(old, bot, field, sealed));
        open(&self.cipher, bot, field, sealed).or_else(|_| previous())
    }

    /// Seals what the previous secret key has sealed with the present one. `None` when there is nothing to do, also for
    /// what no key opens.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn reseal(&self, bot: BotId, field: &str, sealed: &str) -> io::Result<Option<String>> {
        if self.previous.is_none() || open(&self.cipher, bot, field, sealed).is_ok() {
            return Ok(None);
        }
        match self.unseal(bot, field, sealed) {
            Ok(secret) => self.seal(bot, field, secret.reveal()).map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// Draws a text of 256 random bits, e.g. for a key or a token.
///
/// # Errors
/// When the system has no randomness.
pub fn random_text() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

fn open(cipher: &XChaCha20Poly1305, bot: BotId, field: &str, sealed: &str) -> Result<SecretText, UnsealError> {
    let bytes = sealed.strip_prefix(SEAL).and_then(|text| STANDARD_NO_PAD.decode(text).ok()).ok_or(UnsealError)?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(UnsealError)?;
    let place = place(bot, field);
    let payload = Payload { msg: sealed, aad: place.as_bytes() };
    let secret = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| UnsealError)?;
    String::from_utf8(secret).map(SecretText::new).map_err(|_| UnsealError)
}

fn cipher(secret_key: &SecretText) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&derive(secret_key, b"chatboost sealing of bot secrets").into())
}

fn derive(secret_key: &SecretText, purpose: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length: there is no error to speak of.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret_key.reveal().as_bytes()).expect("any key length");
    mac.update(purpose);
    mac.finalize().into_bytes().into()
}

fn place(bot: BotId, field: &str) -> String {
    format!("bot {bot} {field}")
}

fn read_or_make(data_dir: &Path) -> io::Result<SecretText> {
    let path = data_dir.join(KEY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(key) if key.trim().is_empty() => Err(io::Error::other(format!("{} is empty", path.display()))),
        Ok(key) => Ok(SecretText::new(key.trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir, &path),
        Err(error) => Err(error),
    }
}

fn make(data_dir: &Path, path: &Path) -> io::Result<SecretText> {
    use std::io::Write;
    std::fs::create_dir_all(data_dir)?;
    let key = random_text()?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            file.write_all(key.as_bytes())?;
            file.sync_all()?;
            Ok(SecretText::new(key))
        }
        // Another process was faster; its key counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_or_make(data_dir),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_secrets_open_only_in_their_place_and_with_their_key() {
        let secrets = Secrets::derive(&SecretText::new("one"));
        let sealed = secrets.seal(BotId(1), "token", "hunter2").unwrap();
        assert!(sealed.starts_with("v1:") && !sealed.contains("hunter2"));
        assert_ne!(sealed, secrets.seal(BotId(1), "token", "hunter2").unwrap());
        assert_eq!(secrets.unseal(BotId(1), "token", &sealed).unwrap().reveal(), "hunter2");
        assert_eq!(secrets.unseal(BotId(2), "token", &sealed), Err(UnsealError));
        assert_eq!(secrets.unseal(BotId(1), "app_secret", &sealed), Err(UnsealError));
        assert_eq!(Secrets::derive(&SecretText::new("two")).unseal(BotId(1), "token", &sealed), Err(UnsealError));
        for damaged in ["", "v1:", "v1:AAAA", "v2:AAAA", &sealed[..sealed.len() - 2]] {
            assert_eq!(secrets.unseal(BotId(1), "token", damaged), Err(UnsealError), "{damaged}");
        }
    }

    #[test]
    fn a_changed_key_opens_what_the_one_before_sealed_and_seals_it_anew() {
        let (old, mut new) = (Secrets::derive(&SecretText::new("old")), Secrets::derive(&SecretText::new("new")));
        let sealed = old.seal(BotId(1), "token", "hunter2").unwrap();
        assert_eq!(
            new.reseal(BotId(1), "token", &sealed).unwrap(),
            None,
            "without the key before, nothing can be done"
        );
        new.previous = Some(cipher(&SecretText::new("old")));
        assert_eq!(new.unseal(BotId(1), "token", &sealed).unwrap().reveal(), "hunter2");
        let resealed = new.reseal(BotId(1), "token", &sealed).unwrap().unwrap();
        assert_eq!(new.reseal(BotId(1), "token", &resealed).unwrap(), None, "once is enough");
        new.previous = None;
        assert_eq!(new.unseal(BotId(1), "token", &resealed).unwrap().reveal(), "hunter2");
    }

    #[test]
    fn a_generated_key_is_private_and_lasts() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let made = read_or_make(&data_dir).unwrap();
        assert_eq!(read_or_make(&data_dir).unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(data_dir.join(KEY_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
