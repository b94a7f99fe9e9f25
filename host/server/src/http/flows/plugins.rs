//! The plugins whose nodes a flow has.

use std::sync::Arc;

use domain::{FlowDefinition, UserId, plugin::Catalogue};

use crate::app::App;

/// The plugins that the owner of a flow can use; nobody is asked for flows without nodes of plugins.
pub(super) async fn catalogue(
    app: &App,
    owner: UserId,
    definition: &FlowDefinition,
) -> storage::Result<Arc<Catalogue>> {
    if definition.plugin_names().is_empty() { Ok(Arc::default()) } else { app.plugins.catalogue(owner).await }
}

/// Notes which code the nodes of plugins run from now on: what the catalogue has.
pub(super) fn pin(definition: &mut FlowDefinition, catalogue: &Catalogue) {
    let names = definition.plugin_names();
    let pins = names.into_iter().filter_map(|name| Some((name.to_owned(), catalogue.get(name)?.pin.clone())));
    definition.plugins = pins.collect();
}
