//! What the command line says.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Puts load on a ChatBoost server of its own and measures it.
#[derive(Debug, Clone, Parser)]
#[command(name = "load", version)]
pub(crate) struct Options {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The server program; the one beside this program unless given.
    #[arg(long, global = true)]
    pub(crate) server: Option<PathBuf>,
    /// Database of the server; an SQLite file of its own unless given. Must be empty.
    #[arg(long, global = true)]
    pub(crate) database_url: Option<String>,
    /// Hosts on that database, which must be PostgreSQL for more than one; conversations are divided among them.
    #[arg(long, global = true, default_value_t = 1)]
    pub(crate) hosts: usize,
    /// Where the server keeps its files; a temporary folder unless given.
    #[arg(long, global = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Writes the figures as JSON to this file.
    #[arg(long, global = true)]
    pub(crate) json: Option<PathBuf>,
    /// Draws latency over time into this SVG file.
    #[arg(long, global = true)]
    pub(crate) svg: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

/// What to measure.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// So many conversations at once: each writes, waits for the reply and writes again. Runs the ceiling as well.
    Closed(Closed),
    /// All messages at once, as when Meta delivers what it held back.
    Burst(Burst),
    /// As `closed`, with every webhook delivered several times.
    Duplicates(Duplicates),
    /// Delivery statuses at a fixed rate beside messages at a fixed rate.
    Statuses(Statuses),
    /// A schedule trigger for many contacts, with messages coming in meanwhile.
    Campaign(Campaign),
    /// Many executions waiting for points in time spread over a while.
    Timers(Timers),
    /// A database full of bots, flows, people and executions that wait: how long the server takes to start on it, what it
    /// uses while nothing happens, what a message costs beside them, and how late those go on whose time comes. SQLite.
    Waiting(Waiting),
    /// The ceiling alone: a bare HTTP server that verifies, answers and posts, and keeps nothing.
    Bare(Closed),
    /// Serves the ceiling; started by `closed` and `bare`.
    #[command(hide = true)]
    Ceiling(Ceiling),
}

/// What the bot does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlowKind {
    /// One reply.
    Reply,
    /// Ten nodes, the last of which replies.
    Ten,
    /// A question and, after the answer, a reply.
    Ask,
}

/// Options of `closed`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Closed {
    /// Messages to send, after a tenth as many to warm up.
    #[arg(long, default_value_t = 40_000)]
    pub(crate) messages: u64,
    /// Conversations at once.
    #[arg(long, default_value_t = 64)]
    pub(crate) in_flight: usize,
    /// Contacts.
    #[arg(long, default_value_t = 512)]
    pub(crate) contacts: usize,
    /// What the bot does.
    #[arg(long, value_enum, default_value_t = FlowKind::Reply)]
    pub(crate) flow: FlowKind,
    /// Leave the ceiling out.
    #[arg(long)]
    pub(crate) no_ceiling: bool,
}

/// Options of `burst`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Burst {
    /// Messages.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) messages: u64,
    /// Contacts.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) contacts: usize,
    /// Messages in one webhook.
    #[arg(long, default_value_t = 10)]
    pub(crate) per_post: usize,
}

/// Options of `duplicates`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Duplicates {
    /// As for `closed`.
    #[command(flatten)]
    pub(crate) closed: Closed,
    /// How often each webhook is delivered.
    #[arg(long, default_value_t = 3)]
    pub(crate) times: usize,
}

/// Options of `statuses`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Statuses {
    /// Statuses a second.
    #[arg(long, default_value_t = 3_000)]
    pub(crate) statuses: u64,
    /// Messages a second.
    #[arg(long, default_value_t = 300)]
    pub(crate) messages: u64,
    /// For how long.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
}

/// Options of `campaign`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Campaign {
    /// Contacts that are written to.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) contacts: usize,
    /// Messages a second that come in meanwhile.
    #[arg(long, default_value_t = 50)]
    pub(crate) messages: u64,
}

/// Options of `timers`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Timers {
    /// Executions that wait.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) executions: usize,
    /// Over how many seconds their ends are spread.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
}

/// Options of `waiting`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Waiting {
    /// Executions that wait, each with a contact of its own.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) executions: u32,
    /// Bots beside theirs.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) bots: u32,
    /// Flows of those bots.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) flows: u32,
    /// Over how many seconds the ends of the waits are spread.
    #[arg(long, default_value_t = 3_600)]
    pub(crate) over: u32,
    /// Messages that are written, on an empty database and on the full one.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) messages: u64,
    /// For how many seconds nothing happens.
    #[arg(long, default_value_t = 30)]
    pub(crate) idle: u32,
    /// For how many seconds those are looked at whose time comes.
    #[arg(long, default_value_t = 120)]
    pub(crate) seconds: u32,
}

/// Options of `ceiling`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ceiling {
    /// Where replies go.
    #[arg(long)]
    pub(crate) graph: String,
    /// What webhooks are signed with.
    #[arg(long)]
    pub(crate) secret: String,
}
