//! So many conversations at once, each of which writes, waits for the reply and writes again.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use tokio::task;

use super::{Watch, bar, fresh, nodes, run_id, settle, write};
use crate::{
    meta::{self, Meta},
    options::{Closed, FlowKind, Options},
    report::Figures,
    target::Target,
    wire::Poster,
};

/// How long a conversation waits for a reply before it goes on without.
const REPLY_MAX: Duration = Duration::from_secs(30);

/// Measures the server, and the ceiling beside it.
pub(crate) async fn run(options: &Options, closed: &Closed, times: usize) -> Result<Vec<Figures>, String> {
    let mut all = Vec::new();
    let (meta, target) = fresh(options, closed.contacts).await?;
    target.add_flow(nodes(closed.flow), "m").await?;
    let name = match closed.flow {
        FlowKind::Reply => "one reply",
        FlowKind::Ten => "ten nodes",
        FlowKind::Ask => "ask, reply",
    };
    all.push(measure(options, &meta, &target, closed, times, name).await?);
    drop(target);
    if !closed.no_ceiling {
        let ceiling = bare(options, closed).await?;
        let ratio = all[0].replies_per_second / ceiling.replies_per_second;
        all[0].ratio_to_ceiling = Some(ratio);
        all.push(ceiling);
    }
    Ok(all)
}

/// Measures the ceiling.
pub(crate) async fn bare(options: &Options, closed: &Closed) -> Result<Figures, String> {
    let meta = Meta::new(closed.contacts);
    let graph: SocketAddr = meta.listen().await.map_err(|error| error.to_string())?;
    let target = Target::ceiling(graph).await?;
    measure(options, &meta, &target, closed, 1, "bare ceiling").await
}

pub(super) async fn measure(
    options: &Options,
    meta: &Rc<Meta>,
    target: &Target,
    closed: &Closed,
    times: usize,
    name: &str,
) -> Result<Figures, String> {
    drive(options, meta, &target.addresses(), closed, closed.messages / 10, times, "warm-up").await;
    settle(meta).await;
    meta.score.borrow_mut().reset();
    let watch = Watch::start(target);
    drive(options, meta, &target.addresses(), closed, closed.messages, times, name).await;
    let seconds = watch.began.elapsed().as_secs_f64();
    settle(meta).await;
    Ok(watch.figures(name, meta, seconds))
}

/// Lets the conversations write so many messages together.
async fn drive(
    options: &Options,
    meta: &Rc<Meta>,
    addresses: &[SocketAddr],
    closed: &Closed,
    messages: u64,
    times: usize,
    name: &str,
) {
    let bar = bar(options, name, messages);
    let left = Rc::new(Cell::new(messages));
    let run = Rc::new(run_id("closed"));
    let (slots, contacts) = (closed.in_flight.max(1), closed.contacts.max(closed.in_flight));
    let tasks: Vec<_> = (0..slots)
        .map(|slot| {
            let (meta, left, run, bar) = (Rc::clone(meta), Rc::clone(&left), Rc::clone(&run), bar.clone());
            let address = addresses[slot % addresses.len()];
            task::spawn_local(async move {
                let mut poster = Poster::new(address);
                let mut own = (slot..contacts).step_by(slots).cycle();
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    let Some(contact) = own.next() else { return };
                    let (number, reply) = meta.score.borrow_mut().write(contact);
                    let body = meta::webhook(&run, &[(contact, number, format!("m {number}"))]);
                    for _ in 0..times {
                        if let Err(error) = write(&meta, &mut poster, &body).await {
                            meta.score.borrow_mut().refused += 1;
                            bar.suspend(|| eprintln!("a webhook was not answered: {error}"));
                        }
                    }
                    // One that does not come in time is counted as lost at the end.
                    let _ = tokio::time::timeout(REPLY_MAX, reply).await;
                    bar.inc(1);
                }
            })
        })
        .collect();
    for task in tasks {
        // A panic of a conversation has been printed; its messages count as lost.
        let _ = task.await;
    }
    bar.finish_and_clear();
}
