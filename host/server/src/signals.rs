//! What hosts of one database tell each other, so that nobody has to wait for the next look.
//!
//! A signal only makes somebody look sooner. What it is about is in the database, and whoever should have heard a signal
//! that was lost finds it by looking every few seconds; a pause that Meta asked for it is told by Meta itself. So signals are sent after the commit that caused them, all
//! that came together in one go (see `storage/signals.rs` for why not within it), and none for what the host that
//! causes it deals with itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{BotId, ContactId, HostId};
use serde::{Deserialize, Serialize};
use storage::Db;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{host::Membership, pause::Pause};

/// Most contacts named by one signal; a text has room for some 400. Of more the host finds out by itself.
const CONTACTS_MAX: usize = 200;
/// Pause after signals could not be sent: those are lost, and so are more that come meanwhile.
const PAUSE_TROUBLE: Duration = Duration::from_millis(200);

/// What one host tells others. As JSON it is what goes over the wire; a kind that a host does not know it passes over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Signal {
    /// Mailboxes of a host have something new: of these contacts, or of more than can be named.
    Mail { host: HostId, contacts: Vec<ContactId> },
    /// Mailboxes that nobody owns want an owner. To one host, or to all that work.
    Free(Option<HostId>),
    /// When triggers fire by the clock has changed.
    Schedules,
    /// Files wait to be fetched.
    Files,
    /// What may have kept a bot from sending is mended.
    Mended(BotId),
    /// How fast a number may be is to be asked anew.
    Throughput(String),
    /// Meta asked for a pause, and whether its number was too fast.
    Pause { of: Shared, milliseconds: i64, too_fast: bool },
    /// A host came or went.
    Hosts,
}

/// What a pause is about that concerns several hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shared {
    /// An app, by what stands for its access token.
    App(u64),
    /// A business account.
    Account(String),
    /// A number.
    Number(String),
}

/// A signal on the wire.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    from: HostId,
    signal: Signal,
}

/// What came over the wire.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Another host says something.
    Signal(Signal),
    /// Nothing was heard for a while: whatever could have been said may have been.
    Gap,
}

/// See the module.
pub(crate) struct Signals {
    db: Db,
    membership: Arc<Membership>,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    mail: BTreeMap<HostId, BTreeSet<ContactId>>,
    others: BTreeSet<Signal>,
}

impl Signals {
    pub(crate) fn new(db: &Db, membership: &Arc<Membership>) -> Arc<Self> {
        let (waiting, changed) = (Mutex::default(), Notify::new());
        Arc::new(Self { db: db.clone(), membership: membership.clone(), waiting, changed })
    }

    /// Tells other hosts, soon. Nobody is told where there is nobody else.
    pub(crate) fn send(&self, signal: Signal) {
        if !self.db.is_shared() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match signal {
            Signal::Mail { host, contacts } => waiting.mail.entry(host).or_default().extend(contacts),
            other => drop(waiting.others.insert(other)),
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Has other hosts look for mailboxes that nobody owns, since this one does not: not all of them, since one is enough,
    /// and two, since one may have died a moment ago.
    pub(crate) fn free_elsewhere(&self) {
        for host in [self.membership.another_worker(), self.membership.another_worker()].into_iter().flatten() {
            self.send(Signal::Free(Some(host)));
        }
    }

    fn take(&self) -> Vec<Signal> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mail = waiting.mail.into_iter().map(|(host, contacts)| {
            let contacts = if contacts.len() > CONTACTS_MAX { BTreeSet::new() } else { contacts };
            Signal::Mail { host, contacts: contacts.into_iter().collect() }
        });
        mail.chain(waiting.others).collect()
    }

    /// Sends what waits, until told to stop.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let changed = self.changed.notified();
            let sent = self.flush().await;
            let pause = async {
                match sent {
                    Ok(()) => changed.await,
                    Err(_) => tokio::time::sleep(PAUSE_TROUBLE).await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = pause => {}
            }
        }
    }

