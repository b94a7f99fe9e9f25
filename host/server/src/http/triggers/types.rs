//! `GET /triggers/types`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::plugin::TriggerKind;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{auth::CurrentUser, nodes::types::PluginLine, problem::Result},
};

/// A type of trigger that I can use.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TriggerTypeView {
    /// What a trigger's `trigger_type` says.
    trigger_type: &'static str,
    /// Of a plugin: the type's name within the plugin.
    plugin_type: Option<String>,
    title: String,
    description: String,
    /// Of a plugin: `matcher`, `webhook` or `poller`.
    #[schema(value_type = Option<String>)]
    kind: Option<TriggerKind>,
    /// Of a plugin: JSON Schema of the configuration.
    config_schema: Option<Value>,
    /// The plugin it comes from; none: it is built in.
    plugin: Option<PluginLine>,
}

/// Built-in types: word, title, when it fires.
const BUILT_IN: [(&str, &str, &str); 4] = [
    ("keyword", "Keyword", "A message has one of the keywords."),
    ("event", "Event", "Something happened to a contact."),
    ("schedule", "Schedule", "A time has come."),
    ("webhook", "Webhook", "Another program calls the trigger's address."),
];
/// The word for triggers of plugins.
const OF_PLUGIN: &str = "plugin";

/// The types of trigger that I can use: built in, and of the plugins that I see.
#[utoipa::path(
    get, path = "/triggers/types", tag = "triggers", operation_id = "list_trigger_types",
    responses((status = OK, body = Vec<TriggerTypeView>))
)]
pub(in crate::http) async fn types(
    State(app): State<Arc<App>>,
    current: CurrentUser,
) -> Result<Json<Vec<TriggerTypeView>>> {
    let mut types: Vec<_> = BUILT_IN
        .iter()
        .map(|(word, title, description)| TriggerTypeView {
            trigger_type: word,
            plugin_type: None,
            title: (*title).to_owned(),
            description: (*description).to_owned(),
            kind: None,
            config_schema: None,
            plugin: None,
        })
        .collect();
    for usable in app.plugins.catalogue(current.id).await?.iter() {
        types.extend(usable.manifest.triggers.iter().map(|trigger| TriggerTypeView {
            trigger_type: OF_PLUGIN,
            plugin_type: Some(trigger.name.clone()),
            title: trigger.title.clone(),
            description: trigger.description.clone(),
            kind: Some(trigger.kind),
            config_schema: Some(trigger.config_schema.clone()),
            plugin: Some(usable.into()),
        }));
    }
    Ok(Json(types))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_built_in_type_is_listed() {
        let mut listed: Vec<_> = super::BUILT_IN.iter().map(|(word, ..)| *word).collect();
        listed.push(super::OF_PLUGIN);
        assert_eq!(listed, engine::triggers::TYPES);
    }
}
