//! `send_message`: says something and goes on.

use crate::{
    config::Reader,
    outgoing::{Outgoing, Sent},
    path::Target,
    run::{Failure, Next, Run},
};

/// Where the reason goes when it takes its error path.
const ERROR_IN: &str = "state.send_error";

/// What [`Outgoing`] reads, and `next?`.
#[derive(Debug)]
pub(crate) struct SendMessage {
    outgoing: Outgoing,
    next: Option<usize>,
}

impl SendMessage {
    pub(super) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        let outgoing = Outgoing::read(reader, Target::parse(ERROR_IN).ok());
        let next = reader.reference("next");
        Some(Self { outgoing: outgoing?, next })
    }

    pub(super) fn exits(&self) -> Vec<Option<usize>> {
        let mut exits = vec![self.next];
        exits.extend(self.outgoing.error_path().map(Some));
        exits
    }

    /// What it says.
    pub(super) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    pub(super) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let sent = self.outgoing.send(run)?;
        let (event, detail) = sent.told();
        Ok(match sent {
            Sent::Yes { .. } | Sent::Skipped { .. } => run.leave(event, "next", self.next, detail),
            Sent::Refused(..) => run.leave(event, "error_path", self.outgoing.error_path(), detail),
        })
    }
}
