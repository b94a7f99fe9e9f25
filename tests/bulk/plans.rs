//! The plans of what was measured, as the database tells them.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::Url;
use serde_json::Value;
use storage::{Db, testing::explain_sqlite};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::verbs::{VERBS, World, run};

/// What is logged, for reading it again.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What was logged since the last time.
    fn take(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Does everything once more and prints how the database does it.
pub(crate) async fn show(url: &str, world: &World) -> Result<(), Box<dyn std::error::Error>> {
    let log = Log::default();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::new("sqlx::query=debug,sqlx::postgres::notice=trace"))
        .with_writer(log.clone())
        .init();
    let db = Db::connect(&explaining(url)?).await?;
    for verb in VERBS {
        log.take();
        run(&db, world, verb, 1).await?;
        let lines = log.take();
        println!("\n{}", verb.name());
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let statements: Vec<String> = lines.iter().filter_map(statement).collect();
                for plan in explain_sqlite(path, &statements).await?.0 {
                    plan.iter().for_each(|step| println!("  {step}"));
                }
            }
            None => {
                let plans = lines.iter().filter_map(|line| line["message"].as_str()?.split_once("plan:\n"));
                for (duration, plan) in plans {
                    // Without the text of the query, which may fill pages.
                    let steps = plan.lines().skip_while(|line| !line.contains("(cost="));
                    println!("  {duration}");
                    steps.for_each(|step| println!("    {step}"));
                }
            }
        }
    }
    db.close().await;
    Ok(())
}

/// The database's URL, so that PostgreSQL tells the plan of each statement.
fn explaining(url: &str) -> Result<String, Box<dyn std::error::Error>> {
    if url.starts_with("sqlite:") {
        return Ok(url.to_owned());
    }
    let mut url = Url::parse(url)?;
    for (name, value) in [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("client_min_messages", "log"),
    ] {
        url.query_pairs_mut().append_pair(&format!("options[{name}]"), value);
    }
    Ok(url.into())
}

/// A statement that can be explained.
fn statement(line: &Value) -> Option<String> {
    let whole = line["db.statement"].as_str()?.trim();
    let sql = if whole.is_empty() { line["summary"].as_str()? } else { whole };
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|word| sql.starts_with(word)).then(|| sql.to_owned())
}
