//! Tells waiting requests that something about a contact has changed on this host.

use std::time::Duration;

use domain::ContactId;
use tokio::{
    sync::broadcast,
    time::{Instant, timeout_at},
};

/// Changes that a slow listener may lag behind before it is told only that it missed some.
const LAG_MAX: usize = 4_096;
/// How long to wait between looks when a change may be another host's, which tells us nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    told: broadcast::Sender<ContactId>,
    is_shared: bool,
}

/// One who waits for changes. Subscribe before looking, so that nothing is missed in between.
pub(crate) struct Listener {
    told: broadcast::Receiver<ContactId>,
    is_shared: bool,
}

impl Changes {
    /// `is_shared`: other hosts change contacts, too.
    pub(crate) fn new(is_shared: bool) -> Self {
        Self { told: broadcast::channel(LAG_MAX).0, is_shared }
    }

    /// These contacts have changed.
    pub(crate) fn tell(&self, contacts: impl IntoIterator<Item = ContactId>) {
        if self.told.receiver_count() > 0 {
            for contact in contacts {
                // Nobody listening any more is fine.
                let _ = self.told.send(contact);
            }
        }
    }

    /// Begins to listen.
    pub(crate) fn listen(&self) -> Listener {
        Listener { told: self.told.subscribe(), is_shared: self.is_shared }
    }
}

impl Listener {
    /// Returns when it is worth looking at the contact again, at the latest at the deadline.
    pub(crate) async fn wait(&mut self, contact: ContactId, deadline: Instant) {
        let mine = async {
            // One who lagged behind has missed something: look.
            while self.told.recv().await.is_ok_and(|changed| changed != contact) {}
        };
        let look = if self.is_shared { (Instant::now() + LOOK_AGAIN).min(deadline) } else { deadline };
        // Either way it is time to look.
        let _ = timeout_at(look, mine).await;
    }
}
