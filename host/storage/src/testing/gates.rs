//! Gates before every storage call, for simulations: whoever holds them decides which call goes on, and what becomes of it.
//!
//! Gates belong to a thread ([`Gates::within`]). A simulation runs each of its hosts on a runtime of its own and lets them
//! run in turn on one thread, so that a call always finds the gates of its host, and no call goes on that was not let on.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::{Database, Transaction};
use tokio::sync::oneshot;

use crate::{Error, Result};

thread_local! {
    static HERE: RefCell<Option<Arc<Gates>>> = const { RefCell::new(None) };
}

/// What is asked of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// A transaction that may write.
    Begin,
    /// A transaction that only reads.
    Read,
    /// A statement, named by its place in the source.
    Statement {
        /// Whether its transaction may write.
        writes: bool,
        /// Module and line.
        place: (&'static str, u32),
    },
    /// The end of a transaction.
    Commit {
        /// Whether it may have written.
        writes: bool,
    },
    /// That what was committed is on the disk.
    Sync,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is made.
    Made,
    /// The database is not available: the call is not made, and its transaction is over.
    Refused,
    /// The database asks to try again: the call is not made, and its transaction is over.
    Retry,
    /// It is made, but the connection breaks before the answer comes: the caller cannot know. Of commits; else `Made`.
    Lost,
    /// It is made, and its caller goes no further. Of commits; else `Made`.
    Silent,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Gates {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<u64, (Call, oneshot::Sender<Fate>)>,
    next: u64,
    going: usize,
    writers: usize,
    readers: usize,
    changes: u64,
}

impl Gates {
    /// Runs something whose storage calls, as far as they are made on this thread, stop at these gates.
    pub fn within<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        let before = HERE.replace(Some(self.clone()));
        let result = run();
        HERE.set(before);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls that wait, in the order in which they came.
    pub fn waiting(&self) -> Vec<(u64, Call)> {
        self.state().waiting.iter().map(|(id, (call, _))| (*id, *call)).collect()
    }

    /// Transactions under way: those that may write, and those that only read.
    pub fn open(&self) -> (usize, usize) {
        let state = self.state();
        (state.writers, state.readers)
    }

    /// Calls that were let on and have not ended.
    pub fn going(&self) -> usize {
        self.state().going
    }

    /// Grows with everything that happens here.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Decides about a call that waits.
    pub fn decide(&self, id: u64, fate: Fate) {
        let mut state = self.state();
        let Some((_, waiting)) = state.waiting.remove(&id) else { return };
        state.changes += 1;
        if !matches!(fate, Fate::Refused | Fate::Retry) {
            state.going += 1;
        }
        // A caller that has gone away meanwhile took its place here along.
        let _ = waiting.send(fate);
    }

    async fn pass(self: Arc<Self>, call: Call) -> Result<Going> {
        let (decide, decided) = oneshot::channel();
        let mut place = {
            let mut state = self.state();
            state.changes += 1;
            let id = state.next;
            state.next += 1;
            state.waiting.insert(id, (call, decide));
            drop(state);
            Place { gates: self, id, is_left: false }
        };
        let fate = decided.await.map_err(|_| Error::Stopping)?;
        place.is_left = true;
        match fate {
            Fate::Refused => Err(Error::Unavailable(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()))),
            Fate::Retry => Err(Error::Retry(sqlx::Error::Protocol("the simulation asks to try again".into()))),
            fate => Ok(Going { gates: place.gates.clone(), fate }),
        }
    }
}

/// Where a call waits.
struct Place {
    gates: Arc<Gates>,
    id: u64,
    is_left: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        let mut state = self.gates.state();
        state.changes += 1;
        if state.waiting.remove(&self.id).is_none() {
            // It was let on and has given up before it noticed.
            state.going = state.going.saturating_sub(1);
        }
    }
}

/// A call that was let on.
pub(crate) struct Going {
    gates: Arc<Gates>,
    fate: Fate,
}

impl Drop for Going {
    fn drop(&mut self) {
        let mut state = self.gates.state();
        state.going -= 1;
        state.changes += 1;
    }
}

/// A transaction whose calls stop at gates, if its thread has any.
#[derive(Debug)]
pub struct Open<DB: Database> {
    transaction: Transaction<'static, DB>,
    watch: Option<Watch>,
}

/// Counts a transaction while it is under way.
#[derive(Debug)]
struct Watch {
    gates: Arc<Gates>,
    writes: bool,
    is_broken: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.gates.state();
        if self.writes {
            state.writers -= 1;
        } else {
            state.readers -= 1;
        }
        state.changes += 1;
    }
}

impl<DB: Database> Deref for Open<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        &self.transaction
    }
}

impl<DB: Database> DerefMut for Open<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        &mut self.transaction
    }
}

/// Waits until what was committed may be on the disk. That cannot be tried again.
pub(crate) async fn sync() -> Result<()> {
    let Some(gates) = HERE.with_borrow(Clone::clone) else { return Ok(()) };
    match gates.pass(Call::Sync).await {
        Err(Error::Retry(error)) => Err(Error::Unavailable(error)),
        passed => passed.map(drop),
    }
}

/// Begins a transaction when the gates let it.
pub(crate) async fn open<DB: Database>(
    writes: bool,
    begin: impl Future<Output = sqlx::Result<Transaction<'static, DB>>>,
) -> Result<Open<DB>> {
    let Some(gates) = HERE.with_borrow(Clone::clone) else {
        return Ok(Open { transaction: begin.await?, watch: None });
    };
    let _going = gates.clone().pass(if writes { Call::Begin } else { Call::Read }).await?;
    let transaction = begin.await?;
    let mut state = gates.state();
    if writes {
        state.writers += 1;
    } else {
        state.readers += 1;
    }
    drop(state);
    Ok(Open { transaction, watch: Some(Watch { gates, writes, is_broken: false }) })
}

impl<DB: Database> Open<DB> {
    /// Whether its calls stop at gates.
    pub(crate) fn is_simulated(&self) -> bool {
        self.watch.is_some()
    }

    /// Waits until a statement may be made.
    pub(crate) async fn statement(&mut self, module: &'static str, line: u32) -> Result<Option<Going>> {
        let Some(watch) = &mut self.watch else { return Ok(None) };
        let call = Call::Statement { writes: watch.writes, place: (module, line) };
        watch.pass(call).await.map(Some)
    }

    pub(crate) async fn commit(self) -> Result<()> {
        let Self { transaction, mut watch } = self;
        let going = match &mut watch {
            Some(watch) => Some(watch.pass(Call::Commit { writes: watch.writes }).await?),
            None => None,
        };
        transaction.commit().await?;
        let fate = going.as_ref().map(|going| going.fate);
        drop((going, watch));
        match fate {
            Some(Fate::Lost) => Err(Error::Unavailable(sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into()))),
            Some(Fate::Silent) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    pub(crate) async fn rollback(self) -> sqlx::Result<()> {
        self.transaction.rollback().await
    }
}

impl Watch {
    async fn pass(&mut self, call: Call) -> Result<Going> {
        if self.is_broken {
            return Err(Error::Unavailable(sqlx::Error::Io(std::io::ErrorKind::NotConnected.into())));
        }
        let going = self.gates.clone().pass(call).await;
        self.is_broken = going.is_err();
        going
    }
}
