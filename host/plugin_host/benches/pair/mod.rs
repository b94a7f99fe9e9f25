//! The same call of the same component, by bare wasmtime and by the host.

#[path = "../../tests/it/world.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod world;

use std::sync::Arc;

use domain::plugin::PluginEffect;
use measure::{Bench, Operation};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker},
};

mod bare {
    wasmtime::component::bindgen!({
        path: "../../wit/chatboost-plugin@0.1.0",
        world: "plugin",
        exports: { default: async },
    });
}
use bare::exports::chatboost::plugin::node;

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a call of a node carries: a kilobyte each of configuration, contact and, where the node keeps one, state.
fn effect(node_type: &str, has_state: bool) -> PluginEffect {
    let kilobyte = |key: &str| json!({ key: "x".repeat(1000) });
    PluginEffect {
        config: kilobyte("greeting"),
        context: json!({ "contact": kilobyte("name") }),
        state: has_state.then(|| kilobyte("notes")),
        node_type: node_type.into(),
        ..world::effect()
    }
}

/// Wasmtime with the settings of the host.
fn engine() -> Engine {
    let mut pool = PoolingAllocationConfig::default();
    pool.linear_memory_keep_resident(64 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto)
        .max_memory_size(16 << 20);
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A fresh instance and a call of it, with its arguments at hand and nothing around it.
fn bare(component: &[u8], effect: PluginEffect) -> impl FnMut() + use<> {
    let (runtime, engine) = (runtime(), engine());
    let component = Component::from_binary(&engine, component).unwrap();
    let mut linker = Linker::<()>::new(&engine);
    linker.define_unknown_imports_as_traps(&component).unwrap();
    let pre = linker.instantiate_pre(&component).unwrap();
    let indices = node::GuestIndices::new(&pre).unwrap();
    let call = node::Call {
        node_type: effect.node_type,
        config: effect.config.to_string(),
        context: effect.context.to_string(),
        state: effect.state.as_ref().map(Value::to_string),
        call_id: effect.idempotency_key,
    };
    move || {
        runtime.block_on(async {
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(u64::MAX / 2);
            let instance = pre.instantiate_async(&mut store).await.unwrap();
            let guest = indices.load(&mut store, &instance).unwrap();
            guest.call_execute(&mut store, &call).await.unwrap().unwrap();
        });
    }
}

/// The same as a server does it.
fn host(component: Vec<u8>, effect: PluginEffect) -> impl FnMut() {
    let runtime = runtime();
    let (host, plugin, caller) = {
        let _inside = runtime.enter();
        let host = world::host();
        let plugin = runtime.block_on(world::load(&host, component));
        (host, plugin, world::plain_caller())
    };
    move || {
        runtime.block_on(async { host.node(&plugin, &caller, &effect).await.result.unwrap() });
    }
}

/// Both, one beside the other. `has_state`: whether the node takes a state.
pub(crate) fn bench(
    name: &'static str,
    component: Vec<u8>,
    node_type: &'static str,
    has_state: bool,
) -> (Bench, Operation) {
    let component = Arc::new(component);
    let same = component.clone();
    let bench = Bench::new(env!("CARGO_MANIFEST_DIR"), name)
        .beside(Operation::new("bare_wasmtime", move || bare(&same, effect(node_type, has_state))));
    let host = Operation::new("host", move || host(component.to_vec(), effect(node_type, has_state)));
    (bench, host.timed_only())
}
