//! The plans of what was measured, as the database tells them.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::Url;
use serde_json::Value;
use storage::{Db, testing::explain_sqlite};
use tests::plans::{examined, names, scanned};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::verbs::{VERBS, World, run};

/// How much of a condition is told, in characters: a list may fill pages.
const WORD_MAX: usize = 100;
/// Rows that a statement looks at, at most: 128 contacts have some thousand messages.
const ROWS_MAX: f64 = 20_000.0;

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

/// Does everything once more and prints how the database does it. Answers what it should not do so.
pub(crate) async fn show(url: &str, world: &World) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let log = Log::default();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::new("sqlx::query=debug,sqlx::postgres::notice=trace"))
        .with_writer(log.clone())
        .init();
    let db = Db::connect(&explaining(url)?).await?;
    let mut wrong = Vec::new();
    for verb in VERBS {
        log.take();
        run(&db, world, verb, 1).await?;
        let lines = log.take();
        println!("\n{}", verb.name());
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let statements: Vec<String> = lines.iter().filter_map(statement).collect();
                let (plans, partial) = explain_sqlite(path, &statements).await?;
                for (statement, plan) in statements.iter().zip(plans) {
                    let names = names(statement);
                    for step in plan {
                        println!("  {step}");
                        let table = scanned(&step, &names, &partial);
                        wrong.extend(table.map(|table| format!("{} reads all of {table}", verb.name())));
                    }
                }
            }
            None => {
                for line in &lines {
                    let Some((duration, plan)) = line["message"].as_str().and_then(|line| line.split_once("plan:\n"))
                    else {
                        continue;
                    };
                    println!("  {duration}");
                    let plan: Value = serde_json::from_str(plan)?;
                    tell(&plan["Plan"], 2);
                    let rows = examined(&plan["Plan"]);
                    if !verb.counts() && rows > ROWS_MAX {
                        wrong.push(format!("{} looks at {rows} rows", verb.name()));
                    }
                }
            }
        }
    }
    db.close().await;
    Ok(wrong)
}

/// Prints a node of PostgreSQL's plan and those below it.
fn tell(node: &Value, depth: usize) {
    let word = |before: &str, name: &str| {
        let word: String = node[name].as_str().unwrap_or_default().chars().take(WORD_MAX).collect();
        if word.is_empty() { word } else { format!(" {before}{word}") }
    };
    println!(
        "{:indent$}{}{}{}{} ({} rows, {} times, {} dropped)",
        "",
        node["Node Type"].as_str().unwrap_or_default(),
        word("of ", "Relation Name"),
        word("by ", "Index Name"),
        word("", "Index Cond"),
        node["Actual Rows"],
        node["Actual Loops"],
        node["Rows Removed by Filter"].as_i64().unwrap_or_default(),
        indent = depth * 2,
    );
    node["Plans"].as_array().into_iter().flatten().for_each(|below| tell(below, depth + 1));
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
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_format", "json"),
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
