//! A database full of executions that wait, and a server that has little to do with them.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use domain::{Clock, ContactId, SystemClock, Time};
use serde_json::json;
use storage::testing::{Crowd, crowd};
use tokio::time::sleep;

use super::{Watch, bar, closed, nodes, run_id, write};
use crate::{
    meta::{self, Meta},
    options::{Closed, FlowKind, Options, Waiting},
    report::Figures,
    score::{Latency, phone},
    target::Target,
    usage,
    wire::Poster,
};

/// People who write; the one after them is the first who waits.
const WRITERS: usize = 512;
/// Executions that are made in a second, at least.
const MADE_PER_SECOND: u32 = 10_000;
/// What is left for the start of the server and for messages before the first wait ends, beside the idle time.
const AHEAD: TimeDelta = TimeDelta::seconds(60);
/// How long after its time an execution that has not gone on is given up.
const LATE_MAX: Duration = Duration::from_secs(10);

/// What was heard of executions whose time came.
struct Heard {
    late: Latency,
    early: u64,
    doubled: u64,
    /// By execution.
    seen: Vec<bool>,
}

/// Measures an empty database, fills it, and measures the full one.
pub(crate) async fn run(options: &Options, waiting: &Waiting) -> Result<Vec<Figures>, String> {
    if options.database_url.is_some() || options.hosts > 1 {
        return Err("`waiting` makes an SQLite database of its own, for one host".to_owned());
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let data_dir = options.data_dir.clone().unwrap_or_else(|| folder.path().to_owned());
    let url = format!("sqlite:{}", data_dir.join("chatboost.db").display());
    let options = Options { data_dir: Some(data_dir), ..options.clone() };
    let closed = Closed {
        messages: waiting.messages,
        in_flight: 64,
        contacts: WRITERS,
        flow: FlowKind::Reply,
        no_ceiling: true,
    };

    let meta = Meta::new(WRITERS);
    let graph: SocketAddr = meta.listen().await.map_err(|error| error.to_string())?;
    let target = Target::server(&options, graph).await?;
    target.add_flow(nodes(FlowKind::Reply), "m").await?;
    let wait = json!({"type": "wait", "config": {"duration": 1, "unit": "days", "next": 1}});
    let text = json!({"message_type": "text", "content": {"text": "here I am"}});
    target.add_flow(json!([wait, {"type": "send_message", "config": text}]), "t").await?;
    let mut poster = Poster::new(target.address);
    let body = meta::webhook(&run_id("waiting"), &[(WRITERS, 0, "t".to_owned())]);
    write(&meta, &mut poster, &body).await.map_err(|error| error.to_string())?;
    let like = only_contact(&target).await?;
    let empty = closed::measure(&options, &meta, &target, &closed, 1, "empty").await?;
    drop(target);

    let people = waiting.executions;
    let step = f64::from(waiting.over) / f64::from(people.max(1));
    let ahead = TimeDelta::seconds((people / MADE_PER_SECOND + waiting.idle).into()) + AHEAD;
    let first_due = SystemClock.now() + ahead;
    let first_phone = phone(WRITERS + 1).parse::<i64>().map_err(|error| error.to_string())?;
    let filling = bar(&options, "filling", 1);
    let (bots, flows) = (waiting.bots.into(), waiting.flows.into());
    let many = Crowd { like, people: people.into(), first_phone, first_due, step_seconds: step, bots, flows };
    crowd(&url, &many).await.map_err(|error| error.to_string())?;
    filling.finish_and_clear();

    let began = Instant::now();
    let target = Target::host(&options, graph).await?;
    let start_seconds = began.elapsed().as_secs_f64();
    let pids = target.pids();
    let before = usage::cpu_seconds(&pids);
    sleep(Duration::from_secs(waiting.idle.into())).await;
    let idle = (usage::cpu_seconds(&pids) - before) * 100.0 / f64::from(waiting.idle.max(1));
    let (idle_mb, _) = usage::memory_mb(&pids);
    let mut full = closed::measure(&options, &meta, &target, &closed, 1, "full").await?;
    full.ratio_to_empty = Some(full.cpu_ms_per_message / empty.cpu_ms_per_message);
    let nothing = Figures {
        name: "idle".to_owned(),
        memory_mb: idle_mb,
        start_seconds: Some(start_seconds),
        idle_cpu_percent: Some(idle),
        seconds: waiting.idle.into(),
        ..Figures::default()
    };
    let due = Due { first: many.first_due, first_phone, step, people, seconds: waiting.seconds };
    let timers = due.watch(&options, &meta, &target).await?;
    Ok(vec![empty, nothing, full, timers])
}

/// The id of the contact that waits: nobody else has written yet.
async fn only_contact(target: &Target) -> Result<ContactId, String> {
    let contacts = target.get(&format!("/flows/contacts/?bot_id={}", target.bot)).await?;
    contacts["items"][0]["id"].as_i64().map(ContactId).ok_or_else(|| format!("nobody waits: {contacts}"))
}

/// Whose time comes when.
struct Due {
    first: Time,
    first_phone: i64,
    step: f64,
    people: u32,
    seconds: u32,
}

impl Due {
    /// Looks at those whose time comes from the first on.
    async fn watch(self, options: &Options, meta: &Rc<Meta>, target: &Target) -> Result<Figures, String> {
        let Self { first, first_phone, step, people, seconds } = self;
        let first = Time::from_timestamp(first.timestamp(), 0).unwrap_or(first);
        let people = usize::try_from(people).unwrap_or(usize::MAX);
        let heard =
            Rc::new(RefCell::new(Heard { late: Latency::default(), early: 0, doubled: 0, seen: vec![false; people] }));
        let hearing = Rc::clone(&heard);
        *meta.listener.borrow_mut() = Some(Box::new(move |to, _| {
            let mut heard = hearing.borrow_mut();
            let Some(at) = to.parse::<i64>().ok().and_then(|phone| usize::try_from(phone - first_phone).ok()) else {
                return;
            };
            let Some(seen) = heard.seen.get_mut(at) else { return };
            if std::mem::replace(seen, true) {
                heard.doubled += 1;
                return;
            }
            let late = milliseconds_since(first) - at_ms(at, step);
            match u64::try_from(late) {
                Ok(late) => heard.late.record(Duration::from_millis(late)),
                Err(_) => heard.early += 1,
            }
        }));
        match (first - SystemClock.now()).to_std() {
            Ok(ahead) => sleep(ahead).await,
            Err(_) => return Err("the first wait ended before everything else was measured".to_owned()),
        }
        let watch = Watch::start(target);
        let bar = bar(options, "timers", seconds.into());
        for _ in 0..seconds {
            sleep(Duration::from_secs(1)).await;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let end = milliseconds_since(first);
        let mut figures = watch.figures("timers", meta, watch.began.elapsed().as_secs_f64());
        sleep(LATE_MAX).await;
        let owed = (0..people).take_while(|at| at_ms(*at, step) <= end);
        let heard = heard.borrow();
        let (written, lost) = owed.fold((0, 0), |(all, lost), at| (all + 1, lost + u64::from(!heard.seen[at])));
        figures.set_work(written, written - lost);
        (figures.doubled, figures.early) = (heard.doubled, Some(heard.early));
        figures.set_replies(&heard.late);
        *meta.listener.borrow_mut() = None;
        Ok(figures)
    }
}

fn milliseconds_since(first: Time) -> i64 {
    (SystemClock.now() - first).num_milliseconds()
}

/// After how many milliseconds the time of an execution comes.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "an hour in milliseconds")]
fn at_ms(execution: usize, step: f64) -> i64 {
    (execution as f64 * step * 1_000.0) as i64
}
