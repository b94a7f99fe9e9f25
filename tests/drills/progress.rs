//! Waiting as long as there is progress, however slow the machine.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How long nothing may become less before it counts as stuck. Longer than the longest sleep of an idle server, a
/// minute, and than a lease.
const STUCK_AFTER: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// How many of what is left are named.
const NAMED: usize = 3;

/// Waits until nothing is left. Fails when what is left has not become less for long.
pub(crate) async fn until_nothing_is_left(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Vec<String>, String>,
) -> Result<(), String> {
    let (mut least, mut since) = (usize::MAX, Instant::now());
    loop {
        let left = look().await?;
        if left.is_empty() {
            return Ok(());
        }
        if left.len() < least {
            (least, since) = (left.len(), Instant::now());
        }
        if since.elapsed() > STUCK_AFTER {
            let named = left[..left.len().min(NAMED)].join("\n  ");
            return Err(format!("{what}: {} left, and no fewer for {STUCK_AFTER:?}:\n  {named}", left.len()));
        }
        sleep(LOOK).await;
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Result<(), String> {
    until_nothing_is_left(what, async || Ok(if is_so().await { Vec::new() } else { vec!["it".to_owned()] })).await
}
