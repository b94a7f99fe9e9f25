//! Requests that are done once.

use chrono::TimeDelta;
use storage::RequestKey;
use tests::{Migrated, each_database};

use super::{now, user};

each_database! {
    async fn a_request_is_claimed_once_and_tells_what_it_made(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let host = tx.register_host("here", domain::HostRole::All, now(), now()).await.unwrap();
        let key = RequestKey { user: ada.id, path: "/flows/execute".into(), key: "k".into() };
        let since = now() - TimeDelta::days(1);
        assert!(tx.kept_request(&key).await.unwrap().is_none());
        assert!(tx.claim_request(&key, "digest", host, since, now()).await.unwrap());
        assert!(!tx.claim_request(&key, "other", host, since, now()).await.unwrap());
        let elsewhere = RequestKey { path: "/whatsapp/send/text".into(), ..key.clone() };
        assert!(tx.claim_request(&elsewhere, "other", host, since, now()).await.unwrap());

        tx.note_resource(&key, 7).await.unwrap();
        let kept = tx.kept_request(&key).await.unwrap().unwrap();
        assert_eq!((kept.digest.as_str(), kept.resource_id, kept.status), ("digest", Some(7), None));
        assert_eq!((kept.host_id, kept.host_is_alive), (host, true));
        tx.keep_answer(&key, 201, "first").await.unwrap();
        tx.keep_answer(&key, 500, "second").await.unwrap();
        tx.sign_off(host, now()).await.unwrap();
        let kept = tx.kept_request(&key).await.unwrap().unwrap();
        assert_eq!((kept.status, kept.answer.as_deref(), kept.host_is_alive), (Some(201), Some("first"), false));
        tx.commit().await.unwrap();
    }

    async fn old_requests_are_forgotten_a_hundred_at_a_time(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let host = tx.register_host("here", domain::HostRole::All, now(), now()).await.unwrap();
        let key = |key: String| RequestKey { user: ada.id, path: "/p".into(), key };
        let long_ago = now() - TimeDelta::days(2);
        for n in 0..250 {
            assert!(tx.claim_request(&key(n.to_string()), "d", host, long_ago, long_ago).await.unwrap());
        }
        let since = now() - TimeDelta::days(1);
        for left in [150, 50, 0] {
            assert!(tx.claim_request(&key(format!("new {left}")), "d", host, since, now()).await.unwrap());
            let mut found = 0;
            for n in 0..250 {
                found += i32::from(tx.kept_request(&key(n.to_string())).await.unwrap().is_some());
            }
            assert_eq!(found, left);
        }
        // Too old to count, though not yet forgotten: it is done again.
        assert!(tx.claim_request(&key("x".into()), "d", host, long_ago, long_ago).await.unwrap());
        assert!(tx.claim_request(&key("x".into()), "d", host, since, now()).await.unwrap());
        tx.commit().await.unwrap();
    }
}
