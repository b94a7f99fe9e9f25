//! Twenty numbered messages of each contact, delivered twice, late and in disorder, while hosts are killed.

use emulator::{Disorder, Faults};

use crate::{
    scene::{Scene, Wishes},
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

pub(super) fn wishes() -> Wishes {
    let disorder = Disorder { duplicate: 0.3, shuffle: 5, ..Disorder::default() };
    Wishes { faults: Faults { messages: disorder, statuses: disorder, ..Faults::default() }, ..Wishes::default() }
}

pub(super) async fn run(scene: &mut Scene) -> Result<Report, String> {
    let (contacts, kills) = if scene.long { (500, 40) } else { (30, 4) };
    let talk = Talk {
        contacts: 1..=contacts,
        messages: 1..=20,
        pause_ms: if scene.long { 100..=2_000 } else { 20..=300 },
        hurry: true,
        repeats: 0.5,
        ..Talk::default()
    };
    let talking = scene.talk(&talk);
    scene.kill_again_and_again(kills).await?;
    talking.finished().await?;
    verdict(scene, Bounds { doubts: scene.deaths * contacts, late_copies: false }).await
}
