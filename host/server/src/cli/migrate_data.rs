//! `chatboost migrate-data`: everything from SQLite to PostgreSQL.

use std::{
    io::{IsTerminal, Write},
    path::Path,
};

use clap::Args;
use domain::{Clock, SystemClock};
use storage::{Db, Move, MoveError, Progress};

use super::ending::{Ending, status};
use crate::{config, running};

/// From where to where.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The database that is full: `sqlite:` and its path. No server may run on it
    #[arg(long, value_name = "URL")]
    from: String,
    /// An empty database: postgres://user@host/name. A password can be given as PGPASSWORD instead
    #[arg(long, value_name = "URL")]
    to: String,
}

pub(super) async fn run(options: &Options) -> Result<(), Ending> {
    let url = |option: &str, given: &str| {
        config::database_url(given)
            .map_err(|fault| Ending { message: format!("{option} {fault}"), status: status::CONFIGURATION })
    };
    let (from, to) = (url("--from", &options.from)?, url("--to", &options.to)?);
    let (Some(path), true) = (from.strip_prefix("sqlite:"), to.starts_with("postgres:")) else {
        return Err(MoveError::Direction.into());
    };
    let path = Path::new(path);
    if !path.is_file() {
        let message = format!("--from names no file: {}", path.display());
        return Err(Ending { message, status: status::FILE });
    }
    // Held until the end: a server that writes meanwhile would be forgotten.
    let _lock = running::lock(path)?;
    let (source, target) = (Db::connect(&from).await?, Db::connect(&to).await?);
    let moving = Move::prepare(source, target, SystemClock.now()).await?;
    if moving.resumes() {
        eprintln!("going on where an earlier try was interrupted");
    }
    let mut line = Line::default();
    let moved = moving.run(|progress| line.show(progress)).await;
    line.end();
    let moved = moved?;
    let width = moved.iter().map(|table| table.table.len()).max().unwrap_or(0);
    println!("{:width$}  {:>10}  checksum, the same on both sides", "table", "rows");
    for table in &moved {
        println!("{:width$}  {:>10}  {}", table.table, table.rows, table.checksum);
    }
    println!("{:width$}  {:>10}", "together", moved.iter().map(|table| table.rows).sum::<u64>());
    println!();
    println!("Everything is there. Set DATABASE_URL to the new database, and keep SECRET_KEY: secrets are encrypted");
    println!("with it (without one in the configuration, it is the file secret_key in DATA_DIR). Files of");
    println!("MEDIA_STORE=file:… were not moved: hosts share that folder, or a bucket.");
    Ok(())
}

/// The line on standard error that tells how far it is: one that changes on a terminal, else one for each step.
#[derive(Default)]
struct Line {
    is_open: bool,
}

impl Line {
    fn show(&mut self, progress: Progress<'_>) {
        let what = if progress.compares { "comparing" } else { "copying" };
        let text = format!("{what} {}: {} of {}", progress.table, progress.done, progress.total);
        let mut out = std::io::stderr();
        let written = if out.is_terminal() { write!(out, "\r\x1b[K{text}") } else { writeln!(out, "{text}") };
        // Whoever has closed standard error does not want to know.
        drop(written);
        self.is_open = out.is_terminal();
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            eprintln!();
        }
    }
}
