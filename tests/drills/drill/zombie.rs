//! SIGSTOP of a host past its lease, and SIGCONT. Others take over meanwhile, and it must not work on what was its own.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    progress::until,
    scene::Scene,
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

/// Longer than a lease (15 s) and the interval at which the others look for the dead (4 s).
const STOPPED: Duration = Duration::from_secs(21);
/// How long the only host of a database stands still.
const ALONE: Duration = Duration::from_secs(3);

pub(super) async fn run(scene: &mut Scene) -> Result<Report, String> {
    let contacts = if scene.long { 100 } else { 12 };
    let rounds = if scene.long { 4 } else { 1 };
    let messages = if scene.long { 30 } else { 8 };
    let mut first = 1;
    let mut talk = |count: usize| {
        let messages = first..=first + count - 1;
        first += count;
        Talk { contacts: 1..=contacts, messages, pause_ms: 20..=400, ..Talk::default() }
    };
    for _ in 0..rounds {
        let talking = scene.talk(&talk(messages));
        until("people who write", async || talking.left() < contacts * messages * 3 / 4).await?;
        let zombie = scene.any_host();
        scene.freeze(zombie, true)?;
        let stopped = Instant::now();
        if scene.hosts.len() == 1 {
            sleep(ALONE).await;
            scene.freeze(zombie, false)?;
            talking.finished().await?;
        } else {
            talking.finished().await?;
            scene.all_answered().await?;
            sleep(STOPPED.saturating_sub(stopped.elapsed())).await;
            // It wakes up among people who write.
            let talking = scene.talk(&talk(messages));
            scene.pause(100..=500).await;
            scene.freeze(zombie, false)?;
            talking.finished().await?;
        }
        scene.deaths += 1;
        scene.all_ready().await?;
        scene.all_answered().await?;
        // It takes part again.
        scene.balancer.aim(vec![scene.hosts[zombie].port()]);
        scene.talk(&talk(2)).finished().await?;
        scene.all_answered().await?;
        scene.balancer.aim(scene.hosts.iter().map(crate::host::Host::port).collect());
    }
    verdict(scene, Bounds { doubts: scene.deaths * contacts, late_copies: true }).await
}
