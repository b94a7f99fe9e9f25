//! Pauses of background work: longer with each failure, and not the same on all hosts.

use std::time::Duration;

/// First pause after a failure; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause after failures.
const LONGEST: Duration = Duration::from_secs(5);

/// The pause after the next failure.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    failures: u32,
}

impl Pause {
    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed: waits.
    pub(crate) async fn wait(&mut self) {
        let pause = (FIRST * 2_u32.pow(self.failures.min(10))).min(LONGEST);
        self.failures += 1;
        tokio::time::sleep(jittered(pause)).await;
    }
}

/// A pause up to a fifth shorter or longer, so that hosts which began together do not go on together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let mut byte = [128];
    // Without randomness it is the pause as it is.
    let _ = getrandom::fill(&mut byte);
    pause * (800 + 400 * u32::from(byte[0]) / 255) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jittered_pause_is_near_the_pause() {
        for _ in 0..1_000 {
            let pause = jittered(Duration::from_secs(10));
            assert!((Duration::from_secs(8)..=Duration::from_secs(12)).contains(&pause), "{pause:?}");
        }
    }
}
