//! Users and API keys.

use std::time::Duration;

use storage::{Error, NewUser, Role};
use tests::{Migrated, each_database};

use super::{now, user};

each_database! {
    async fn users_are_found_by_either_name(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "Ada").await, user(&mut tx, "bob").await);
        assert_eq!((ada.role, bob.role), (Role::Admin, Role::User));
        assert_eq!(ada.created_at, now());
        tx.commit().await.unwrap();

        let mut tx = db.read().await.unwrap();
        for login in ["ada", " ADA ", "ada@EXAMPLE.com"] {
            let (found, hash) = tx.user_credentials(login).await.unwrap().unwrap();
            assert_eq!((&found, hash.as_str()), (&ada, "$argon2id$x"));
        }
        assert!(tx.user_credentials("eve").await.unwrap().is_none());
        assert_eq!(tx.user(bob.id).await.unwrap(), Some(bob.clone()));
        assert_eq!(tx.is_user_taken("ADA", "x").await.unwrap(), (true, false));
        assert_eq!(tx.is_user_taken("x", "BOB@example.com").await.unwrap(), (false, true));
        let page = tx.users(1, 1).await.unwrap();
        assert_eq!((page.total, page.items), (2, vec![bob]));
    }

    async fn taken_names_are_told_apart(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        user(&mut tx, "ada").await;
        tx.commit().await.unwrap();
        for (username, email, which) in [("ADA", "x@x", "username_key"), ("eve", "ADA@example.com", "email_key")] {
            let mut tx = db.begin().await.unwrap();
            let new = NewUser { username, email, full_name: None, password_hash: "" };
            let error = tx.create_user(new, now()).await.unwrap_err();
            assert!(matches!(&error, Error::Conflict(what) if what.contains(which)), "{error:?}");
        }
    }

    async fn api_keys_end(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let ends = now() + Duration::from_secs(1);
        let short = tx.create_api_key(ada.id, "short", "cb_s", "hash1", Some(ends), now()).await.unwrap();
        let long = tx.create_api_key(ada.id, "long", "cb_l", "hash2", None, now()).await.unwrap();
        assert_eq!(tx.user_by_api_key("hash1", now()).await.unwrap(), Some(ada.clone()));
        assert_eq!(tx.user_by_api_key("hash1", ends).await.unwrap(), None);
        assert_eq!(tx.user_by_api_key("hash2", ends).await.unwrap(), Some(ada.clone()));
        assert_eq!(tx.user_by_api_key("hash3", now()).await.unwrap(), None);
        assert_eq!(tx.api_keys(ada.id, 10, 0).await.unwrap().items, [short, long.clone()]);
        assert!(!tx.delete_api_key(bob.id, long.id).await.unwrap());
        assert!(tx.delete_api_key(ada.id, long.id).await.unwrap());
        assert_eq!(tx.api_keys(ada.id, 10, 0).await.unwrap().total, 1);
    }
}
