//! Wall clocks jump: that of the machine by an hour, forwards and back, and that of one host by a few seconds.

use chrono::TimeDelta;

use crate::{
    scene::{Scene, Wishes},
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

/// By how much the clock of one host differs from those of the others: what a host leaves behind for a time is taken up when
/// others see that time.
const APART: TimeDelta = TimeDelta::seconds(3);

pub(super) fn wishes() -> Wishes {
    // Whatever goes by the wall clock is switched on.
    let pace = vec![("WHATSAPP_MESSAGES_PER_SECOND", "80"), ("WHATSAPP_PAIR_PACING", "true")];
    Wishes { clocks: true, variables: pace, ..Wishes::default() }
}

pub(super) async fn run(scene: &mut Scene) -> Result<Report, String> {
    let contacts = if scene.long { 60 } else { 12 };
    let rounds = if scene.long { 4 } else { 1 };
    let everybody = 0..scene.hosts.len();
    let mut first = 1;
    let mut talk = || {
        let messages = first..=first + 1;
        first += 2;
        Talk { contacts: 1..=contacts, messages, pause_ms: 100..=900, ..Talk::default() }
    };
    // Those who wait half an hour by a clock that will jump by a whole one. Nobody can write to the bot that waits.
    #[expect(clippy::reversed_empty_ranges, reason = "that is how none is written")]
    let none = 1..=0;
    let waiting = 1_001..=1_000 + contacts;
    let starters = vec![("later", 1), ("timer", 1)];
    scene.talk(&Talk { contacts: waiting, messages: none, starters, ..Talk::default() }).finished().await?;
    for _ in 0..rounds {
        for wrong_by in [TimeDelta::hours(1), TimeDelta::zero(), TimeDelta::hours(-1), TimeDelta::zero()] {
            let talking = scene.talk(&talk());
            scene.pause(200..=800).await;
            scene.set_clocks(everybody.clone(), wrong_by)?;
            talking.finished().await?;
            scene.all_answered().await?;
        }
        for wrong_by in [APART, -APART, TimeDelta::zero()] {
            let talking = scene.talk(&talk());
            scene.pause(200..=800).await;
            let one = scene.any_host();
            scene.set_clocks(std::iter::once(one), wrong_by)?;
            talking.finished().await?;
            scene.all_answered().await?;
            scene.set_clocks(everybody.clone(), TimeDelta::zero())?;
        }
    }
    // A jump of all hosts makes them bury each other: that is like a death of each, though nothing need be doubled.
    let deaths = rounds * 4 * (scene.hosts.len() - 1);
    verdict(scene, Bounds { doubts: deaths * contacts, late_copies: false }).await
}
