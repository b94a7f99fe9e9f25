//! A host that was declared dead and lives writes nothing, and begins anew.

use domain::{HostId, HostRole};
use emulator::Failure;

use super::{ADA, Cluster, until};

async fn hosts(cluster: &Cluster) -> Vec<HostId> {
    let mut tx = cluster.hosts[0].app().db.read().await.unwrap();
    tx.hosts().await.unwrap().into_iter().map(|host| host.id).collect()
}

/// Declares the second host dead, as another one does whose lease has run out.
async fn declare_dead(cluster: &Cluster) -> HostId {
    let second = *hosts(cluster).await.last().unwrap();
    let app = cluster.hosts[0].app();
    let mut tx = app.db.begin().await.unwrap();
    tx.sign_off(second, app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    second
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_host_finds_out_that_was_declared_dead_is_not_stored() {
    let cluster = Cluster::start(&[HostRole::All, HostRole::All], |_| {}).await;
    cluster.answers("hello", "hi").await;
    cluster.webhooks_to(1);
    // Meta refuses for good, a second and a half later: a message that nobody would try again.
    let mut faults = cluster.emulator.faults();
    faults.delay_ms = 1_500;
    faults.fail_next(1, Failure::Code { code: 131_026, http_status: None, details: None, transient: false });
    cluster.emulator.set_faults(faults);
    cluster.say("hello").await;
    until("it is on its way", async || cluster.emulator.refusals().get(&131_026) == Some(&1)).await;
    let dead = declare_dead(&cluster).await;
    cluster.webhooks_to(0);
    // It is in doubt, as after a crash: whoever takes the contact over waits for a status and sends it again.
    cluster.got(1).await;
    until("it is settled", async || {
        let path = format!("/whatsapp/messages/{}?direction=outbound", cluster.bot);
        let items = cluster.api.get(&path).await["items"].clone();
        items[0]["status"] != "sending" && items[0]["status"] != "queued" && items[0]["status"] != "failed"
    })
    .await;
    assert_eq!(cluster.emulator.sent_to(ADA).len(), 1);
    until("it begins anew, as another host", async || {
        let hosts = hosts(&cluster).await;
        hosts.len() == 2 && !hosts.contains(&dead)
    })
    .await;
    cluster.webhooks_to(1);
    cluster.emulator.set_faults(emulator::Faults::default());
    cluster.say("hello").await;
    cluster.got(2).await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_in_a_transaction_holds_up_no_other() {
    let cluster = Cluster::start(&[HostRole::All, HostRole::All], |_| {}).await;
    cluster.answers("hello", "hi").await;
    let mut faults = cluster.emulator.faults();
    faults.delay_ms = 3_000;
    cluster.emulator.set_faults(faults);
    cluster.webhooks_to(1);
    cluster.say("hello").await;
    until("the contact is the second host's", async || cluster.hosts[1].app().work.in_flight() == 1).await;
    // As the second host would if it was stopped in the middle of a commit.
    let second = *hosts(&cluster).await.last().unwrap();
    let app = cluster.hosts[1].app();
    let contact = cluster.api.get(&format!("/flows/contacts/?bot_id={}", cluster.bot)).await["items"][0]["id"].clone();
    let contact = domain::ContactId(contact.as_i64().unwrap());
    let mut hanging = app.db.begin().await.unwrap();
    assert_eq!(hanging.lock_mailboxes(second, &[contact]).await.unwrap().len(), 1);
    let mut tx = cluster.hosts[0].app().db.begin().await.unwrap();
    let now = cluster.hosts[0].app().clock.now();
    let freed = tokio::time::timeout(std::time::Duration::from_secs(2), tx.sign_off(second, now)).await;
    assert_eq!(freed.unwrap().unwrap(), 0, "its mailbox is passed over for now");
    tx.commit().await.unwrap();
    hanging.rollback().await.unwrap();
    cluster.emulator.set_faults(emulator::Faults::default());
    until("the mailbox was freed later and all is done", async || {
        let mut tx = cluster.hosts[0].app().db.read().await.unwrap();
        tx.count_mailboxes().await.unwrap() == (0, 0)
    })
    .await;
    assert!(!cluster.emulator.sent_to(ADA).is_empty());
    cluster.end().await;
}
