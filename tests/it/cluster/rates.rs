//! Meta's limits hold for all hosts together.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use domain::{Address, BotId, FlowId, HostRole, JsonMap};
use emulator::Limits;
use serde_json::json;
use tokio::time::Instant;

use super::{Cluster, PATIENCE, until};

/// Who gets a message from each host.
const CONTACTS: usize = 260;
const HOSTS: usize = 2;
/// What the number may send.
const PER_SECOND: u32 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_send_from_one_number_together_are_never_too_fast_and_use_its_rate() {
    let cluster = Cluster::start(&[HostRole::All; HOSTS], |config| {
        // Less than Meta's 80: what a slow machine holds back for a moment and then sends at once must not be too fast.
        config.whatsapp.messages_per_second = Some(PER_SECOND);
        config.whatsapp.pair_pacing = true;
    })
    .await;
    cluster.emulator.set_limits(Limits::of_meta());
    let flow = FlowId(cluster.answers("hello", "hi").await);
    // Hosts that do not know of each other send as before.
    let know = async || cluster.hosts.iter().all(|host| host.app().work.hosts_sending() == HOSTS);
    until("hosts that know of each other", know).await;
    let began = Instant::now();
    let start = async |host: usize| {
        let app = cluster.hosts[host].app();
        for n in 0..CONTACTS {
            let mut tx = app.db.begin().await.unwrap();
            let phone = Address::Phone(format!("1650{host}55{n:04}"));
            let contact = app.work.contact(&mut tx, BotId(cluster.bot), &phone).await.unwrap();
            app.work.execute(tx, (flow, 1), &contact, JsonMap::new(), None).await.unwrap();
        }
    };
    tokio::join!(start(0), start(1));
    let total = CONTACTS * HOSTS;
    cluster.emulator.wait_for(total, PATIENCE * 2).await.unwrap();
    let took = began.elapsed();
    let refused = cluster.emulator.refusals();
    assert!(refused.is_empty(), "{refused:?} after {took:?}");
    assert_eq!(cluster.emulator.count(), total as u64, "nothing twice");
    // They are ahead of the rate by half a second's worth at most. Two that do not share take 3.3 s.
    let least = Duration::from_secs_f64(total as f64 / f64::from(PER_SECOND)) - Duration::from_millis(600);
    assert!(took > least, "{total} messages at {PER_SECOND} a second in {took:?}");
    // That they use the rate is asserted where no machine is slow, in `outbox/share.rs`; here, that they share it.
    let number = cluster.emulator.number().phone_number_id.clone();
    let long_ago = cluster.hosts[0].app().clock.now() - TimeDelta::days(1);
    let mut tx = cluster.hosts[0].app().db.begin().await.unwrap();
    let given_away = tx.take_turns(&BTreeMap::from([(number, 0)]), long_ago).await.unwrap()[0];
    assert!(given_away > long_ago + TimeDelta::hours(23), "turns were asked for");
    drop(tx);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_meta_asks_one_host_for_holds_for_the_others() {
    let cluster = Cluster::start(&[HostRole::All; HOSTS], |_| {}).await;
    let flow = cluster.answers("hello", "hi").await;
    let too_many = emulator::Failure::Code { code: 4, http_status: None, details: None, transient: false };
    cluster.emulator.fail_next(1, too_many);
    let start = |phone: &str| json!({ "flow_id": flow, "contact_phone": phone, "bot_id": cluster.bot });
    cluster.api_of(0).post("/flows/execute", start("16505550001")).await;
    until("one host is told", async || cluster.emulator.refusals().get(&4) == Some(&1)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Both hosts have sent for this bot before or learn of its token now; the app's calls are used up for both.
    cluster.api_of(1).post("/flows/execute", start("16505550002")).await;
    until("the other one has it to send", async || cluster.hosts[1].app().work.pending().1 == 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cluster.emulator.count(), 0, "nobody sends while the app pauses");
    assert_eq!(cluster.hosts[1].app().work.pending().1, 1);
    cluster.end().await;
}
