//! Hashing of passwords: slow on purpose, so off the async threads and only a few at once.

use std::{sync::Arc, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::http::problem::{Kind, Problem, Result};

/// Hashes at once. Each takes 19 MiB and a core for some ten milliseconds.
const AT_ONCE: usize = 2;
/// How long to wait for a turn before the client is told to come back later.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hashes and verifies passwords with argon2id.
#[derive(Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// Verified in place of the password of a user who does not exist, so that both take the same time.
    decoy: OnceCell<String>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    /// Nothing is being hashed yet.
    pub fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), decoy: OnceCell::new() }
    }

    /// Turns a password into a PHC string.
    ///
    /// # Errors
    /// 503 when too many others wait.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await?
            .map_err(|error| Problem::internal(&error))
    }

    /// Whether the password is the one of the PHC string. Without a PHC string it takes as long and is false.
    ///
    /// # Errors
    /// 503 when too many others wait.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let is_known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.decoy.get_or_try_init(|| self.hash("nobody's password".into())).await?.clone(),
        };
        let is_right = self
            .run(move || {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(is_right && is_known)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn: OwnedSemaphorePermit =
            match tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await {
                Ok(Ok(turn)) => turn,
                _ => return Err(Problem::new(Kind::UNAVAILABLE, "too many people log in at once").retry_after(5)),
            };
        // The turn goes along, so that a client who hangs up does not free it while the work goes on.
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_passes() {
        let passwords = Passwords::new();
        let hash = passwords.hash("hunter2".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("hunter2"));
        assert!(passwords.verify("hunter2".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("hunter3".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("nobody's password".into(), None).await.unwrap());
        assert!(!passwords.verify("x".into(), Some("damaged".into())).await.unwrap());
    }
}
