//! `kill -9` of a random host every second.

use crate::{
    scene::Scene,
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

pub(super) async fn run(scene: &mut Scene) -> Result<Report, String> {
    let (contacts, kills) = if scene.long { (100, 60) } else { (12, 6) };
    let messages = if scene.long { 100 } else { 12 };
    let pause_ms = if scene.long { 200..=1_000 } else { 50..=800 };
    let starters = vec![("timer", 1)];
    let talk = Talk { contacts: 1..=contacts, messages: 1..=messages, starters, pause_ms, ..Talk::default() };
    let talking = scene.talk(&talk);
    scene.kill_again_and_again(kills).await?;
    talking.finished().await?;
    // A kill leaves at most one message of each contact in doubt.
    verdict(scene, Bounds { doubts: scene.deaths * contacts, late_copies: false }).await
}
