//! All messages at once, as when Meta delivers what it held back.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use tokio::task;

use super::{Watch, bar, fresh, nodes, run_id, settle, write};
use crate::{
    meta,
    options::{Burst, FlowKind, Options},
    report::Figures,
    wire::Poster,
};

/// Connections that Meta delivers over.
const CONNECTIONS: usize = 64;

/// Posts everything as fast as it is acknowledged, then waits for the replies.
pub(crate) async fn run(options: &Options, burst: &Burst) -> Result<Figures, String> {
    let (meta, target) = fresh(options, burst.contacts).await?;
    target.add_flow(nodes(FlowKind::Reply), "m").await?;
    let watch = Watch::start(&target);
    let bar = bar(options, "burst", burst.messages);
    let run = run_id("burst");
    let mut posts: VecDeque<Vec<usize>> = VecDeque::new();
    let mut next = 0;
    let mut left = usize::try_from(burst.messages).unwrap_or(usize::MAX);
    while left > 0 {
        let size = burst.per_post.clamp(1, left);
        posts.push_back((0..size).map(|at| (next + at) % burst.contacts).collect());
        next += size;
        left -= size;
    }
    let posts = Rc::new(RefCell::new(posts));
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (meta, posts, bar, run) = (Rc::clone(&meta), Rc::clone(&posts), bar.clone(), run.clone());
            let address = target.address;
            task::spawn_local(async move {
                let mut poster = Poster::new(address);
                loop {
                    let Some(contacts) = posts.borrow_mut().pop_front() else { return };
                    let messages: Vec<_> = contacts
                        .into_iter()
                        .map(|contact| {
                            let (number, _) = meta.score.borrow_mut().write(contact);
                            (contact, number, format!("m {number}"))
                        })
                        .collect();
                    if write(&meta, &mut poster, &meta::webhook(&run, &messages)).await.is_err() {
                        meta.score.borrow_mut().refused += 1;
                    }
                    bar.inc(messages.len() as u64);
                }
            })
        })
        .collect();
    for task in tasks {
        let _ = task.await;
    }
    bar.finish_and_clear();
    settle(&meta).await;
    let seconds = watch.began.elapsed().as_secs_f64();
    Ok(watch.figures("burst", &meta, seconds))
}
