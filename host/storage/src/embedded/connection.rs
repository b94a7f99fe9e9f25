//! A connection, its statements and its transactions.

use std::{fmt, future, io, sync::Arc, time::Duration};

use domain::Time;
use futures_util::{StreamExt, future::BoxFuture, stream, stream::BoxStream};
use rusqlite::{Statement, fallible_iterator::FallibleIterator as _, types::Null};
use sqlx::{Acquire, Connection, Describe, Either, Error, Execute, Executor, Result, SqlStr, Transaction};
use sqlx_core::{connection::LogSettings, logger::QueryLogger, transaction::TransactionManager};
use tokio::time::{Instant, sleep};

use super::{
    Access, Arguments, Datum, Done, Embedded, EmbeddedOptions, EmbeddedRow, Log, Prepared, aside,
    failure::{is_busy, told},
    row::Columns,
    values::as_text,
};

/// A disk that takes this long for a commit is slow: the next one lets other tasks go on meanwhile, which costs a change of
/// threads.
const SLOW: Duration = Duration::from_millis(5);
/// Pause between two tries to get a lock that another process has.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// See the module.
pub struct EmbeddedConnection {
    /// Boxed, because connections are moved about with their transactions. None while it is lent to another thread, and for
    /// ever if nobody waited until that gave it back.
    sqlite: Option<Box<rusqlite::Connection>>,
    access: Access,
    busy_timeout: Duration,
    /// How long the last commit took.
    committed_in: Duration,
    /// Whether a transaction was begun and not ended. SQLite ends some by itself, when the disk is full or broken.
    is_begun: bool,
    /// Whether a second one was asked for within it, which is not to be its end.
    is_refused: bool,
    log: LogSettings,
}

impl fmt::Debug for EmbeddedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedConnection").field("access", &self.access).finish_non_exhaustive()
    }
}

/// What came of a statement.
struct Outcome {
    rows: Vec<EmbeddedRow>,
    done: Option<Done>,
}

impl EmbeddedConnection {
    pub(super) fn new(sqlite: rusqlite::Connection, options: &EmbeddedOptions) -> Self {
        let EmbeddedOptions { access, busy_timeout, log, .. } = options;
        Self {
            sqlite: Some(Box::new(sqlite)),
            access: access.clone(),
            busy_timeout: *busy_timeout,
            committed_in: Duration::ZERO,
            is_begun: false,
            is_refused: false,
            log: log.clone(),
        }
    }

    /// Makes a statement, or several without arguments. Stops after `limit` rows.
    async fn make(
        &mut self,
        sql: SqlStr,
        arguments: Option<Arguments>,
        is_kept: bool,
        limit: usize,
    ) -> Result<Outcome> {
        self.has_not_lost_it()?;
        let mut logger = QueryLogger::new(sql.clone(), self.log.clone());
        let make = move |sqlite: &rusqlite::Connection| step(sqlite, sql.as_str(), arguments.as_ref(), is_kept, limit);
        let is_short = self.log().is_some() && is_kept;
        let made = if is_short { make(self.sqlite()?) } else { self.aside(make).await? };
        if let Ok(outcome) = &made {
            outcome.rows.iter().for_each(|_| logger.increment_rows_returned());
            logger.increase_rows_affected(outcome.done.as_ref().map_or(0, Done::rows_affected));
        }
        made
    }

    /// Does something [`aside`]. The connection is lost if nobody waits for it.
    async fn aside<T: Send + 'static>(
        &mut self,
        does: impl FnOnce(&rusqlite::Connection) -> T + Send + 'static,
    ) -> Result<T> {
        let sqlite = self.sqlite.take().ok_or(Error::WorkerCrashed)?;
        let done = move || {
            let done = does(&sqlite);
            (sqlite, done)
        };
        let (sqlite, done) = aside(done).await?;
        self.sqlite = Some(sqlite);
        Ok(done)
    }

    /// The log that commits are written to, if this one writes. They are on the disk once that has [synced](Log::sync).
    pub(crate) fn log(&self) -> Option<&Arc<Log>> {
        match &self.access {
            Access::Write(log) => Some(log),
            Access::Read => None,
        }
    }

    fn sqlite(&self) -> Result<&rusqlite::Connection> {
        self.sqlite.as_deref().ok_or(Error::WorkerCrashed)
    }

    fn is_in_transaction(&self) -> bool {
        self.sqlite().is_ok_and(|sqlite| !sqlite.is_autocommit())
    }

    /// Whether a transaction can begin: there is none, and the connection is not lost with a statement that nobody waited for.
    pub(crate) fn is_free(&self) -> bool {
        self.sqlite().is_ok_and(rusqlite::Connection::is_autocommit)
    }

    /// Fails when SQLite has ended the transaction by itself: whatever was done now would stand alone, and for good.
    fn has_not_lost_it(&self) -> Result<()> {
        if self.is_begun && self.sqlite()?.is_autocommit() {
            return Err(Error::Io(io::Error::other("the database has given up the transaction")));
        }
        Ok(())
    }
}

