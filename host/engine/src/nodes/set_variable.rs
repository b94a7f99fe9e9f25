//! `set_variable`: sets variables of the flow.

use serde_json::{Map, Value, json};

use crate::{
    config::Reader,
    issues::member,
    path::Target,
    run::{Failure, Next, Run},
    template::{Data, Mode},
    values,
};

/// `{assignments: {"state.x": <value or template>, …}, next?}`.
#[derive(Debug)]
pub(crate) struct SetVariable {
    assignments: Vec<(Target, Data)>,
    next: Option<usize>,
}

impl SetVariable {
    pub(super) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        let assignments = read_assignments(reader);
        let next = reader.reference("next");
        Some(Self { assignments: assignments?, next })
    }

    pub(super) fn exits(&self) -> Vec<Option<usize>> {
        vec![self.next]
    }

    pub(super) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let mut changes = Vec::with_capacity(self.assignments.len());
        let mut changed = Map::new();
        // All values are made before the first is stored: the order of an object's members means nothing.
        for (target, data) in &self.assignments {
            let value = run.json(&format!("assignments.{target}"), data)?;
            changed.insert(target.to_string(), values::brief(&value));
            changes.push((target.clone(), Some(value)));
        }
        run.assign(changes)?;
        let detail = Map::from_iter([("changed".to_owned(), json!(changed))]);
        Ok(run.leave("assigned", "next", self.next, detail))
    }
}

fn read_assignments(reader: &mut Reader<'_, '_>) -> Option<Vec<(Target, Data)>> {
    let value = reader.required("assignments")?;
    let Value::Object(members) = value else {
        reader.wrong_type("assignments", "an object of paths and values");
        return None;
    };
    let pointer = reader.at("assignments");
    let read: Vec<Option<(Target, Data)>> = members
        .iter()
        .map(|(path, value)| {
            let pointer = member(&pointer, path);
            let target = reader.target_of(&pointer, path);
            let data = reader.data_of(&pointer, value, Mode::Native);
            Some((target?, data?))
        })
        .collect();
    read.into_iter().collect()
}
