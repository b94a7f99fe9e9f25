//! `GET /bots/nodes/types`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::plugin::Usable;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{auth::CurrentUser, problem::Result},
};

/// A type of node that I can use.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct NodeTypeView {
    /// What a node's `type` says: a word, or `<plugin>/<type>`.
    r#type: String,
    title: String,
    description: String,
    /// Where an editor lists it.
    category: Option<String>,
    /// Ways out. Of a built-in type each is a field of the configuration; of a plugin's type each is a name in its field
    /// `exits`, where `error` is always possible.
    exits: Vec<ExitView>,
    /// JSON Schema of a plugin's part of the configuration; the fields of built-in types are in the description of flows.
    config_schema: Option<Value>,
    /// The plugin it comes from; none: it is built in.
    plugin: Option<PluginLine>,
}

/// A way out of a node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeExit)]
struct ExitView {
    name: String,
    title: Option<String>,
}

/// Where a type of node or trigger comes from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TypeOfPlugin)]
pub(in crate::http) struct PluginLine {
    name: String,
    title: String,
    /// The version that new flows take.
    version: String,
    /// SHA-256 of its component.
    digest: String,
}

impl From<&Usable> for PluginLine {
    fn from(usable: &Usable) -> Self {
        Self {
            name: usable.pin.name.clone(),
            title: usable.manifest.title.clone(),
            version: usable.pin.version.clone(),
            digest: usable.pin.digest.clone(),
        }
    }
}

/// Built-in types: word, title, what it does, category, ways out.
const BUILT_IN: [(&str, &str, &str, &str, &[&str]); 7] = [
    ("send_message", "Send a message", "Sends a message and goes on.", "Messages", &["next"]),
    ("ask", "Ask", "Sends a message, waits for the reply and keeps it.", "Messages", &["next", "timeout_path"]),
    ("wait", "Wait", "Waits for a time, or until a time.", "Logic", &["next"]),
    ("condition", "Condition", "Goes one way or the other.", "Logic", &["true_path", "false_path"]),
    (
        "webhook_action",
        "Call a service",
        "Calls an HTTP service and keeps its answer.",
        "Services",
        &["next", "error_path"],
    ),
    ("set_variable", "Set variables", "Sets variables.", "Logic", &["next"]),
    ("end", "End", "Ends the flow.", "Logic", &[]),
];

/// The types of node that I can use: built in, and of the plugins that I see, in the version that new flows take.
#[utoipa::path(
    get, path = "/bots/nodes/types", tag = "flows", operation_id = "list_node_types",
    responses((status = OK, body = Vec<NodeTypeView>))
)]
pub(in crate::http) async fn types(
    State(app): State<Arc<App>>,
    current: CurrentUser,
) -> Result<Json<Vec<NodeTypeView>>> {
    let mut types: Vec<_> = BUILT_IN
        .iter()
        .map(|(word, title, description, category, exits)| NodeTypeView {
            r#type: (*word).to_owned(),
            title: (*title).to_owned(),
            description: (*description).to_owned(),
            category: Some((*category).to_owned()),
            exits: exits.iter().map(|name| ExitView { name: (*name).to_owned(), title: None }).collect(),
            config_schema: None,
            plugin: None,
        })
        .collect();
    for usable in app.plugins.catalogue(current.id).await?.iter() {
        types.extend(usable.manifest.nodes.iter().map(|node| NodeTypeView {
            r#type: format!("{}/{}", usable.pin.name, node.name),
            title: node.title.clone(),
            description: node.description.clone(),
            category: node.category.clone(),
            exits:
                node.exits.iter().map(|exit| ExitView { name: exit.name.clone(), title: exit.title.clone() }).collect(),
            config_schema: Some(node.config_schema.clone()),
            plugin: Some(usable.into()),
        }));
    }
    Ok(Json(types))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_built_in_type_is_listed() {
        let listed: Vec<_> = super::BUILT_IN.iter().map(|(word, ..)| *word).collect();
        assert_eq!(listed, engine::NODE_TYPES);
    }
}
