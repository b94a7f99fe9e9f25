//! `ask`: says something, waits for the contact's next message and keeps it.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use crate::{
    config::Reader,
    duration::Length,
    nodes::{Silence, Wake},
    outgoing::{Outgoing, Sent},
    path::Target,
    run::{Failure, Next, Run},
    values,
};

/// What [`Outgoing`] reads, and `{store_in, timeout?: {duration, unit}, timeout_path?, next?}`.
#[derive(Debug)]
pub(crate) struct Ask {
    outgoing: Outgoing,
    store_in: Target,
    timeout: Option<Length>,
    timeout_path: Option<usize>,
    next: Option<usize>,
}

impl Ask {
    pub(super) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        let store_in = reader.required("store_in").and_then(|_| reader.target("store_in"));
        let outgoing = Outgoing::read(reader, store_in.as_ref().map(|target| target.beside("_error")));
        let timeout = reader.object("timeout").and_then(|mut timeout| {
            let length = Length::read(&mut timeout);
            timeout.finish();
            length
        });
        let timeout_path = reader.reference("timeout_path");
        let next = reader.reference("next");
        if reader.get("timeout_path").is_some() && reader.get("timeout").is_none() {
            reader.warning(
                "unused_path",
                "timeout_path",
                "is only taken when a person ends the wait, because there is no `timeout`",
            );
        }
        Some(Self { outgoing: outgoing?, store_in: store_in?, timeout, timeout_path, next })
    }

    pub(super) fn exits(&self) -> Vec<Option<usize>> {
        let mut exits = vec![self.next];
        if self.timeout.is_some() || self.timeout_path.is_some() {
            exits.push(self.timeout_path);
        }
        exits.extend(self.outgoing.error_path().map(Some));
        exits
    }

    /// What it says.
    pub(super) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Where it leads, and how long the contact has been silent then.
    pub(super) fn silences(&self) -> Vec<(usize, Silence)> {
        let waits = self.timeout.as_ref().and_then(Length::fixed).unwrap_or_default();
        let ways = [
            (self.next, Silence::Broken),
            (self.timeout_path, Silence::Longer(waits)),
            (self.outgoing.error_path(), Silence::Longer(TimeDelta::zero())),
        ];
        ways.into_iter().filter_map(|(to, silence)| Some((to?, silence))).collect()
    }

    pub(super) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let sent = self.outgoing.send(run)?;
        let (event, detail) = sent.told();
        let kind = match sent {
            Sent::Yes { kind, .. } => Some(kind),
            Sent::Skipped { .. } => {
                run.log(event, detail.into());
                None
            }
            Sent::Refused(..) => return Ok(run.leave(event, "error_path", self.outgoing.error_path(), detail)),
        };
        let is_fallback = matches!(sent, Sent::Yes { is_fallback: true, .. });
        let until = match &self.timeout {
            Some(timeout) => Some(run.now() + timeout.get(run)?),
            None => None,
        };
        let mut detail = json!({"type": kind, "store_in": self.store_in.to_string(), "until": until});
        if is_fallback {
            detail["is_fallback"] = json!(true);
        }
        run.log("asked", detail);
        Ok(run.wait_for_input(until))
    }

    pub(super) fn resume(&self, run: &mut Run<'_>, wake: &Wake) -> Result<Next, Failure> {
        match wake {
            Wake::Input => self.answered(run),
            Wake::Timer => Ok(run.leave("timed_out", "timeout_path", self.timeout_path, Map::new())),
            Wake::Resume => self.resumed(run),
            Wake::Effect(_) | Wake::Event(_) => wake.unexpected(),
        }
    }

    fn answered(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let Some(message) = run.execution().message.clone() else { return Wake::Input.unexpected() };
        let text = message.text.unwrap_or_default();
        // What a chosen button or an ordinary text is says its text and id; of other messages one wants to know the type.
        let plain = ["text", "interactive", "button"].contains(&message.kind.as_str());
        let kind = (!plain).then(|| Value::from(message.kind.clone()));
        let mut detail = Map::from_iter([
            ("type".to_owned(), json!(message.kind)),
            ("text".to_owned(), values::brief(&json!(text))),
        ]);
        if let Some(reply_id) = &message.reply_id {
            detail.insert("reply_id".to_owned(), values::brief(&json!(reply_id)));
        }
        self.store(run, text, message.reply_id.map(Value::from), kind)?;
        Ok(run.leave("answered", "next", self.next, detail))
    }

    fn resumed(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let detail = Map::from_iter([("by".to_owned(), json!("resume"))]);
        if self.timeout_path.is_some() {
            return Ok(run.leave("timed_out", "timeout_path", self.timeout_path, detail));
        }
        self.store(run, String::new(), None, None)?;
        Ok(run.leave("answered", "next", self.next, detail))
    }

    /// What an earlier answer left beside the variable goes, so that it is not taken for a part of this one.
    fn store(&self, run: &mut Run<'_>, text: String, id: Option<Value>, kind: Option<Value>) -> Result<(), Failure> {
        run.assign(vec![
            (self.store_in.clone(), Some(text.into())),
            (self.store_in.beside("_id"), id),
            (self.store_in.beside("_type"), kind),
        ])?;
        Ok(())
    }
}
