//! What binds a component to its host: generated from the WIT, and the SDK's types on top. Only in components.
//!
//! Each exported interface has a little world of its own, because a plugin exports only those that it has. The worlds that a
//! plugin exports are put together when the component is made; together they are one of the contract's.

mod exports;
pub(crate) mod imports;

pub use exports::Bound;

/// What every plugin may import.
pub mod capabilities {
    wit_bindgen::generate!({
        path: "../wit/chatboost-plugin@0.1.0",
        world: "capabilities",
        runtime_path: "::chatboost_sdk::wit_bindgen::rt",
    });
}

/// `manifest`, which every plugin exports.
pub mod manifest {
    wit_bindgen::generate!({
        path: "../wit/chatboost-plugin@0.1.0",
        inline: "package chatboost:sdk; world with-manifest { export chatboost:plugin/manifest@0.1.0; }",
        world: "chatboost:sdk/with-manifest",
        runtime_path: "::chatboost_sdk::wit_bindgen::rt",
        default_bindings_module: "::chatboost_sdk::bindings::manifest",
        pub_export_macro: true,
        export_macro_name: "export_manifest",
        with: { "chatboost:plugin/types@0.1.0": crate::bindings::capabilities::chatboost::plugin::types },
    });
}

/// `node`, for plugins that have nodes.
pub mod node {
    wit_bindgen::generate!({
        path: "../wit/chatboost-plugin@0.1.0",
        inline: "package chatboost:sdk; world with-node { export chatboost:plugin/node@0.1.0; }",
        world: "chatboost:sdk/with-node",
        runtime_path: "::chatboost_sdk::wit_bindgen::rt",
        default_bindings_module: "::chatboost_sdk::bindings::node",
        pub_export_macro: true,
        export_macro_name: "export_node",
        with: { "chatboost:plugin/types@0.1.0": crate::bindings::capabilities::chatboost::plugin::types },
    });
}

/// `trigger`, for plugins that have triggers.
pub mod trigger {
    wit_bindgen::generate!({
        path: "../wit/chatboost-plugin@0.1.0",
        inline: "package chatboost:sdk; world with-trigger { export chatboost:plugin/trigger@0.1.0; }",
        world: "chatboost:sdk/with-trigger",
        runtime_path: "::chatboost_sdk::wit_bindgen::rt",
        default_bindings_module: "::chatboost_sdk::bindings::trigger",
        pub_export_macro: true,
        export_macro_name: "export_trigger",
        with: { "chatboost:plugin/types@0.1.0": crate::bindings::capabilities::chatboost::plugin::types },
    });
}