    /// Sends what waits. What cannot be sent is lost.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn flush(&self) -> storage::Result<()> {
        let signals = self.take();
        if signals.is_empty() {
            return Ok(());
        }
        let from = self.membership.host();
        let texts: Vec<String> =
            signals.into_iter().filter_map(|signal| serde_json::to_string(&Sent { from, signal }).ok()).collect();
        let sent = self.db.signal(&texts).await;
        if let Err(error) = &sent {
            tracing::debug!(%error, "signals to other hosts are lost; they look by themselves");
        }
        sent
    }

    /// Hears what other hosts say, until told to stop.
    pub(crate) async fn listen(self: Arc<Self>, stop: CancellationToken, hear: impl Fn(Heard)) {
        if !self.db.is_shared() {
            return;
        }
        let mut pause = Pause::default();
        loop {
            let listen = async {
                let Some(mut listener) = self.db.listen().await? else { return Ok(()) };
                pause.reset();
                hear(Heard::Gap);
                loop {
                    let text = listener.next().await?;
                    if let Some(signal) = understood(&text, self.membership.host()) {
                        hear(Heard::Signal(signal));
                    }
                }
            };
            let listened: storage::Result<()> = tokio::select! {
                () = stop.cancelled() => return,
                listened = listen => listened,
            };
            if let Err(error) = listened {
                tracing::warn!(%error, "other hosts are not heard; listening anew");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = pause.wait() => {}
            }
        }
    }
}

/// A signal of another host, if it is for this one.
fn understood(text: &str, here: HostId) -> Option<Signal> {
    let sent: Sent = match serde_json::from_str(text) {
        Ok(sent) => sent,
        Err(error) => {
            tracing::debug!(%error, "a signal of another host is of no known kind");
            return None;
        }
    };
    let is_for_others = match &sent.signal {
        Signal::Mail { host, .. } | Signal::Free(Some(host)) => *host != here,
        _ => false,
    };
    (sent.from != here && !is_for_others).then_some(sent.signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: i64, signal: Signal) -> String {
        serde_json::to_string(&Sent { from: HostId(from), signal }).unwrap()
    }

    #[test]
    fn every_signal_comes_over_as_it_was_sent() {
        let contacts = vec![ContactId(1), ContactId(i64::MAX)];
        for signal in [
            Signal::Mail { host: HostId(2), contacts },
            Signal::Free(None),
            Signal::Free(Some(HostId(2))),
            Signal::Schedules,
            Signal::Files,
            Signal::Mended(BotId(3)),
            Signal::Throughput("1".into()),
            Signal::Pause { of: Shared::App(u64::MAX), milliseconds: 1_000, too_fast: false },
            Signal::Pause { of: Shared::Number("n".into()), milliseconds: 1_000, too_fast: true },
            Signal::Hosts,
        ] {
            assert_eq!(understood(&text(1, signal.clone()), HostId(2)), Some(signal));
        }
    }

    #[test]
    fn what_is_for_others_or_comes_from_here_or_from_a_newer_host_is_passed_over() {
        assert_eq!(understood(&text(1, Signal::Free(Some(HostId(3)))), HostId(2)), None);
        assert_eq!(understood(&text(1, Signal::Mail { host: HostId(3), contacts: vec![] }), HostId(2)), None);
        assert_eq!(understood(&text(2, Signal::Schedules), HostId(2)), None);
        assert_eq!(understood(r#"{"from":1,"signal":{"news":{}}}"#, HostId(2)), None);
        assert_eq!(understood("not even JSON", HostId(2)), None);
    }

    #[test]
    fn as_many_contacts_as_are_named_fit_into_a_text() {
        let contacts = vec![ContactId(i64::MAX); CONTACTS_MAX];
        assert!(text(i64::MAX, Signal::Mail { host: HostId(i64::MAX), contacts }).len() < 8_000);
    }
}
