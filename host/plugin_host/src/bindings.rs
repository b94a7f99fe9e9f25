//! The contract of `wit/chatboost-plugin@0.1.0`, as Rust. One such module, one linker, per version that is served.

wasmtime::component::bindgen!({
    path: "../../wit/chatboost-plugin@0.1.0",
    world: "plugin",
    imports: {
        "chatboost:plugin/http.send": async | trappable,
        "chatboost:plugin/kv.get": async | trappable,
        "chatboost:plugin/kv.set": async | trappable,
        "chatboost:plugin/kv.compare-and-set": async | trappable,
        "chatboost:plugin/kv.increment": async | trappable,
        "chatboost:plugin/kv.delete": async | trappable,
        "chatboost:plugin/kv.list-keys": async | trappable,
        "chatboost:plugin/secrets.placeholder": async | trappable,
        "chatboost:plugin/secrets.hmac-sha256": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    require_store_data_send: true,
});
