//! The disk of an SQLite database is full for a while: webhooks are answered 503, and taken when there is space again.

use tokio::time::{Duration, sleep};

use super::{Database, strike};
use crate::{
    disk::Disk,
    scene::{Ground, Scene, Wishes},
    talk::Talk,
    verdict::{Bounds, Report, verdict},
};

/// How long the disk stays full.
const FULL: Duration = Duration::from_secs(3);

pub(super) async fn run(ground: &Ground) -> Result<String, String> {
    let mut told = Vec::new();
    for disk in Disk::kinds(ground.long) {
        let disk = disk?;
        let name = disk.name();
        let wishes = Wishes {
            folder: Some(disk.folder().to_owned()),
            bears_file_limit: disk.limits_files(),
            ..Wishes::default()
        };
        let mut scene = Scene::set("disk", Database::Sqlite, ground, wishes).await?;
        let result = fill(&mut scene, &disk).await;
        told.push(format!(
            "{name}: {}",
            strike(scene, ground, result).await.map_err(|error| format!("{name}: {error}"))?
        ));
    }
    Ok(told.join(". "))
}

async fn fill(scene: &mut Scene, disk: &Disk) -> Result<Report, String> {
    let contacts = if scene.long { 60 } else { 12 };
    let rounds = if scene.long { 5 } else { 2 };
    let mut first = 1;
    for round in 0..rounds {
        let messages = first..=first + 9;
        first += 10;
        let talking = scene.talk(&Talk { contacts: 1..=contacts, messages, pause_ms: 20..=300, ..Talk::default() });
        scene.pause(300..=800).await;
        disk.fill(&scene.hosts[0])?;
        let refused = scene.balancer.answered(503);
        let told = async |scene: &Scene| scene.balancer.answered(503) > refused;
        // No file may grow, but a log that was folded into its database has room for thousands of messages before it would.
        let at_once = if disk.limits_files() { 10 } else { 1 };
        scene.write_until("a full disk that is not told by 503", at_once, told).await?;
        sleep(FULL).await;
        if let Some(status) = scene.hosts[0].ended() {
            return Err(format!("the host ended when the disk was full: {status}"));
        }
        // Now and then nothing but the space brings it back; else it is killed on the full disk, too.
        let is_killed = round % 2 == 1;
        if is_killed {
            scene.hosts[0].kill()?;
            scene.deaths += 1;
        }
        disk.make_room(&scene.hosts[0])?;
        if is_killed {
            scene.hosts[0].start()?;
        }
        talking.finished().await?;
        scene.all_ready().await?;
        scene.all_answered().await?;
    }
    // An outcome that could not be stored before the kill leaves its message in doubt.
    let report = verdict(scene, Bounds { doubts: scene.deaths * contacts, late_copies: false }).await?;
    let found = storage::testing::check_sqlite(scene.url()).await.map_err(|error| error.to_string())?;
    if found != "ok" {
        return Err(format!("the database is damaged: {found}"));
    }
    Ok(report.with(format!("{} times 503", scene.balancer.answered(503))))
}
