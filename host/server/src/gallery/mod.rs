//! The flow templates that come with the program.

use std::sync::LazyLock;

use domain::{FlowDefinition, NodeDefinition, TemplateId};
use serde::Deserialize;
use serde_json::Value;

/// The files with their ids. Ids are negative, so they are never those of templates in the database, and stay for ever.
const FILES: &[(i64, &str)] = &[
    (-1, include_str!("welcome.json")),
    (-2, include_str!("lead_capture.json")),
    (-3, include_str!("appointment.json")),
    (-4, include_str!("feedback.json")),
    (-5, include_str!("support_handoff.json")),
];

/// A template that comes with the program.
#[derive(Debug, Clone)]
pub(crate) struct BuiltIn {
    /// Negative.
    pub(crate) id: TemplateId,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) category: String,
    pub(crate) definition: FlowDefinition,
}

#[derive(Deserialize)]
struct File {
    name: String,
    description: String,
    category: String,
    nodes: Vec<FileNode>,
}

/// A node as the API takes it: its position is its place.
#[derive(Deserialize)]
struct FileNode {
    key: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    config: Value,
}

/// All of them.
pub(crate) fn all() -> &'static [BuiltIn] {
    static ALL: LazyLock<Vec<BuiltIn>> =
        LazyLock::new(|| FILES.iter().filter_map(|(id, text)| read(*id, text).ok()).collect());
    &ALL
}

/// One of them.
pub(crate) fn get(id: TemplateId) -> Option<&'static BuiltIn> {
    all().iter().find(|template| template.id == id)
}

fn read(id: i64, text: &str) -> serde_json::Result<BuiltIn> {
    let File { name, description, category, nodes } = serde_json::from_str(text)?;
    let nodes = (0..).zip(nodes).map(|(position, node)| {
        let FileNode { key, kind, name, config } = node;
        NodeDefinition { position, key, kind, name, config }
    });
    let definition = FlowDefinition { nodes: nodes.collect(), ..FlowDefinition::default() };
    Ok(BuiltIn { id: TemplateId(id), name, description, category, definition })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_template() {
        for (id, text) in FILES {
            read(*id, text).unwrap();
            assert!(*id < 0);
        }
        assert_eq!(all().len(), FILES.len());
    }
}
