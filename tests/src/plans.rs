//! What plans of the databases say: whether a query reads a table that grows from one end to the other.

use std::collections::BTreeMap;

use serde_json::Value;

/// Tables that grow with the number of people and messages.
pub const GROWING: [&str; 19] = [
    "account_events",
    "consents",
    "contact_aliases",
    "contacts",
    "early_statuses",
    "execution_steps",
    "executions",
    "idempotency_keys",
    "mailbox_items",
    "mailboxes",
    "media",
    "message_participants",
    "message_reactions",
    "messages",
    "plugin_logs",
    "plugin_outcomes",
    "plugin_values",
    "trigger_events",
    "trigger_logs",
];

/// What names of a statement stand for which growing table.
pub fn names(statement: &str) -> BTreeMap<String, &'static str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let spaced: String = statement.chars().map(|c| if is_word(c) { c.to_string() } else { format!(" {c} ") }).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut names = BTreeMap::new();
    for (at, word) in words.iter().enumerate() {
        let Some(table) = GROWING.iter().find(|table| *table == word) else { continue };
        names.insert((*table).to_owned(), *table);
        let after = if words.get(at + 1) == Some(&"AS") { at + 2 } else { at + 1 };
        // Our keywords are in upper case.
        let is_alias = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if let Some(alias) = words.get(after).filter(is_alias) {
            names.insert((*alias).to_owned(), table);
        }
    }
    names
}

/// The growing table that a step of SQLite's plan reads from end to end, if it does.
pub fn scanned(step: &str, names: &BTreeMap<String, &'static str>, partial: &[String]) -> Option<&'static str> {
    let rest = step.strip_prefix("SCAN ")?;
    let table = names.get(rest.split(' ').next()?)?;
    let index = rest.split("INDEX ").nth(1).and_then(|rest| rest.split(' ').next());
    (!index.is_some_and(|index| partial.iter().any(|partial| partial == index))).then_some(table)
}

/// The growing tables that a node of PostgreSQL's plan, or one below it, reads from end to end.
pub fn read_whole(node: &Value, partial: &[String], found: &mut Vec<String>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let table = node["Relation Name"].as_str().unwrap_or_default();
    let index = node["Index Name"].as_str().unwrap_or_default();
    let by_index =
        kind.contains("Index") && (node["Index Cond"].is_string() || partial.iter().any(|name| name == index));
    if GROWING.contains(&table) && kind.ends_with("Scan") && !by_index && kind != "Bitmap Heap Scan" {
        found.push(format!("{kind} of {table}"));
    }
    for below in node["Plans"].as_array().into_iter().flatten() {
        read_whole(below, partial, found);
    }
}

/// How many rows a node of PostgreSQL's plan, or one below it, looked at, at most; of a plan that was told with what was done.
pub fn examined(node: &Value) -> f64 {
    let number = |name: &str| node[name].as_f64().unwrap_or_default();
    let dropped = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let here = (number("Actual Rows") + dropped) * number("Actual Loops");
    node["Plans"].as_array().into_iter().flatten().map(examined).fold(here, f64::max)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_that_reads_a_whole_table_is_known() {
        let plan = json!({ "Node Type": "Limit", "Plans": [
            { "Node Type": "Seq Scan", "Relation Name": "messages" },
            { "Node Type": "Index Scan", "Relation Name": "messages", "Index Name": "messages_pkey" },
            { "Node Type": "Index Scan", "Relation Name": "messages", "Index Name": "messages_unsent" },
            { "Node Type": "Index Scan", "Relation Name": "contacts", "Index Name": "p", "Index Cond": "(id = 1)" },
            { "Node Type": "Seq Scan", "Relation Name": "bots" },
        ]});
        let mut found = Vec::new();
        read_whole(&plan, &["messages_unsent".to_owned()], &mut found);
        assert_eq!(found, ["Seq Scan of messages", "Index Scan of messages"]);
    }

    #[test]
    fn rows_that_are_looked_at_and_dropped_count_as_often_as_they_are() {
        let plan = json!({ "Node Type": "Limit", "Actual Rows": 5, "Actual Loops": 1, "Plans": [
            { "Node Type": "Index Scan", "Actual Rows": 5, "Actual Loops": 3, "Rows Removed by Filter": 95 },
        ]});
        assert!((examined(&plan) - 300.0).abs() < f64::EPSILON, "{}", examined(&plan));
    }
}
