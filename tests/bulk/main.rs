//! Millions of messages in a database, and how long what servers do all day takes then, with the plans by which the
//! database does it. The test `plans` checks the plans on little data in every test run; this shows that they hold.

mod plans;
mod verbs;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use clap::Parser;
use domain::{Clock, ContactId, SystemClock};
use storage::{
    BotSettings, Db, FlowFields, NewUser, Sighting, TriggerFields,
    testing::{History, fill, run_sql},
};

use verbs::{VERBS, World, run};

/// Messages made up in one transaction.
const AT_ONCE: i64 = 50_000;
/// Contacts made in one transaction.
const CONTACTS_AT_ONCE: i64 = 1_000;
/// What takes longer than this, though it has to do with few rows, reads many.
const MEDIAN_MAX: Duration = Duration::from_millis(200);
/// Of what is long over something is made that goes on: executions that wait, messages whose time of sending is looked at
/// and some that are still to be sent.
const UNDER_WAY: &str = "UPDATE executions SET status = 'waiting_input', completed_at = NULL WHERE id % 10 = 0;
    UPDATE messages SET attempted_at = created_at WHERE id % 20 = 0;
    UPDATE messages SET status = 'queued', status_rank = 0 WHERE id % 1000 = 0";
/// Over what time the messages are spread.
const PAST: TimeDelta = TimeDelta::days(365);

/// Fills an empty database with messages and measures queries on it. Fails when one reads more than it has to.
#[derive(Debug, Parser)]
#[command(name = "bulk", version)]
struct Options {
    /// How many messages; a tenth as many executions with five steps each, a tenth of which wait, and as many lines in
    /// the log of a trigger.
    #[arg(long, default_value_t = 10_000_000)]
    messages: i64,
    /// How many people they are from and to.
    #[arg(long, default_value_t = 100_000)]
    contacts: i64,
    /// How often each query is made.
    #[arg(long, default_value_t = 200)]
    times: u32,
    /// An empty database; an SQLite file that is removed afterwards unless given.
    #[arg(long)]
    database_url: Option<String>,
    /// Where that SQLite file is made.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bulk: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let folder = match &options.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let url =
        options.database_url.clone().unwrap_or_else(|| format!("sqlite:{}", folder.path().join("bulk.db").display()));
    let db = Db::connect(&url).await?;
    db.migrate().await?;
    let world = populate(&db, options).await?;
    db.close().await;
    run_sql(&url, UNDER_WAY).await?;
    // The planner is to know what it has before it.
    run_sql(&url, "ANALYZE").await?;
    if let Some(path) = url.strip_prefix("sqlite:") {
        println!("{} MB", std::fs::metadata(path)?.len() / 1_000_000);
    }

    let mut wrong = Vec::new();
    let db = Db::connect(&url).await?;
    println!("{:32} {:>10} {:>10} {:>10}", format!("{} messages", options.messages), "median ms", "p99 ms", "max ms");
    for verb in VERBS {
        let mut took = Vec::new();
        for nth in 0..options.times {
            let began = Instant::now();
            run(&db, &world, verb, nth).await?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let at = |part: usize| milliseconds(took[(took.len() * part / 100).min(took.len() - 1)]);
        println!("{:32} {:>10.3} {:>10.3} {:>10.3}", verb.name(), at(50), at(99), at(100));
        if !verb.counts() && at(50) > milliseconds(MEDIAN_MAX) {
            wrong.push(format!("{} takes {:.0} ms", verb.name(), at(50)));
        }
    }
    db.close().await;
    wrong.extend(plans::show(&url, &world).await?);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ").into()) }
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

/// One bot, its people, and their past.
async fn populate(db: &Db, options: &Options) -> Result<World, Box<dyn std::error::Error>> {
    let now = SystemClock.now();
    let mut tx = db.begin().await?;
    let owner = NewUser { username: "owner", email: "owner@example.com", full_name: None, password_hash: "x" };
    let owner = tx.create_user(owner, now).await?.id;
    let settings = BotSettings { name: "b".into(), timezone: "UTC".into(), ..BotSettings::default() };
    let bot = tx.create_bot(owner, &settings, now).await?.id;
    let flow = FlowFields { name: "f".into(), description: None, auto_publish: true };
    let flow = tx.create_flow(bot, &flow, now).await?.id;
    let rule = domain::TriggerRule::Keyword {
        keywords: vec!["hi".into()],
        match_type: domain::MatchType::Exact,
        case_sensitive: false,
    };
    let fields =
        TriggerFields { flow_id: flow, name: "t".into(), priority: 0, is_active: true, interrupt: false, rule };
    let trigger = tx.create_trigger(bot, &fields, now).await?.id;
    tx.commit().await?;

    let mut first_contact = None;
    let mut made = 0;
    while made < options.contacts {
        let count = CONTACTS_AT_ONCE.min(options.contacts - made);
        let sightings: Vec<Sighting> = (made..made + count)
            .map(|nth| Sighting {
                bot_id: bot,
                phone: Some(phone(nth)),
                bsuid: None,
                username: None,
                name: Some(format!("Person {nth}")),
                at: now - PAST,
                announces: false,
                opens_window: true,
            })
            .collect();
        let mut tx = db.begin().await?;
        let seen = tx.see_contacts(&sightings, now - PAST).await?;
        tx.commit().await?;
        first_contact = first_contact.or(seen.contacts.iter().map(|seen| seen.id).min());
        made += count;
    }
    let first_contact: ContactId = first_contact.ok_or("--contacts must be at least 1")?;

    let began = Instant::now();
    let mut done = 0;
    while done < options.messages {
        let end = (done + AT_ONCE).min(options.messages);
        let age = PAST / i32::try_from((options.messages / AT_ONCE).max(1))?
            * i32::try_from((options.messages - done) / AT_ONCE)?;
        let history = History { bot, flow, trigger, first_contact, contacts: options.contacts, at: now - age };
        let mut tx = db.begin().await?;
        fill(&mut tx, &history, done, end).await?;
        tx.commit().await?;
        done = end;
        eprint!("\r{done} messages in {} s", began.elapsed().as_secs());
    }
    eprintln!();
    Ok(World { owner, bot, trigger, first_contact, contacts: options.contacts, messages: options.messages, now })
}

/// The number of a person.
fn phone(nth: i64) -> String {
    format!("1650{nth:07}")
}
