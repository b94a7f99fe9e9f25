//! What is left at the end of a drill, compared with what must be.

use std::{collections::HashMap, fmt};

use domain::Direction;
use emulator::Line;
use storage::{Db, MessageFilter, MessageRow, testing};

use crate::{
    model::Seen,
    progress::{until, until_nothing_is_left},
    scene::Scene,
};

/// Rows asked for at once.
const PAGE: i64 = 1_000;
/// Faults that are told in full.
const TOLD: usize = 3;

/// What a drill may leave behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most sends that may be made again because the one before was in doubt.
    pub(crate) doubts: usize,
    /// Whether a copy may come when later messages have come already: a host that was stopped between its last look at
    /// its lease and the request sends when it goes on.
    pub(crate) late_copies: bool,
}

/// What a drill has left behind.
#[derive(Debug, Default)]
pub(crate) struct Report {
    answers: usize,
    doubts: i64,
    copies: i64,
    late: usize,
    deaths: usize,
    notes: Vec<String>,
}

impl Report {
    /// Adds something that is good to know.
    #[must_use]
    pub(crate) fn with(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages, {} sent again in doubt, of which {} were doubled",
            self.answers, self.doubts, self.copies
        )?;
        if self.late > 0 {
            write!(f, ", {} of these late", self.late)?;
        }
        if self.deaths > 0 {
            write!(f, "; hosts lost {} times", self.deaths)?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

/// Lets the scene come to rest, ends the hosts, and compares.
pub(crate) async fn verdict(scene: &mut Scene, bounds: Bounds) -> Result<Report, String> {
    scene.all_answered().await?;
    until_nothing_is_left("webhooks that no host takes", async || {
        let left = scene.emulator.deliveries().into_iter().filter(|report| !report.delivered);
        Ok(left.map(|report| format!("{report:?}")).collect())
    })
    .await?;
    until("webhooks on their way", async || scene.emulator.settled(std::time::Duration::from_secs(1)).await).await?;
    let db = scene.db().await?;
    until_nothing_is_left("contacts with something unhandled or unsettled", async || {
        let mut tx = db.read().await.map_err(|error| error.to_string())?;
        let (_, busy) = tx.count_mailboxes().await.map_err(|error| error.to_string())?;
        tx.commit().await.map_err(|error| error.to_string())?;
        Ok(vec!["one".to_owned(); usize::try_from(busy).unwrap_or(0)])
    })
    .await?;
    for host in &mut scene.hosts {
        host.end().await?;
    }
    let compared = compare(scene, &db, bounds).await;
    db.close().await;
    compared
}

async fn compare(scene: &Scene, db: &Db, bounds: Bounds) -> Result<Report, String> {
    let mut faults = Vec::new();
    let mut report = Report { deaths: scene.deaths, ..Report::default() };
    let mut rows = rows(db, scene, Direction::Outbound).await?;
    for (one, sends) in scene.expected.iter().zip(scene.sends()) {
        report.answers += one.total();
        let judged = one.compare(&sends).and_then(|seen| {
            report.late += seen.late;
            judge_rows(&seen, &mut rows, &mut report)
        });
        if let Err(wrong) = judged {
            let lines: Vec<String> = scene.emulator.transcript(&one.phone).iter().map(dated).collect();
            faults.push(format!("contact {}: {wrong}\n  {}", one.phone, lines.join("\n  ")));
        }
    }
    let stray =
        scene.emulator.sent().iter().filter(|sent| scene.expected.iter().all(|one| one.phone != sent.to)).count();
    faults.extend((stray > 0).then(|| format!("{stray} messages went to contacts that nobody expected")));
    faults.extend(rows.values().take(TOLD).map(|row| format!("a message that Meta never got: {row:?}")));
    if report.doubts > i64::try_from(bounds.doubts).unwrap_or(i64::MAX) {
        faults.push(format!("{} sends were made again in doubt; at most {} may be", report.doubts, bounds.doubts));
    }
    if report.late > 0 && !bounds.late_copies {
        faults.push(format!("{} messages were sent again when later ones had been sent", report.late));
    }
    faults.extend(inbound(db, scene).await?);
    faults.extend(executions(db, scene).await?);
    let unfinished = testing::unfinished(db).await.map_err(|error| error.to_string())?;
    faults.extend((!unfinished.is_nothing()).then(|| format!("left in the database: {unfinished:?}")));
    faults.extend(scene.hosts.iter().flat_map(crate::host::Host::panics));
    let wrong = scene.balancer.wrong_answers();
    faults.extend((!wrong.is_empty()).then(|| format!("webhooks were answered neither 200 nor 503: {wrong:?}")));
    if faults.is_empty() {
        return Ok(report);
    }
    let told = faults[..faults.len().min(TOLD)].join("\n");
    Err(format!("{} faults ({report})\n{told}", faults.len()))
}

fn dated(line: &Line) -> String {
    format!("{} {line}", line.at.format("%H:%M:%S%.3f"))
}

/// Compares what Meta got with what the database has. What is seen is taken out of `rows`.
fn judge_rows(seen: &Seen, rows: &mut HashMap<i64, MessageRow>, report: &mut Report) -> Result<(), String> {
    for (id, wamids) in &seen.wamids {
        let row = rows.remove(id).ok_or_else(|| format!("Meta got message {id}, which is not in the database"))?;
        let copies = seen.copies.get(id).copied().unwrap_or(0);
        report.doubts += row.ambiguous;
        report.copies += copies;
        if copies > row.ambiguous {
            return Err(format!("Meta got {copies} copies of message {id}, of which {} are counted", row.ambiguous));
        }
        if row.status != "read" {
            return Err(format!("Meta has reported message {id} as read; in the database it is {}", row.status));
        }
        if !row.wamid.as_ref().is_some_and(|wamid| wamids.contains(wamid)) {
            return Err(format!("message {id} is known by {:?}; Meta gave it {wamids:?}", row.wamid));
        }
    }
    Ok(())
}

async fn rows(db: &Db, scene: &Scene, direction: Direction) -> Result<HashMap<i64, MessageRow>, String> {
    let filter = MessageFilter { direction: Some(direction), ..MessageFilter::default() };
    let mut rows = HashMap::new();
    let mut skip = 0;
    loop {
        let mut tx = db.read().await.map_err(|error| error.to_string())?;
        let page = tx.list_messages(scene.bot, &filter, PAGE, skip).await.map_err(|error| error.to_string())?;
        tx.commit().await.map_err(|error| error.to_string())?;
        skip += PAGE;
        let is_last = page.total <= skip;
        rows.extend(page.items.into_iter().map(|row| (row.id.0, row)));
        if is_last {
            return Ok(rows);
        }
    }
}

/// Every message that was written is stored once.
async fn inbound(db: &Db, scene: &Scene) -> Result<Option<String>, String> {
    let stored = rows(db, scene, Direction::Inbound).await?.len();
    let written = scene.written;
    Ok((stored != written).then(|| format!("{written} messages were written, {stored} are stored")))
}

/// Every contact has the executions that it must, each where it must be.
async fn executions(db: &Db, scene: &Scene) -> Result<Vec<String>, String> {
    let counted = testing::executions_of_contacts(db).await.map_err(|error| error.to_string())?;
    let mut of_contact: HashMap<String, Vec<(String, i64)>> = HashMap::new();
    for (phone, status, count) in counted {
        of_contact.entry(phone).or_default().push((status, count));
    }
    let mut faults = Vec::new();
    for one in &scene.expected {
        let mut wanted = Vec::new();
        if !one.once.is_empty() {
            wanted.push(("completed".to_owned(), i64::try_from(one.once.len()).unwrap_or(i64::MAX)));
        }
        if !one.written.is_empty() {
            wanted.push(("waiting_input".to_owned(), 1));
        }
        let seen = of_contact.remove(&one.phone).unwrap_or_default();
        if seen != wanted {
            faults.push(format!("executions of {}: expected {wanted:?}, seen {seen:?}", one.phone));
        }
    }
    Ok(faults)
}