fn step(
    sqlite: &rusqlite::Connection,
    sql: &str,
    arguments: Option<&Arguments>,
    is_kept: bool,
    limit: usize,
) -> Result<Outcome> {
    let mut outcome = Outcome { rows: Vec::new(), done: None };
    match arguments {
        None => {
            let mut batch = rusqlite::Batch::new(sqlite, sql);
            while let Some(mut statement) = batch.next().map_err(told)? {
                read(&mut statement, &mut outcome, limit)?;
            }
        }
        Some(Arguments(arguments)) => {
            let mut run = |statement: &mut Statement<'_>| {
                bind(statement, arguments)?;
                read(statement, &mut outcome, limit)
            };
            if is_kept {
                run(&mut *sqlite.prepare_cached(sql).map_err(told)?)?;
            } else {
                run(&mut sqlite.prepare(sql).map_err(told)?)?;
            }
        }
    }
    outcome.done = Some(Done::of(sqlite.changes()));
    Ok(outcome)
}

fn control(sqlite: &rusqlite::Connection, sql: &str) -> rusqlite::Result<()> {
    sqlite.prepare_cached(sql)?.raw_execute().map(|_| ())
}

/// Binds arguments: `?` in their order, `$1` by their number.
fn bind(statement: &mut Statement<'_>, arguments: &[Datum]) -> Result<()> {
    let count = statement.parameter_count();
    // One text has either the one or the other.
    let has_names = count > 0 && statement.parameter_name(1).is_some();
    debug_assert!((1..=count).all(|parameter| statement.parameter_name(parameter).is_some() == has_names));
    if !has_names && count != arguments.len() {
        return Err(Error::Encode(format!("{} values are bound to {count} parameters", arguments.len()).into()));
    }
    // Most times of a statement are the same one.
    let mut written: Option<(&Time, String)> = None;
    for parameter in 1..=count {
        let name = if has_names { statement.parameter_name(parameter) } else { None };
        let number = match name {
            None => parameter,
            Some(name) => name.trim_start_matches(['$', '?']).parse().map_err(|_| not_bound(name))?,
        };
        let argument = number.checked_sub(1).and_then(|at: usize| arguments.get(at));
        match argument.ok_or_else(|| not_bound(&number.to_string()))? {
            Datum::Null => statement.raw_bind_parameter(parameter, Null),
            Datum::Integer(number) => statement.raw_bind_parameter(parameter, number),
            Datum::Real(number) => statement.raw_bind_parameter(parameter, number),
            Datum::Text(text) => statement.raw_bind_parameter(parameter, text.as_str()),
            Datum::Blob(bytes) => statement.raw_bind_parameter(parameter, bytes),
            Datum::Time(at) => {
                let (_, text) = match written.take().filter(|(before, _)| *before == at) {
                    Some(written) => written,
                    None => (at, as_text(at)),
                };
                let bound = statement.raw_bind_parameter(parameter, text.as_str());
                written = Some((at, text));
                bound
            }
        }
        .map_err(told)?;
    }
    Ok(())
}

fn not_bound(parameter: &str) -> Error {
    Error::Encode(format!("nothing is bound to parameter {parameter}").into())
}

