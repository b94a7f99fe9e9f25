//! SIGSTOP of a host past its lease, and SIGCONT. Others take over meanwhile, and it must not work on what was its own.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    host::Host,
    progress::until,
    scene::Scene,
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

/// Longer than a lease (15 s) and the interval at which the others look for the dead (4 s).
const STOPPED: Duration = Duration::from_secs(21);
/// After how many milliseconds the load balancer leaves a stopped host out, at most.
const NOTICED_MS_MAX: u64 = 5_000;
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
        let all: Vec<u16> = scene.hosts.iter().map(Host::port).collect();
        if scene.hosts.len() == 1 {
            sleep(ALONE).await;
            scene.freeze(zombie, false)?;
            talking.finished().await?;
        } else {
            // Sooner or later a load balancer sees that nobody answers there.
            scene.pause(1_000..=NOTICED_MS_MAX).await;
            scene.balancer.aim(all.iter().copied().filter(|port| *port != scene.hosts[zombie].port()).collect());
            talking.finished().await?;
            scene.all_answered().await?;
            sleep(STOPPED.saturating_sub(stopped.elapsed())).await;
            // It wakes up among people who write.
            let talking = scene.talk(&talk(messages));
            scene.pause(100..=500).await;
            scene.freeze(zombie, false)?;
            scene.balancer.aim(all.clone());
            talking.finished().await?;
        }
        scene.deaths += 1;
        scene.all_ready().await?;
        scene.all_answered().await?;
        // It takes part again.
        scene.balancer.aim(vec![scene.hosts[zombie].port()]);
        scene.talk(&talk(2)).finished().await?;
        scene.all_answered().await?;
        scene.balancer.aim(all);
    }
    verdict(scene, Bounds { doubts: scene.deaths * contacts, late_copies: true }).await
}
