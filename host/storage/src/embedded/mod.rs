//! SQLite for sqlx, in the thread that asks.
//!
//! sqlx's own driver hands each statement to a thread and waits for the answer. That is right for statements that take long,
//! but writing a batch of messages is twenty short ones, each of which would wake two threads: waking and waiting took as
//! long as the statements. This driver is the same to whoever uses it, `rusqlite` underneath, and makes a statement where it
//! is awaited.
//!
//! * Statements of the connection that writes are made on the thread of the task, because nearly all are short; those that
//!   are not to be kept prepared are not.
//! * Whatever may take long, and commits where the disk is slow, lets other tasks go on elsewhere meanwhile
//!   ([`spawn_blocking`]).
//! * A commit is followed by a sync that is shared and holds up no writer ([`Log`]).
//!
//! Nothing else is different: texts, times and JSON are stored as sqlx's driver stores them.

mod connection;
mod failure;
mod log;
mod options;
mod row;
mod values;

use sqlx::{Database, Error, Result};
use sqlx_core::database::HasStatementCache;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::spawn_blocking,
};

pub(crate) use connection::EmbeddedConnection;
pub(crate) use log::Log;
pub(crate) use options::{Access, EmbeddedOptions};
pub(crate) use row::{Column, Done, EmbeddedRow, Prepared};
pub(crate) use values::{Arguments, Datum, DatumRef, Kind};

/// See the module.
#[derive(Debug)]
pub struct Embedded;

impl Database for Embedded {
    type Connection = EmbeddedConnection;
    type TransactionManager = connection::Transactions;
    type Row = EmbeddedRow;
    type QueryResult = Done;
    type Column = Column;
    type TypeInfo = Kind;
    type Value = Datum;
    type ValueRef<'r> = DatumRef<'r>;
    type Arguments = Arguments;
    type ArgumentBuffer = Vec<Datum>;
    type Statement = Prepared;

    const NAME: &'static str = "SQLite";
    const URL_SCHEMES: &'static [&'static str] = &["sqlite"];
}

impl HasStatementCache for Embedded {}

/// Whether there are threads beside the one that runs tasks. Simulations have one for everything, and so has the benchmark.
fn has_threads() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
}

/// Does something that may take long, or waits for the disk, where that holds up nobody.
async fn aside<T: Send + 'static>(does: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if has_threads() { spawn_blocking(does).await.map_err(|_| Error::WorkerCrashed) } else { Ok(does()) }
}
