//! Hosts: their roles, by whose clock their leases go, and what they tell each other.

use std::time::Duration;

use chrono::TimeDelta;
use domain::{Clock, HostRole, SystemClock};
use storage::{Arrival, ContactFields};
use tests::{Migrated, TestDatabase, each_database};

use super::{bot, now, user};

each_database! {
    async fn a_host_is_announced_with_its_role_until_it_leaves(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let until = now() + TimeDelta::seconds(15);
        for role in [HostRole::All, HostRole::Api, HostRole::Worker] {
            tx.register_host("h", role, now(), until).await.unwrap();
        }
        let hosts = tx.hosts().await.unwrap();
        let roles: Vec<_> = hosts.iter().map(|host| (host.role, host.lease_until == until)).collect();
        assert_eq!(roles, [(HostRole::All, true), (HostRole::Api, true), (HostRole::Worker, true)]);
        tx.sign_off(hosts[1].id, now()).await.unwrap();
        let left: Vec<_> = tx.hosts().await.unwrap().into_iter().map(|host| host.id).collect();
        assert_eq!(left, [hosts[0].id, hosts[2].id]);
        assert!(!tx.renew_lease(hosts[1].id, until).await.unwrap());
    }

    async fn leases_go_by_the_clock_that_hosts_have_in_common(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let own = now();
        let common = tx.lease_clock(own).await.unwrap();
        if db.database().is_postgres() {
            let off = common - SystemClock.now();
            assert!(off.abs() < TimeDelta::seconds(30), "the database's time: {common}");
        } else {
            assert_eq!(common, own);
        }
    }

    async fn mailboxes_of_all_hosts_that_are_gone_are_freed_and_of_no_other(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let bot_id = bot(&mut tx, &owner, "b").await;
        let until = now() + TimeDelta::seconds(15);
        let mut hosts = Vec::new();
        for n in 0..6 {
            let host = tx.register_host("h", HostRole::All, now(), until).await.unwrap();
            let fields = ContactFields { phone: Some(format!("1650555000{n}")), source: "api".into(), ..ContactFields::default() };
            let contact_id = tx.create_contact(bot_id, &fields, now()).await.unwrap().id;
            tx.note_arrivals(&[Arrival { contact_id, bot_id, count: 1, open: 0 }], Some(host), now()).await.unwrap();
            hosts.push((host, contact_id));
        }
        for (host, _) in &hosts[3..] {
            tx.renew_lease(*host, until + TimeDelta::seconds(15)).await.unwrap();
        }
        assert_eq!(tx.bury_hosts(until, now(), false).await.unwrap(), 0, "to its last moment a lease holds");
        let late = until + TimeDelta::seconds(1);
        assert_eq!(tx.bury_hosts(late, now(), false).await.unwrap(), 3);
        assert_eq!(tx.bury_hosts(late, now(), false).await.unwrap(), 0);
        let mut freed = tx.claim_mailboxes(hosts[5].0, now(), 10).await.unwrap();
        freed.sort();
        assert_eq!(freed, hosts[..3].iter().map(|(_, contact)| *contact).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_connection_tells_another_one_hears_in_order() {
    let database = TestDatabase::postgres().await;
    let (here, there) = (database.connect().await, database.connect().await);
    let mut listener = there.listen().await.unwrap().unwrap();
    let texts: Vec<String> = vec!["one".into(), "x".repeat(7_999), "three".into()];
    here.signal(&texts).await.unwrap();
    for text in &texts {
        assert_eq!(&tokio::time::timeout(Duration::from_secs(10), listener.next()).await.unwrap().unwrap(), text);
    }
    storage::testing::cut_connections(&database).await.unwrap();
    let lost = tokio::time::timeout(Duration::from_secs(10), listener.next()).await.unwrap();
    assert!(lost.is_err_and(|error| error.is_transient()), "the loss is told");
}

#[tokio::test]
async fn nobody_listens_where_nobody_can_tell() {
    let db = TestDatabase::sqlite().connect().await;
    assert!(db.listen().await.unwrap().is_none());
    db.signal(&["x".into()]).await.unwrap();
}
