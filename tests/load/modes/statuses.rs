//! Delivery statuses at a fixed rate beside messages at a fixed rate.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{task, time::sleep_until};

use super::{Watch, bar, fresh, nodes, run_id, settle, write};
use crate::{
    meta,
    options::{FlowKind, Options, Statuses},
    report::Figures,
    wire::Poster,
};

/// Contacts that write.
const CONTACTS: usize = 2_000;
/// Posters that take turns; more than can ever be needed at once while the server keeps up.
const POSTERS: usize = 256;

/// Runs both streams for the time asked. Each keeps its rate however long the server takes.
pub(crate) async fn run(options: &Options, statuses: &Statuses) -> Result<Figures, String> {
    let (meta, target) = fresh(options, CONTACTS).await?;
    target.add_flow(nodes(FlowKind::Reply), "m").await?;
    let address = target.address;
    let run = run_id("statuses");
    // Something must have been sent before a status can speak of it.
    for contact in 0..CONTACTS {
        let (number, _) = meta.score.borrow_mut().write(contact);
        let body = meta::webhook(&run, &[(contact, number, format!("m {number}"))]);
        write(&meta, &mut Poster::new(address), &body).await.map_err(|error| error.to_string())?;
    }
    settle(&meta).await;
    meta.score.borrow_mut().reset();

    let watch = Watch::start(&target);
    let bar = bar(options, "statuses", statuses.seconds * (statuses.statuses + statuses.messages));
    let period = Duration::from_secs(1) / u32::try_from(statuses.statuses + statuses.messages).unwrap_or(u32::MAX);
    let total = statuses.seconds * (statuses.statuses + statuses.messages);
    let every = ((statuses.statuses + statuses.messages) / statuses.messages.max(1)).max(1);
    let turn = Rc::new(Cell::new(0_u64));
    let began = Instant::now();
    let tasks: Vec<_> = (0..POSTERS)
        .map(|_| {
            let (meta, turn, bar, run) = (Rc::clone(&meta), Rc::clone(&turn), bar.clone(), run.clone());
            task::spawn_local(async move {
                let mut poster = Poster::new(address);
                loop {
                    let this = turn.get();
                    if this >= total {
                        return;
                    }
                    turn.set(this + 1);
                    let due = began + period * u32::try_from(this).unwrap_or(u32::MAX);
                    sleep_until(due.into()).await;
                    let body = if this % every == 0 {
                        let contact = usize::try_from(this / every).unwrap_or(0) % CONTACTS;
                        let (number, _) = meta.score.borrow_mut().write(contact);
                        meta::webhook(&run, &[(contact, number, format!("m {number}"))])
                    } else {
                        let word = ["sent", "delivered", "read"][usize::try_from(this % 3).unwrap_or(0)];
                        meta::status(this % meta.accepted.get().max(1), word)
                    };
                    if write(&meta, &mut poster, &body).await.is_err() {
                        meta.score.borrow_mut().refused += 1;
                    }
                    bar.inc(1);
                }
            })
        })
        .collect();
    for task in tasks {
        let _ = task.await;
    }
    let seconds = watch.began.elapsed().as_secs_f64();
    bar.finish_and_clear();
    settle(&meta).await;
    let mut figures = watch.figures("status storm", &meta, seconds);
    figures.statuses_per_second = Some(figures_rate(total, every, seconds));
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "a rate, shown with no digits")]
fn figures_rate(total: u64, every: u64, seconds: f64) -> f64 {
    (total - total / every) as f64 / seconds
}
