//! `send_message`: says something and goes on.

use serde_json::{Map, json};

use crate::{
    config::Reader,
    content::{Content, Sent},
    run::{Failure, Next, Run},
};

/// `{message_type, content, next?}`.
#[derive(Debug)]
pub(crate) struct SendMessage {
    content: Content,
    next: Option<usize>,
}

impl SendMessage {
    pub(super) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        let content = Content::read(reader);
        let next = reader.reference("next");
        Some(Self { content: content?, next })
    }

    pub(super) fn exits(&self) -> Vec<Option<usize>> {
        vec![self.next]
    }

    pub(super) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let sent = self.content.send(run)?;
        let mut detail = Map::from_iter([("type".to_owned(), json!(self.content.kind()))]);
        let event = match sent {
            Sent::Yes => "sent",
            Sent::Skipped(reason) => {
                detail.insert("reason".to_owned(), json!(reason));
                "message_skipped"
            }
        };
        Ok(run.leave(event, "next", self.next, detail))
    }
}
