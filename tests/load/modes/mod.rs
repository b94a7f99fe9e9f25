//! What is measured, a mode a file.

mod burst;
mod campaign;
mod closed;
mod statuses;
mod timers;
mod waiting;

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::{
    meta::{self, Meta},
    options::{Command, FlowKind, Options},
    plot, report,
    target::Target,
    usage,
    wire::Poster,
};

/// How long replies that are owed may take once the last message was written.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs what the command line asks for.
pub(crate) async fn run(options: &Options) -> Result<(), String> {
    LocalSet::new()
        .run_until(async {
            let figures = match &options.command {
                Command::Closed(closed) => closed::run(options, closed, 1).await?,
                Command::Bare(closed) => vec![closed::bare(options, closed).await?],
                Command::Duplicates(duplicates) => closed::run(options, &duplicates.closed, duplicates.times).await?,
                Command::Burst(burst) => vec![burst::run(options, burst).await?],
                Command::Statuses(statuses) => vec![statuses::run(options, statuses).await?],
                Command::Campaign(campaign) => vec![campaign::run(options, campaign).await?],
                Command::Timers(timers) => vec![timers::run(options, timers).await?],
                Command::Waiting(waiting) => waiting::run(options, waiting).await?,
                Command::Ceiling(_) => Vec::new(),
            };
            report::show(&figures);
            if let Some(path) = &options.json {
                report::write(path, &figures)?;
            }
            if let Some(path) = &options.svg {
                plot::draw(path, &figures)?;
            }
            let faulty: Vec<&str> = figures.iter().filter(|f| !f.is_sound()).map(|f| f.name.as_str()).collect();
            if faulty.is_empty() { Ok(()) } else { Err(format!("messages went wrong in: {}", faulty.join(", "))) }
        })
        .await
}

/// The nodes of a flow, the last of which replies with what it was written.
fn nodes(flow: FlowKind) -> Value {
    let reply =
        |text: &str| json!({"type": "send_message", "config": {"message_type": "text", "content": {"text": text}}});
    match flow {
        FlowKind::Reply => json!([reply("re {{ message.text }}")]),
        FlowKind::Ten => {
            let mut nodes: Vec<Value> = (0..9)
                .map(|at| {
                    let assignments = json!({format!("state.step_{at}"): "{{ message.text }}"});
                    json!({"type": "set_variable", "config": {"assignments": assignments, "next": at + 1}})
                })
                .collect();
            nodes.push(reply("re {{ state.step_8 }}"));
            Value::from(nodes)
        }
        FlowKind::Ask => {
            let content = json!({"text": "re {{ message.text }}"});
            let ask = json!({"message_type": "text", "content": content, "store_in": "state.answer", "next": 1});
            json!([{"type": "ask", "config": ask}, reply("re {{ state.answer }}")])
        }
    }
}

/// Posts messages of contacts as one webhook and takes note of how it was acknowledged.
async fn write(meta: &Meta, poster: &mut Poster, body: &[u8]) -> io::Result<()> {
    let signature = meta::sign(body);
    let sent = Instant::now();
    let status = poster.post(body, &signature).await?;
    let mut score = meta.score.borrow_mut();
    score.acks.record(sent.elapsed());
    if status != 200 {
        score.refused += 1;
    }
    Ok(())
}

/// Waits until every message was replied to, as far as that happens.
async fn settle(meta: &Meta) {
    let mut last = (Instant::now(), meta.score.borrow().replied);
    loop {
        {
            let score = meta.score.borrow();
            if score.replied >= score.written {
                break;
            }
            if score.replied > last.1 {
                last = (Instant::now(), score.replied);
            }
        }
        if last.0.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A doubled reply comes after its first.
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// What the hosts use from here on, together.
struct Watch {
    pids: Vec<u32>,
    cpu: f64,
    began: Instant,
}

impl Watch {
    fn start(target: &Target) -> Self {
        let pids = target.pids();
        Self { cpu: usage::cpu_seconds(&pids), pids, began: Instant::now() }
    }

    /// The figures of what was scored since.
    fn figures(&self, name: &str, meta: &Meta, seconds: f64) -> report::Figures {
        let score = meta.score.borrow();
        let (memory_mb, memory_peak_mb) = usage::memory_mb(&self.pids);
        let cpu = usage::cpu_seconds(&self.pids) - self.cpu;
        report::Figures::new(name, &score, seconds, cpu, memory_mb, memory_peak_mb)
    }
}

fn bar(options: &Options, name: &str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if options.quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{msg:12} {wide_bar} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar
}

/// A word that tells this run's message ids from those of others.
fn run_id(name: &str) -> String {
    format!("{name}{}", std::process::id())
}

/// A stand-in for Meta with a fresh server behind it.
async fn fresh(options: &Options, contacts: usize) -> Result<(Rc<Meta>, Target), String> {
    let meta = Meta::new(contacts);
    let graph: SocketAddr = meta.listen().await.map_err(|error| error.to_string())?;
    let target = Target::server(options, graph).await?;
    Ok((meta, target))
}
