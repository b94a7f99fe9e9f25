//! Durations in buckets that grow by a fifth, so that medians and percentiles of any number of executions are kept in a
//! few rows, and are off by less than 10 %.

/// How many buckets there are; the last one takes whatever is longer than forty years.
const BUCKETS: usize = 155;

/// The longest duration of each bucket in milliseconds.
const BOUNDS: [i64; BUCKETS] = bounds();

const fn bounds() -> [i64; BUCKETS] {
    let mut bounds = [0; BUCKETS];
    let mut n = 1;
    while n < BUCKETS {
        let grown = bounds[n - 1] / 5 * 6 + bounds[n - 1] % 5 * 6 / 5;
        bounds[n] = if grown > bounds[n - 1] { grown } else { bounds[n - 1] + 1 };
        n += 1;
    }
    bounds
}

/// The bucket that a duration belongs to.
pub(crate) fn bucket_of(ms: i64) -> i64 {
    let bucket = BOUNDS.partition_point(|bound| *bound < ms).min(BUCKETS - 1);
    i64::try_from(bucket).unwrap_or_default()
}

/// What a duration in a bucket is taken for: the middle.
fn middle_of(bucket: i64) -> i64 {
    let bucket = usize::try_from(bucket).unwrap_or_default().min(BUCKETS - 1);
    let lowest = if bucket == 0 { 0 } else { BOUNDS[bucket - 1] + 1 };
    lowest + (BOUNDS[bucket] - lowest) / 2
}

/// How many durations fell into which bucket, shortest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram(pub(crate) Vec<(i64, i64)>);

impl Histogram {
    /// How many durations there are.
    pub fn count(&self) -> i64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The duration in milliseconds that `percent` of all do not exceed, by nearest rank and off by less than 10 %. None
    /// when there are no durations.
    pub fn percentile(&self, percent: u8) -> Option<i64> {
        let rank = i64::try_from((i128::from(self.count()) * i128::from(percent)).div_euclid(100)).unwrap_or(i64::MAX);
        let exact = i128::from(rank) * 100 == i128::from(self.count()) * i128::from(percent);
        let rank = if exact { rank } else { rank + 1 }.max(1);
        let mut seen = 0;
        let holds = |&&(_, count): &&(i64, i64)| {
            seen += count;
            seen >= rank
        };
        self.0.iter().find(holds).map(|(bucket, _)| middle_of(*bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations: &[i64]) -> Histogram {
        let mut buckets = std::collections::BTreeMap::new();
        for ms in durations {
            *buckets.entry(bucket_of(*ms)).or_insert(0) += 1;
        }
        Histogram(buckets.into_iter().collect())
    }

    #[test]
    fn a_duration_is_off_by_less_than_a_tenth_up_to_forty_years() {
        assert!(BOUNDS[BUCKETS - 2] > 40 * 365 * 86_400_000, "{}", BOUNDS[BUCKETS - 2]);
        for bound in &BOUNDS[..BUCKETS - 1] {
            for ms in [*bound, bound + 1] {
                let off = (middle_of(bucket_of(ms)) - ms).abs();
                assert!(off * 10 < ms.max(1), "{ms} is taken for {}", middle_of(bucket_of(ms)));
            }
        }
        assert_eq!(bucket_of(-5), 0);
        assert_eq!(bucket_of(i64::MAX), bucket_of(BOUNDS[BUCKETS - 1]));
    }

    #[test]
    fn percentiles_go_by_nearest_rank() {
        assert_eq!(of(&[]).percentile(50), None);
        assert_eq!(of(&[7]).percentile(95), Some(7));
        assert_eq!(of(&[1, 2, 3, 4]).percentile(50), Some(2));
        assert_eq!(of(&[1, 2, 3, 4, 5]).percentile(50), Some(3));
        let many: Vec<i64> = (0..100).map(|n| if n < 95 { 3 } else { 1_000_000 }).collect();
        assert_eq!((of(&many).percentile(95), of(&many).count()), (Some(3), 100));
        assert!((of(&many).percentile(96).unwrap() - 1_000_000).abs() < 100_000);
    }
}
