//! A schedule trigger for many contacts, with messages coming in meanwhile.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use domain::{Clock, SystemClock};
use serde_json::json;
use tokio::time::sleep;

use super::{PATIENCE, Watch, bar, fresh, nodes, run_id, settle, write};
use crate::{
    meta,
    options::{Campaign, FlowKind, Options},
    report::Figures,
    score::phone,
    wire::Poster,
};

/// Contacts in one webhook while they are made.
const CONTACTS_PER_POST: usize = 100;
/// How long until the schedule fires, once it is made.
const LEAD: chrono::TimeDelta = chrono::TimeDelta::seconds(2);

/// Makes the contacts, fires, and waits until each was written to.
pub(crate) async fn run(options: &Options, campaign: &Campaign) -> Result<Figures, String> {
    // Those that write meanwhile are others than those of the campaign.
    let writers = 512;
    let (meta, target) = fresh(options, writers + campaign.contacts).await?;
    target.add_flow(nodes(FlowKind::Reply), "m").await?;
    let run = run_id("campaign");
    let mut poster = Poster::new(target.address);
    let members: Vec<usize> = (writers..writers + campaign.contacts).collect();
    let progress = bar(options, "contacts", members.len() as u64);
    for part in members.chunks(CONTACTS_PER_POST) {
        // No trigger listens to this.
        let messages: Vec<_> = part.iter().map(|contact| (*contact, 0, "hello".to_owned())).collect();
        write(&meta, &mut poster, &meta::webhook(&run, &messages)).await.map_err(|error| error.to_string())?;
        progress.inc(part.len() as u64);
    }
    progress.finish_and_clear();
    meta.score.borrow_mut().reset();

    let text = json!({"message_type": "text", "content": {"text": "campaign"}});
    let flow = json!({"bot_id": target.bot, "name": "campaign", "nodes": [{"type": "send_message", "config": text}]});
    let flow = target.post("/bots/flows/", &flow).await?;
    let reached = Rc::new(Cell::new(0_u64));
    let counter = Rc::clone(&reached);
    let first = phone(writers);
    let score = Rc::clone(&meta);
    *meta.listener.borrow_mut() = Some(Box::new(move |to, text| {
        if to >= first.as_str() {
            counter.set(counter.get() + 1);
        } else if let Some(message) = text.rsplit(' ').next().and_then(|word| word.parse().ok()) {
            score.score.borrow_mut().reply(to, message);
        }
    }));
    let watch = Watch::start(&target);
    let trigger = json!({
        "name": "campaign", "bot_id": target.bot, "flow_id": flow["id"], "trigger_type": "schedule",
        "schedule_type": "once", "schedule_datetime": (SystemClock.now() + LEAD).to_rfc3339(), "all": true,
    });
    target.post("/triggers/", &trigger).await?;
    let bar = bar(options, "campaign", members.len() as u64);
    let began = Instant::now();
    let pause = Duration::from_secs(1) / u32::try_from(campaign.messages.max(1)).unwrap_or(u32::MAX);
    let (mut turn, mut progress) = (0, (Instant::now(), 0));
    // The writers are contacts, too, once they have written: they may get the campaign as well.
    while reached.get() < members.len() as u64 && progress.0.elapsed() < PATIENCE {
        if reached.get() > progress.1 {
            progress = (Instant::now(), reached.get());
        }
        bar.set_position(reached.get());
        let contact = turn % writers;
        turn += 1;
        let (number, _) = meta.score.borrow_mut().write(contact);
        let body = meta::webhook(&run, &[(contact, number, format!("m {number}"))]);
        if write(&meta, &mut poster, &body).await.is_err() {
            meta.score.borrow_mut().refused += 1;
        }
        sleep(pause).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    bar.finish_and_clear();
    settle(&meta).await;
    let mut figures = watch.figures("campaign", &meta, seconds);
    figures.campaign_sent = Some(reached.get());
    figures.campaign_wanted = Some(members.len() as u64);
    *meta.listener.borrow_mut() = None;
    Ok(figures)
}
