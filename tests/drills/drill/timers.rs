//! Waits and schedules come due while hosts are killed and started again: each once.

use chrono::{SecondsFormat, TimeDelta};
use domain::{Clock, SystemClock};
use serde_json::json;

use crate::{
    scene::Scene,
    talk::{Talk, phone},
    verdict::{Bounds, Report, verdict},
};

pub(super) async fn run(scene: &mut Scene) -> Result<Report, String> {
    let (contacts, timers, schedules, kills) = if scene.long { (100, 15, 20, 60) } else { (12, 5, 4, 6) };
    let pause_ms = if scene.long { 1_000..=6_000 } else { 200..=2_000 };
    // No message to the bot that counts: the only thing that anybody waits for is the time.
    #[expect(clippy::reversed_empty_ranges, reason = "that is how none is written")]
    let messages = 1..=0;
    let talk =
        Talk { contacts: 1..=contacts, starters: vec![("timer", timers)], messages, pause_ms, ..Talk::default() };
    let talking = scene.talk(&talk);
    add_schedules(scene, contacts, schedules, kills).await?;
    scene.kill_again_and_again(kills).await?;
    talking.finished().await?;
    verdict(scene, Bounds { doubts: scene.deaths * contacts, late_copies: false }).await
}

/// Schedules that fire once each, spread over the time of the kills, for everybody or for people by their numbers.
async fn add_schedules(scene: &mut Scene, contacts: usize, schedules: usize, kills: usize) -> Result<(), String> {
    let phones: Vec<String> = (1..=contacts).map(phone).collect();
    let first = SystemClock.now() + TimeDelta::seconds(3);
    for number in 1..=schedules {
        let text = format!("schedule {number}");
        let content = json!({ "message_type": "text", "content": { "text": text } });
        let nodes = json!([{ "type": "send_message", "config": content }]);
        let flow = json!({ "bot_id": scene.bot, "name": text, "nodes": nodes });
        let flow = scene.api.post("/bots/flows/", flow).await["id"].clone();
        let after = i64::try_from(kills * number / schedules).map_err(|error| error.to_string())?;
        let at = first + TimeDelta::seconds(after);
        let trigger = json!({
            "name": text, "bot_id": scene.bot, "flow_id": flow, "trigger_type": "schedule", "schedule_type": "once",
            "schedule_datetime": at.to_rfc3339_opts(SecondsFormat::Secs, true), "contact_phones": phones,
        });
        scene.api.post("/triggers/", trigger).await;
        scene.expected.iter_mut().for_each(|one| one.once.push(text.clone()));
    }
    Ok(())
}
