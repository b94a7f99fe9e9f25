//! Plugins that nobody runs: what cases say of them is all there is.

use std::sync::Arc;

use domain::plugin::{Catalogue, Manifest, PluginPin, Usable};
use serde_json::json;

/// A plugin `shop` with the nodes `order` and `pick`, and one named `asleep` that is switched off.
pub(crate) fn fake() -> Catalogue {
    let manifest: Manifest = serde_json::from_value(json!({
        "name": "shop", "version": "1.2.0", "title": "Shop",
        "nodes": [
            {
                "type": "order", "title": "Order", "exits": [{"name": "found"}, {"name": "missing"}],
                "config_schema": {
                    "type": "object", "required": ["number"], "additionalProperties": false,
                    "properties": {
                        "number": {"type": "integer", "minimum": 1},
                        "label": {"type": "string", "maxLength": 20},
                        "lines": {"type": "array", "items": {"type": "string"}, "maxItems": 2}
                    }
                }
            },
            {"type": "pick", "title": "Pick", "exits": [{"name": "done"}], "config_schema": {"type": "object"}},
            {"type": "broken", "title": "Broken", "exits": [], "config_schema": {"type": 7}}
        ]
    }))
    .unwrap();
    let pin = PluginPin { name: "shop".to_owned(), version: "1.2.0".to_owned(), digest: "ab".repeat(32) };
    Catalogue::new([Usable { pin, manifest: Arc::new(manifest) }], ["asleep".to_owned()])
}
