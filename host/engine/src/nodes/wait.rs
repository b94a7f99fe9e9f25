//! `wait`: goes on later.

use domain::Time;
use serde_json::{Map, json};

use crate::{
    config::Reader,
    duration::{Length, point_in_time},
    nodes::Wake,
    run::{Failure, Next, Run},
    template::Text,
};

/// `{duration, unit, next?}` or `{until, next?}`.
#[derive(Debug)]
pub(crate) struct Wait {
    end: End,
    next: Option<usize>,
}

#[derive(Debug)]
enum End {
    After(Length),
    At(Text),
}

impl Wait {
    pub(super) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        // Left over from a duration that a point in time has replaced, a unit does no harm.
        reader.get("unit");
        let end = match (reader.get("until").is_some(), reader.get("duration").is_some()) {
            (true, true) => {
                reader.error("conflicting_fields", "until", "cannot be combined with `duration`");
                None
            }
            (true, false) => read_until(reader).map(End::At),
            (false, _) => Length::read(reader).map(End::After),
        };
        let next = reader.reference("next");
        Some(Self { end: end?, next })
    }

    pub(super) fn exits(&self) -> Vec<Option<usize>> {
        vec![self.next]
    }

    /// How long it waits, when that is known beforehand.
    pub(super) fn fixed(&self) -> Option<chrono::Duration> {
        match &self.end {
            End::After(length) => length.fixed(),
            End::At(_) => None,
        }
    }

    pub(super) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let until = self.until(run)?;
        if until <= run.now() {
            return Ok(run.leave("elapsed", "next", self.next, Map::new()));
        }
        run.log("waiting", json!({"until": until}));
        Ok(run.wait_until(until))
    }

    pub(super) fn resume(&self, run: &mut Run<'_>, wake: &Wake) -> Result<Next, Failure> {
        let detail = match wake {
            Wake::Timer => Map::new(),
            Wake::Resume => Map::from_iter([("by".to_owned(), json!("resume"))]),
            Wake::Input | Wake::Effect(_) | Wake::Event(_) => return wake.unexpected(),
        };
        Ok(run.leave("elapsed", "next", self.next, detail))
    }

    fn until(&self, run: &mut Run<'_>) -> Result<Time, Failure> {
        let text = match &self.end {
            End::After(length) => return Ok(run.now() + length.get(run)?),
            End::At(text) => run.text("until", text)?,
        };
        let until = point_in_time(&text, run.timezone())
            .ok_or_else(|| Failure(format!("`until`: `{text}` is no time such as 2030-12-31T09:00:00Z")))?;
        let most = run.limits().wait_days;
        if until - run.now() > chrono::Duration::days(i64::from(most)) {
            return Err(Failure(format!("`until`: {text} is more than {most} days away")));
        }
        Ok(until)
    }
}

fn read_until(reader: &mut Reader<'_, '_>) -> Option<Text> {
    reader.required_str("until")?;
    let text = reader.template("until")?;
    if let Text::Plain(plain) = &text
        && point_in_time(plain, "UTC").is_none()
    {
        reader.error("invalid_time", "until", "must be a time such as 2030-12-31T09:00:00Z");
        return None;
    }
    Some(text)
}
