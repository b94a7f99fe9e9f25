//! Many executions that wait for points in time spread over a while: how late each goes on.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta};
use domain::{Clock, SystemClock};
use serde_json::json;
use tokio::time::sleep;

use super::{PATIENCE, Watch, bar, fresh, run_id, write};
use crate::{
    meta,
    options::{Options, Timers},
    report::Figures,
    score::Latency,
    wire::Poster,
};

/// Executions begun by one webhook.
const PER_POST: usize = 100;
/// How long making one execution is assumed to take; the first timer fires after all were made.
const MAKING: TimeDelta = TimeDelta::milliseconds(1);

/// Makes the executions, and compares when each replies with when it should.
pub(crate) async fn run(options: &Options, timers: &Timers) -> Result<Figures, String> {
    let (meta, target) = fresh(options, timers.executions).await?;
    let wait = json!({"type": "wait", "config": {"until": "{{ message.text[2:] }}", "next": 1}});
    let text = json!({"message_type": "text", "content": {"text": "{{ message.text[2:] }}"}});
    target.add_flow(json!([wait, {"type": "send_message", "config": text}]), "t").await?;
    let count = i32::try_from(timers.executions).unwrap_or(i32::MAX);
    let first = SystemClock.now() + TimeDelta::seconds(5) + MAKING * count;
    let step = TimeDelta::seconds(i64::try_from(timers.seconds).unwrap_or(i64::MAX)) / count.max(1);

    let late = Rc::new(RefCell::new((Latency::default(), 0_u64, 0_u64)));
    let seen = Rc::clone(&late);
    *meta.listener.borrow_mut() = Some(Box::new(move |_, text| {
        let Ok(due) = DateTime::parse_from_rfc3339(text) else { return };
        let mut seen = seen.borrow_mut();
        seen.1 += 1;
        match (SystemClock.now() - due.to_utc()).to_std() {
            Ok(late) => seen.0.record(late),
            Err(_) => seen.2 += 1,
        }
    }));
    let run = run_id("timers");
    let mut poster = Poster::new(target.address);
    let executions: Vec<usize> = (0..timers.executions).collect();
    let progress = bar(options, "executions", executions.len() as u64);
    for part in executions.chunks(PER_POST) {
        let messages: Vec<_> = part
            .iter()
            .map(|contact| {
                let due = first + step * i32::try_from(*contact).unwrap_or(i32::MAX);
                (*contact, 0, format!("t {}", due.format("%Y-%m-%dT%H:%M:%S%.3fZ")))
            })
            .collect();
        write(&meta, &mut poster, &meta::webhook(&run, &messages)).await.map_err(|error| error.to_string())?;
        progress.inc(part.len() as u64);
    }
    progress.finish_and_clear();
    if let Ok(ahead) = (first - SystemClock.now()).to_std() {
        sleep(ahead).await;
    }
    let watch = Watch::start(&target);
    let bar = bar(options, "timers", executions.len() as u64);
    let began = Instant::now();
    let end = Duration::from_secs(timers.seconds) + PATIENCE;
    while late.borrow().1 < executions.len() as u64 && began.elapsed() < end {
        bar.set_position(late.borrow().1);
        sleep(Duration::from_millis(50)).await;
    }
    bar.finish_and_clear();
    let mut figures = watch.figures("timers", &meta, began.elapsed().as_secs_f64());
    let late = late.borrow();
    figures.set_work(executions.len() as u64, late.1);
    figures.doubled = late.1.saturating_sub(figures.written);
    figures.early = Some(late.2);
    figures.set_replies(&late.0);
    *meta.listener.borrow_mut() = None;
    Ok(figures)
}
