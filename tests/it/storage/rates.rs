//! A number's rate is given away once.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use tests::{Migrated, each_database};

use super::now;

fn parts(parts: &[(&str, i64)]) -> BTreeMap<String, i64> {
    parts.iter().map(|(number, microseconds)| ((*number).to_owned(), *microseconds)).collect()
}

each_database! {
    async fn turns_of_a_number_follow_each_other_and_start_anew_when_it_was_idle(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ms = |n: i64| now() + TimeDelta::milliseconds(n);
        assert_eq!(tx.take_turns(&parts(&[("1", 250_000), ("2", 100_000)]), ms(0)).await.unwrap(), [ms(0), ms(0)]);
        assert_eq!(tx.take_turns(&parts(&[("1", 250_000)]), ms(10)).await.unwrap(), [ms(250)]);
        assert_eq!(tx.take_turns(&parts(&[("1", 1), ("2", 1)]), ms(20)).await.unwrap(), [ms(500), ms(100)]);
        assert_eq!(tx.take_turns(&parts(&[("2", 100_000)]), ms(9_000)).await.unwrap(), [ms(9_000)], "what was not used is lost");
        assert!(tx.take_turns(&BTreeMap::new(), ms(0)).await.unwrap().is_empty());
    }

    async fn hosts_that_ask_at_once_get_different_turns(db: Migrated) {
        let ask = async || {
            let mut tx = db.begin().await.unwrap();
            let turns = tx.take_turns(&parts(&[("1", 1_000), ("2", 1_000)]), now()).await.unwrap();
            tx.commit().await.unwrap();
            turns
        };
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        for number in 0..2 {
            let mut turns = [a[number], b[number], c[number]];
            turns.sort();
            assert_eq!(turns.map(|turn| (turn - now()).num_microseconds().unwrap()), [0, 1_000, 2_000]);
        }
    }
}
