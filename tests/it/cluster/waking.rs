//! What one host takes in and another one is to do is done at once.

use domain::HostRole;
use serde_json::json;

use super::{ADA, AT_ONCE, Cluster, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_a_contact_that_another_host_owns_is_handled_by_that_host_at_once() {
    let cluster = Cluster::start(&[HostRole::All, HostRole::All], |_| {}).await;
    cluster.answers("one", "first").await;
    cluster.answers("two", "second").await;
    // As long as Meta has not answered, the contact is the second host's.
    let mut faults = cluster.emulator.faults();
    faults.delay_ms = 6_000;
    cluster.emulator.set_faults(faults);
    cluster.webhooks_to(1);
    cluster.say("one").await;
    until("the answer is on its way", async || cluster.hosts[1].app().work.in_flight() == 1).await;
    assert_eq!(cluster.hosts[0].app().work.pending(), (0, 0));
    cluster.webhooks_to(0);
    cluster.say("two").await;
    let took = until("the second message is handled", async || cluster.executions().await == 2).await;
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(cluster.hosts[0].app().work.pending(), (0, 0), "not by the host that took it in");
    assert_eq!(cluster.hosts[1].app().work.pending().1, 2);
    cluster.emulator.set_faults(emulator::Faults::default());
    cluster.got(2).await;
    let got: Vec<String> = cluster.emulator.sent_to(ADA).into_iter().map(|sent| sent.text).collect();
    assert_eq!(got, ["first", "second"]);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_host_takes_in_that_does_not_work_is_done_by_another_one_at_once() {
    let cluster = Cluster::start(&[HostRole::Api, HostRole::Worker, HostRole::Worker], |_| {}).await;
    cluster.answers("hello", "hi").await;
    for n in 1..=8 {
        cluster.say("hello").await;
        let took = cluster.got(n).await;
        assert!(took < AT_ONCE, "message {n}: {took:?}");
    }
    let flow = cluster.answers("other", "by the clock").await;
    let at = cluster.hosts[0].app().clock.now() + chrono::TimeDelta::seconds(1);
    let trigger = json!({
        "name": "soon", "bot_id": cluster.bot, "flow_id": flow, "trigger_type": "schedule", "schedule_type": "once",
        "schedule_datetime": at.to_rfc3339(), "contact_phones": [ADA],
    });
    cluster.api.post("/triggers/", trigger).await;
    let took = cluster.got(9).await;
    assert!(took < AT_ONCE * 3 / 2, "a schedule: {took:?}");
    let start = json!({ "flow_id": flow, "contact_phone": ADA, "bot_id": cluster.bot });
    cluster.api.post("/flows/execute?wait=5", start).await;
    let took = cluster.got(10).await;
    assert!(took < AT_ONCE, "an execution by API: {took:?}");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_is_mended_on_one_host_sends_on_another_at_once() {
    let cluster = Cluster::start(&[HostRole::Api, HostRole::Worker], |_| {}).await;
    cluster.answers("hello", "hi").await;
    // The access token has expired.
    let refused = emulator::Failure::Code { code: 190, http_status: None, details: None, transient: false };
    cluster.emulator.fail_next(1, refused);
    cluster.say("hello").await;
    let path = format!("/bots/{}", cluster.bot);
    let is_ill = async || cluster.api.get(&path).await["health"]["status"] != "ok";
    until("the bot is ill", is_ill).await;
    until("its message waits in the database", async || cluster.hosts[1].app().work.pending() == (0, 0)).await;
    cluster.api.put(&path, json!({ "whatsapp_access_token": "another-token" })).await;
    let took = cluster.got(1).await;
    assert!(took < AT_ONCE, "{took:?}");
    cluster.end().await;
}
