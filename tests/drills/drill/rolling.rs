//! A rolling restart: hosts are asked to end, one after the other, and started again. Nothing may be in doubt after it.

use crate::{
    scene::Scene,
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

pub(super) async fn run(scene: &mut Scene) -> Result<Report, String> {
    let (contacts, rounds) = if scene.long { (100, 10) } else { (12, 1) };
    let messages = if scene.long { 60 } else { 20 };
    let pause_ms = if scene.long { 200..=1_000 } else { 50..=500 };
    let talk = Talk { contacts: 1..=contacts, messages: 1..=messages, pause_ms, ..Talk::default() };
    let talking = scene.talk(&talk);
    for _ in 0..rounds {
        for host in 0..scene.hosts.len() {
            scene.pause(300..=1_000).await;
            scene.hosts[host].end().await?;
            scene.hosts[host].start()?;
            scene.hosts[host].ready().await?;
        }
    }
    talking.finished().await?;
    verdict(scene, Bounds { doubts: 0, late_copies: false }).await
}
