//! How many requests an address takes, on this host.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use domain::TriggerId;
use lru::LruCache;

/// Most addresses that are remembered; one that is forgotten begins anew.
const ADDRESSES_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What is left for an address, and as of when.
struct Bucket {
    left: f64,
    at: Instant,
}

/// See the module.
pub(crate) struct Pace(Mutex<LruCache<TriggerId, Bucket>>);

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pace(…)")
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(ADDRESSES_MAX)))
    }
}

impl Pace {
    /// Whether one more request may come now. Those of two seconds may come at once.
    pub(super) fn admit(&self, trigger: TriggerId, per_second: u32) -> bool {
        let (rate, now) = (f64::from(per_second), Instant::now());
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get_or_insert_mut(trigger, || Bucket { left: 2.0 * rate, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * rate).min(2.0 * rate);
        bucket.at = now;
        let admitted = bucket.left >= 1.0;
        if admitted {
            bucket.left -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_a_pace_of_its_own() {
        let pace = Pace::default();
        let admitted = (0..10).filter(|_| pace.admit(TriggerId(1), 1)).count();
        assert_eq!(admitted, 2);
        assert!(pace.admit(TriggerId(2), 1));
    }
}
