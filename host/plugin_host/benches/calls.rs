//! A call in a fresh instance, beside bare wasmtime making the same instance and the same call.
//!
//! `cargo bench -p plugin_host --bench calls`. The goal is a ratio of at most 1.5.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

#[path = "../tests/it/guests.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod guests;
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod world;

use criterion::{Criterion, criterion_group, criterion_main};
use domain::plugin::PluginEffect;
use serde_json::{Value, json};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker},
};

mod bare {
    wasmtime::component::bindgen!({
        path: "../../wit/chatboost-plugin@0.1.0",
        world: "plugin",
        exports: { default: async },
    });
}

/// What a call carries: a kilobyte each of configuration, state and contact.
fn effect() -> PluginEffect {
    let kilobyte = |key: &str| json!({ key: "x".repeat(1000) });
    PluginEffect {
        config: kilobyte("text"),
        context: json!({ "contact": kilobyte("name") }),
        state: Some(kilobyte("notes")),
        ..world::effect()
    }
}

/// Wasmtime as the host sets it up, without the host.
fn bare_engine() -> Engine {
    let mut pool = PoolingAllocationConfig::default();
    pool.linear_memory_keep_resident(64 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .max_memory_size(16 << 20);
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).unwrap()
}

fn components() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![("by hand", guests::Guest::decent().component())];
    // A guest of the SDK, if one has been built: `plugins/build`.
    if let Ok(path) = std::env::var("GUEST") {
        all.push(("of the SDK", std::fs::read(path).unwrap()));
    }
    all
}

fn calls(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (name, component) in components() {
        let mut group = c.benchmark_group(name);
        let engine = bare_engine();
        let linked = Component::from_binary(&engine, &component).unwrap();
        let mut linker = Linker::<()>::new(&engine);
        linker.define_unknown_imports_as_traps(&linked).unwrap();
        let pre = linker.instantiate_pre(&linked).unwrap();
        let node = bare::exports::chatboost::plugin::node::GuestIndices::new(&pre).unwrap();
        let effect = effect();
        group.bench_function("bare wasmtime", |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let call = bare::exports::chatboost::plugin::node::Call {
                    node_type: effect.node_type.clone(),
                    config: effect.config.to_string(),
                    context: effect.context.to_string(),
                    state: effect.state.as_ref().map(Value::to_string),
                    call_id: effect.idempotency_key.clone(),
                };
                let mut store = Store::new(&engine, ());
                store.set_epoch_deadline(u64::MAX / 2);
                let instance = pre.instantiate_async(&mut store).await.unwrap();
                let guest = node.load(&mut store, &instance).unwrap();
                guest.call_execute(&mut store, &call).await.unwrap().unwrap()
            });
        });
        let (host, plugin, caller) = {
            let _runtime = runtime.enter();
            let host = world::host();
            let plugin = runtime.block_on(world::load(&host, component));
            (host, plugin, world::plain_caller())
        };
        group.bench_function("host", |bencher| {
            bencher.to_async(&runtime).iter(|| async { host.node(&plugin, &caller, &effect).await.result.unwrap() });
        });
        group.finish();
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
