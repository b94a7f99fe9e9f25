//! Components as toolchains make them: our plugins with the SDK, those of former versions of the contract, and one in
//! Python. `plugins/build` and `tests/plugins/python/build` make them; `tests/run` does so before the tests.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::plugin::{FailureKind, NodeCause, NodeOutcome, PluginEffect, PluginFault};
use plugin_host::{
    CallError, Examination, ExamineError, HookRequest, Host, Limits, Occurrence, Severity, StructureLimits, TriggerCall,
};
use serde_json::{Value, json};

use crate::world::{World, caller, effect, host, host_with, limits, load, plain_caller, settings};

/// What a component of ours may weigh.
const BYTES_MAX: usize = 700_000;

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A component that was built, beside this program in cargo's target folder.
fn built(name: &str, by: &str) -> Vec<u8> {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap();
    let path = target.join(format!("guests/{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}. Run {by} first.", path.display()))
}

fn guest(name: &str) -> Vec<u8> {
    built(name, "plugins/build")
}

fn examination() -> Examination {
    Examination {
        tenant: 1,
        bytes_max: 64 << 20,
        structure: StructureLimits::usual(),
        limits: limits(),
        previous: None,
    }
}

fn folders(path: &str) -> Vec<String> {
    let entries = fs::read_dir(repository().join(path)).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn entering(node_type: &str, config: Value) -> PluginEffect {
    PluginEffect { node_type: node_type.into(), config, ..effect() }
}

#[tokio::test]
async fn every_plugin_that_comes_along_passes_the_checks_of_an_upload() {
    let host = host();
    let mut names = folders("plugins");
    names.extend(folders("sdk/examples"));
    assert!(names.len() >= 11, "{names:?}");
    for name in names {
        let component = guest(&name);
        assert!(component.len() <= BYTES_MAX, "{name} has {} bytes", component.len());
        let examined = host.examine(component.into(), &examination()).await;
        let examined = examined.unwrap_or_else(|error| panic!("{name}: {error:#?}"));
        assert_eq!(examined.manifest.name, name);
        assert!(examined.report.findings.is_empty(), "{name}: {:#?}", examined.report.findings);
        assert!(examined.report.is_deterministic, "{name}");
        let types = examined.manifest.nodes.iter().map(|node| node.examples.len());
        let count: usize = types.chain(examined.manifest.triggers.iter().map(|trigger| trigger.examples.len())).sum();
        assert_eq!(examined.report.examples.len(), count, "{name}");
    }
}

#[tokio::test]
async fn a_node_of_the_sdk_goes_from_turn_to_turn() {
    let host = host();
    let plugin = load(&host, guest("waiting")).await;
    let mut asking =
        entering("ask-number", json!({ "question": "How old?", "store_in": "age", "timeout_seconds": 60 }));
    let asked = host.node(&plugin, &plain_caller(), &asking).await.result.unwrap();
    assert_eq!(asked.outcome, NodeOutcome::WaitInput { timeout_ms: Some(60_000) });
    assert_eq!(asked.actions.messages[0].content, json!({ "body": "How old?" }));
    asking.state = asked.state;
    asking.cause = NodeCause::Input(json!({ "type": "text", "text": "36" }));
    let answered = host.node(&plugin, &plain_caller(), &asking).await.result.unwrap();
    assert_eq!(answered.outcome, NodeOutcome::Next { exit: "answered".into() });
    assert_eq!(answered.actions.variables["state.age"], 36);
    assert_eq!(answered.state, None);
}

#[tokio::test]
async fn the_text_of_a_panic_and_the_names_of_functions_reach_the_owner() {
    let host = host();
    let plugin = load(&host, guest("clumsy")).await;
    let called = host.node(&plugin, &plain_caller(), &entering("panic", json!({ "text": "out of beans" }))).await;
    let Err(CallError::Failure(failure)) = called.result else { panic!("{:?}", called.result) };
    assert_eq!(failure.kind, FailureKind::Trapped);
    assert!(!failure.message.contains("beans"), "people who write to the bot do not read that");
    let detail = failure.detail.unwrap();
    assert!(detail.contains("out of beans") && detail.contains("src/lib.rs"), "{detail}");
    assert!(detail.contains("fall_over"), "{detail}");
    assert_eq!(called.logs.len(), 2, "{:?}", called.logs);
    assert!(called.logs[1].message.contains("out of beans"));
}

#[tokio::test]
async fn faults_of_the_sdk_are_the_plugins_word() {
    let host = host();
    let plugin = load(&host, guest("clumsy")).await;
    for (kind, expected) in [
        ("retryable", PluginFault::Retryable { message: "later".into(), retry_after_ms: Some(1000) }),
        ("permanent", PluginFault::Permanent { message: "never".into(), code: Some("no_way".into()) }),
        ("other", PluginFault::InvalidConfig { pointer: "/kind".into(), message: "there is no such fault".into() }),
    ] {
        let called = host.node(&plugin, &plain_caller(), &entering("faulty", json!({ "kind": kind }))).await;
        assert_eq!(called.result.unwrap_err(), CallError::Fault(expected));
    }
}

/// Everything that the compatibility plugin wants.
fn everything() -> (Value, Value) {
    let common = json!({
        "http": [{ "host": "example.com" }], "kv": { "bot": true, "contact": true }, "log": true, "clock": true,
        "random": true,
    });
    let (mut wanted, mut granted) = (common.clone(), common);
    wanted["secrets"] = json!([{ "name": "KEY" }]);
    wanted["config"] = json!([{ "key": "size" }]);
    granted["secrets"] = json!([{ "name": "KEY", "hosts": ["example.com"] }]);
    granted["config"] = json!({ "size": 7 });
    (wanted, granted)
}

async fn calls_everything(host: &Arc<Host>, name: &str, component: Vec<u8>) {
    let plugin = load(host, component).await;
    let world = World { secrets: [("KEY".to_owned(), "s3cret".to_owned())].into(), ..World::default() };
    let world = Arc::new(world);
    let (wanted, granted) = everything();
    let caller = caller(world.clone(), wanted, granted);
    let manifest = host.describe(&plugin, &caller).await.result.unwrap();
    assert_eq!((manifest.nodes.len(), manifest.triggers.len()), (1, 3), "{name}");
    let mut call = entering("all", json!({ "a": 1 }));
    let called = host.node(&plugin, &caller, &call).await;
    let step = called.result.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    assert_eq!(step.outcome, NodeOutcome::WaitInput { timeout_ms: Some(1000) }, "{name}");
    assert_eq!(called.logs.len(), 1, "{name}");
    let exchange = world.exchanges.lock().unwrap().pop().unwrap();
    assert!(exchange.headers.contains(&("x-key".to_owned(), b"s3cret".to_vec())), "{name}: {exchange:?}");
    call.state = step.state;
    for (cause, expected) in [
        (NodeCause::Input(json!({ "text": "hi" })), Some(NodeOutcome::Next { exit: "next".into() })),
        (NodeCause::TimedOut, Some(NodeOutcome::WaitFor { ms: 5 })),
        (NodeCause::Elapsed, Some(NodeOutcome::Complete)),
        (
            NodeCause::Event(json!({ "name": "custom.a" })),
            Some(NodeOutcome::WaitEvent { name: "custom.a".into(), timeout_ms: None }),
        ),
        (NodeCause::Forced, None),
    ] {
        call.cause = cause;
        let outcome = host.node(&plugin, &caller, &call).await.result.map(|step| step.outcome);
        match expected {
            Some(expected) => assert_eq!(outcome.unwrap(), expected, "{name}"),
            None => assert!(matches!(outcome, Err(CallError::Fault(_))), "{name}: {outcome:?}"),
        }
    }
    let trigger =
        |of: &str| TriggerCall { trigger_type: of.into(), config: json!({}), context: json!({}), call_id: "1".into() };
    let occurrence = Occurrence::Message(json!({ "text": "hi" }));
    let found = host.matches(&plugin, &caller, &trigger("match"), &occurrence).await.result.unwrap().unwrap();
    assert_eq!((found.score, &found.extracted["message"]["text"]), (0.5, &json!("hi")), "{name}");
    let request =
        HookRequest { method: "POST".into(), path: String::new(), query: None, headers: vec![], body: b"x".to_vec() };
    let handled = host.handle(&plugin, &caller, &trigger("hook"), &request).await.result.unwrap();
    assert_eq!((handled.status, handled.events.len(), handled.body), (202, 1, b"x".to_vec()), "{name}");
    let found = host.poll(&plugin, &caller, &trigger("look"), None).await.result.unwrap();
    assert_eq!((found.cursor.as_ref(), found.next_in_ms), (Some(&json!(1)), Some(1000)), "{name}");
    let again = host.poll(&plugin, &caller, &trigger("look"), found.cursor.as_ref()).await.result;
    assert!(matches!(again, Err(CallError::Fault(PluginFault::Retryable { .. }))), "{name}: {again:?}");
}

#[tokio::test]
async fn released_versions_still_run() {
    let host = host();
    let folder = repository().join("tests/plugins/compat");
    let released = fs::read_to_string(repository().join("wit/released.sha256")).unwrap();
    let versions: Vec<&str> = released
        .lines()
        .filter_map(|line| line.split_once("  chatboost-plugin@")?.1.split_once('/'))
        .map(|(version, _)| version)
        .collect();
    assert!(versions.contains(&"0.1.0"));
    for version in versions.into_iter().collect::<std::collections::BTreeSet<_>>() {
        assert!(plugin_host::CONTRACTS.contains(&version), "{version} was released and is not served");
        let path: &Path = &folder.join(format!("{version}.wasm"));
        let component = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        calls_everything(&host, version, component).await;
    }
    calls_everything(&host, "as it is now", guest("compat")).await;
}

#[tokio::test]
async fn a_component_in_python_runs_where_the_operator_allows_wasi() {
    let component = built("python", "tests/plugins/python/build");
    // Without leave it is refused before anything is compiled.
    let refusal = host().examine(component.clone().into(), &examination()).await;
    let Err(ExamineError::Refused(findings)) = refusal else { panic!("{refusal:?}") };
    assert!(
        findings.iter().any(|finding| finding.code == "wasi" && finding.severity == Severity::Refusal),
        "{findings:?}"
    );

    // An interpreter takes more than a plugin of ours.
    let limits = Limits { cpu_ms: 10_000, memory_bytes: 128 << 20, table_elements: 100_000, ..Limits::usual() };
    let host = host_with(plugin_host::HostSettings { limits_max: limits, allows_wasi: true, ..settings() });
    let plugin = load(&host, component).await;
    let caller = plugin_host::Caller { limits, ..plain_caller() };
    let manifest = host.describe(&plugin, &caller).await.result.unwrap();
    assert_eq!(manifest.name, "python-words");
    let mut call = entering("words", json!({ "store_in": "words" }));
    call.context = json!({ "message": { "type": "text", "text": "one two  three" } });
    let called = host.node(&plugin, &caller, &call).await;
    let step = called.result.unwrap();
    assert_eq!(step.outcome, NodeOutcome::Next { exit: "counted".into() });
    assert_eq!(step.actions.variables["state.words"], 3);
    assert_eq!(called.logs[0].message, "3 words");
    call.config = json!({ "store_in": "" });
    let fault = host.node(&plugin, &caller, &call).await.result.unwrap_err();
    assert!(matches!(&fault, CallError::Fault(PluginFault::InvalidConfig { pointer, .. }) if pointer == "/store_in"));
}
