//! What to say when a plugin is still needed.

use domain::UserId;
use serde_json::{Value, json};
use storage::PluginReference;

use crate::http::problem::{Problem, Result};

/// Most references that are listed.
const SHOWN_MAX: usize = 100;

/// Refuses when something still needs it: lists the caller's own flows and triggers, and counts those of others.
pub(super) fn must_be_free(mut references: Vec<PluginReference>, what: &str, caller: UserId) -> Result<()> {
    if references.is_empty() {
        return Ok(());
    }
    references.sort();
    let (own, others): (Vec<_>, Vec<_>) = references.into_iter().partition(|found| found.owner_id == caller);
    let shown: Vec<Value> = own
        .iter()
        .take(SHOWN_MAX)
        .map(|found| json!({ "kind": found.kind.as_str(), "id": found.id, "name": found.name }))
        .collect();
    let mut detail = format!("{what} is still needed by {} of your flows and triggers", own.len());
    if !others.is_empty() {
        detail.push_str(&format!(" and by {} of other users", others.len()));
    }
    Err(Problem::conflict(detail).with("needed_by", shown).with("needed_by_others", others.len()))
}
