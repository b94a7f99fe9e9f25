//! PostgreSQL is restarted and killed, and its connections are cut.

use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};

use storage::testing;
use tokio::time::sleep;

use super::{Database, strike};
use crate::{
    postgres::Postgres,
    progress::until,
    scene::{Ground, Scene, Wishes},
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

/// How long the server is away: shorter than a lease, so that no host dies of it.
const AWAY: Duration = Duration::from_secs(3);
/// A host that waits uses less of a processor than this.
const IDLE_CPU: f64 = 0.6;

/// What befalls the server.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Cut,
    Restart,
    Kill,
}

pub(super) async fn run(ground: &Ground) -> Result<String, String> {
    let server = Postgres::start()?;
    let wishes = Wishes { server: Some(server.url()), ..Wishes::default() };
    let mut scene = Scene::set("postgres", Database::Postgres, ground, wishes).await?;
    let result = ill_treat(&mut scene, &server).await;
    strike(scene, ground, result).await
}

async fn ill_treat(scene: &mut Scene, server: &Postgres) -> Result<Report, String> {
    let contacts = if scene.long { 100 } else { 12 };
    let mut troubles = vec![Trouble::Cut, Trouble::Kill, Trouble::Cut, Trouble::Restart];
    if scene.long {
        troubles = troubles.repeat(5);
        scene.dice.shuffle(&mut troubles);
    }
    let mut first = 1;
    let per_trouble = if scene.long { 15 } else { 6 };
    for trouble in &troubles {
        let messages = first..=first + per_trouble - 1;
        first += per_trouble;
        let pause_ms = 20..=600;
        let talking = scene.talk(&Talk { contacts: 1..=contacts, messages, pause_ms, ..Talk::default() });
        scene.pause(300..=1_200).await;
        match trouble {
            Trouble::Cut => {
                let cut = testing::cut_connections(scene.url()).await.map_err(|error| error.to_string())?;
                if cut == 0 {
                    return Err("no connection was there to be cut".to_owned());
                }
            }
            Trouble::Restart => server.stop()?,
            Trouble::Kill => server.kill()?,
        }
        if !matches!(trouble, Trouble::Cut) {
            without_database(scene).await?;
            server.resume()?;
        }
        talking.finished().await?;
        scene.all_ready().await?;
    }
    scene.all_answered().await?;
    // What was committed without the host's hearing of it is in doubt: at most one message of each contact each time.
    let report = verdict(scene, Bounds { doubts: troubles.len() * contacts, late_copies: false }).await?;
    Ok(report.with(format!("{} times 503", scene.balancer.answered(503))))
}

/// While the database is away hosts answer 503, say that they are not ready, do not spin, and live on.
async fn without_database(scene: &mut Scene) -> Result<(), String> {
    let (began, refused) = (Instant::now(), scene.balancer.answered(503));
    let cpu = cpu_seconds(scene)?;
    scene
        .write_until("hosts that do not answer 503 while their database is away", 1, async |scene| {
            scene.balancer.answered(503) > refused
        })
        .await?;
    for host in &scene.hosts {
        until("a host that is ready without database", async || !host.is_ready().await).await?;
    }
    sleep(AWAY.saturating_sub(began.elapsed())).await;
    let used = (cpu_seconds(scene)? - cpu) / began.elapsed().as_secs_f64();
    let most = IDLE_CPU * scene.hosts.len() as f64;
    if used > most {
        return Err(format!("without database the hosts used {used:.2} of a processor; {most:.2} would be much"));
    }
    let ended: Option<ExitStatus> = scene.hosts.iter_mut().find_map(crate::host::Host::ended);
    ended.map_or(Ok(()), |status| Err(format!("a host ended while its database was away: {status}")))
}

fn cpu_seconds(scene: &Scene) -> Result<f64, String> {
    scene.hosts.iter().map(crate::host::Host::cpu_seconds).sum()
}