fn read(statement: &mut Statement<'_>, outcome: &mut Outcome, limit: usize) -> Result<()> {
    let mut columns: Option<Arc<Columns>> = None;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(told)? {
        // Only now, because SQLite prepares a statement anew when the schema has changed.
        let columns =
            columns.get_or_insert_with(|| Arc::new(Columns::named(AsRef::<Statement<'_>>::as_ref(row).column_names())));
        let value = |at| {
            let stored = row.get_ref(at).map_err(told)?;
            Datum::of(stored).map_err(|error| Error::Decode(Box::new(error)))
        };
        let values = (0..columns.len()).map(value).collect::<Result<_>>()?;
        outcome.rows.push(EmbeddedRow { columns: columns.clone(), values });
        if outcome.rows.len() >= limit {
            break;
        }
    }
    Ok(())
}

/// The parts of a query that a statement is made of.
fn parts<'q>(mut query: impl Execute<'q, Embedded>) -> Result<(SqlStr, Option<Arguments>, bool)> {
    let arguments = query.take_arguments().map_err(Error::Encode)?;
    let is_kept = query.persistent();
    Ok((query.sql(), arguments, is_kept))
}

impl<'c> Executor<'c> for &'c mut EmbeddedConnection {
    type Database = Embedded;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, Result<Either<Done, EmbeddedRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Embedded>,
    {
        let parts = parts(query);
        let made = async move {
            let (sql, arguments, is_kept) = match parts {
                Ok(parts) => parts,
                Err(error) => return stream::iter(vec![Err(error)]),
            };
            stream::iter(match self.make(sql, arguments, is_kept, usize::MAX).await {
                Ok(Outcome { rows, done }) => rows
                    .into_iter()
                    .map(|row| Ok(Either::Right(row)))
                    .chain(done.map(|done| Ok(Either::Left(done))))
                    .collect(),
                Err(error) => vec![Err(error)],
            })
        };
        stream::once(made).flatten().boxed()
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, Result<Option<EmbeddedRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Embedded>,
    {
        let parts = parts(query);
        Box::pin(async move {
            let (sql, arguments, is_kept) = parts?;
            Ok(self.make(sql, arguments, is_kept, 1).await?.rows.pop())
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, _: &[super::Kind]) -> BoxFuture<'e, Result<Prepared>>
    where
        'c: 'e,
    {
        Box::pin(async move { Ok(Prepared { sql }) })
    }

    fn describe<'e>(self, _: SqlStr) -> BoxFuture<'e, Result<Describe<Embedded>>>
    where
        'c: 'e,
    {
        Box::pin(future::ready(Err(Error::Protocol("statements are described by sqlx's own driver only".into()))))
    }
}

impl<'c> Acquire<'c> for &'c mut EmbeddedConnection {
    type Database = Embedded;
    type Connection = Self;

    fn acquire(self) -> BoxFuture<'c, Result<Self>> {
        Box::pin(future::ready(Ok(self)))
    }

    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, Embedded>>> {
        Box::pin(Transaction::begin(self, None))
    }
}

impl Connection for EmbeddedConnection {
    type Database = Embedded;
    type Options = EmbeddedOptions;

    async fn close(self) -> Result<()> {
        match self.sqlite {
            Some(sqlite) => sqlite.close().map_err(|(_, error)| told(error)),
            None => Ok(()),
        }
    }

    async fn close_hard(self) -> Result<()> {
        Ok(())
    }

    async fn ping(&mut self) -> Result<()> {
        self.sqlite().map(|_| ())
    }

    async fn begin(&mut self) -> Result<Transaction<'_, Embedded>> {
        Transaction::begin(self, None).await
    }

    fn shrink_buffers(&mut self) {}

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn should_flush(&self) -> bool {
        false
    }
}

/// Begins and ends transactions. Whether there is one, SQLite knows.
#[derive(Debug)]
pub struct Transactions;

impl TransactionManager for Transactions {
    type Database = Embedded;

    async fn begin(connection: &mut EmbeddedConnection, statement: Option<SqlStr>) -> Result<()> {
        if connection.is_in_transaction() {
            connection.is_refused = true;
            return Err(Error::InvalidSavePointStatement);
        }
        let sql = statement.as_ref().map_or("BEGIN", SqlStr::as_str);
        let began = Instant::now();
        loop {
            let made = control(connection.sqlite()?, sql);
            match made {
                // Only to begin is there something to wait for; nobody else has to wait meanwhile.
                Err(error) if is_busy(&error) && began.elapsed() < connection.busy_timeout => sleep(BUSY_PAUSE).await,
                made => {
                    connection.is_begun = made.is_ok();
                    return made.map_err(told);
                }
            }
        }
    }

    async fn commit(connection: &mut EmbeddedConnection) -> Result<()> {
        connection.has_not_lost_it()?;
        let began = std::time::Instant::now();
        let log = connection.log().cloned();
        let commit = move |sqlite: &rusqlite::Connection| match log {
            Some(log) => log.commit(|| control(sqlite, "COMMIT")),
            None => control(sqlite, "COMMIT"),
        };
        let is_short = connection.committed_in < SLOW;
        let done = if is_short { commit(connection.sqlite()?) } else { connection.aside(commit).await? };
        connection.committed_in = began.elapsed();
        connection.is_begun = done.is_err();
        done.map_err(told)
    }

    async fn rollback(connection: &mut EmbeddedConnection) -> Result<()> {
        connection.is_begun = false;
        if connection.is_in_transaction() { control(connection.sqlite()?, "ROLLBACK").map_err(told) } else { Ok(()) }
    }

    fn start_rollback(connection: &mut EmbeddedConnection) {
        if std::mem::take(&mut connection.is_refused) {
            return;
        }
        connection.is_begun = false;
        if connection.is_in_transaction()
            && let Ok(sqlite) = connection.sqlite()
            && let Err(error) = control(sqlite, "ROLLBACK")
        {
            tracing::warn!(%error, "a transaction cannot be rolled back; its connection is given up");
        }
    }

    fn get_transaction_depth(connection: &EmbeddedConnection) -> usize {
        usize::from(connection.is_in_transaction())
    }
}
