//! What may become a plugin, and what is said about the rest.

use std::sync::Arc;

use plugin_host::{Examination, ExamineError, Examined, Host, Severity, StructureLimits};
use serde_json::{Value, json};

use crate::{
    guests::{Guest, manifest, wit, wrap, wrap_for},
    world::{host, limits, read_manifest},
};

fn examination() -> Examination {
    Examination {
        tenant: 1,
        bytes_max: 64 << 20,
        structure: StructureLimits::usual(),
        limits: limits(),
        previous: None,
    }
}

async fn examine(host: &Host, component: Vec<u8>) -> Result<Examined, ExamineError> {
    host.examine(component.into(), &examination()).await
}

/// Refused, with this code, and this word in the sentence.
async fn refused(host: &Host, component: Vec<u8>, code: &str, word: &str) {
    match examine(host, component).await {
        Err(ExamineError::Refused(findings)) => {
            let found = findings.iter().any(|finding| finding.code == code && finding.message.contains(word));
            assert!(found, "{code} {word}: {findings:#?}");
        }
        other => panic!("it should be refused as {code}: {other:?}"),
    }
}

fn saying(change: impl Fn(&mut Value)) -> Guest {
    let mut says = manifest(&json!({}));
    change(&mut says);
    Guest { manifest: says.to_string(), ..Guest::decent() }
}

#[tokio::test]
async fn a_decent_component_is_reported_in_full() {
    let host = host();
    let mut guest = saying(|manifest| {
        manifest["nodes"][0]["examples"] = json!([{ "name": "goes on", "config": {}, "expect": "done" }]);
        manifest["triggers"][0]["examples"] = json!([{ "name": "sees", "input": { "type": "text" }, "expect": true }]);
        manifest["triggers"][1]["examples"] = json!([{ "name": "answers", "input": { "body": {} }, "expect": 200 }]);
        manifest["triggers"][2]["examples"] = json!([{ "name": "looks", "input": 5, "expect": 0 }]);
        manifest["capabilities"] = json!({ "log": true });
    })
    .importing(&["log"]);
    let line = guest.text("here");
    guest.execute = format!("(call $log (i32.const 1) {line} (i32.const 0) (i32.const 0) (i32.const 0)) (call $next)");
    let component = guest.component();
    let mut wanted = examination();
    let mut before = manifest(&json!({ "clock": true }));
    before["version"] = "0.9.0".into();
    before["nodes"][0]["exits"] = json!([{ "name": "done" }, { "name": "late" }]);
    wanted.previous = Some(read_manifest(before));
    let Examined { report, manifest, loaded } = host.examine(component.clone().into(), &wanted).await.unwrap();
    assert_eq!(report.digest, plugin_host::digest_of(&component));
    assert_eq!((report.bytes, report.contract.as_str(), manifest.name.as_str()), (component.len(), "0.1.0", "sample"));
    assert_eq!(
        (report.imports, report.exports),
        (vec!["log".to_owned()], vec!["manifest".into(), "node".into(), "trigger".into()])
    );
    assert!(report.is_deterministic && report.code_bytes > 0 && report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.examples.len(), 4);
    assert_eq!((report.examples[0].result.as_str(), report.examples[0].logs.len()), ("done", 1));
    for example in &report.examples {
        assert!(example.cost.instructions.is_some_and(|count| count > 0), "{example:?}");
        assert_eq!(example.cost.peak_memory_bytes, 2 << 16);
    }
    let changes: Vec<_> = report.changes.iter().map(|change| (change.is_breaking, change.message.as_str())).collect();
    assert_eq!(
        changes,
        [
            (true, "step: the exit late is gone"),
            (true, "it wants `log`, which owners of bots have to grant"),
            (false, "it no longer wants `clock`"),
        ]
    );
    assert!(loaded.has_nodes() && loaded.has_triggers());
}

#[tokio::test]
async fn what_is_no_component_is_told_by_name() {
    let host = host();
    let decent = Guest::decent().component();
    let module = wat::parse_str("(module)").unwrap();
    let code = wasmtime::Engine::default().precompile_component(&wat::parse_str("(component)").unwrap()).unwrap();
    for (file, code, word) in [
        (Vec::new(), "empty", "empty"),
        (module, "core_module", "chatboost plugin build"),
        (b"(component)".to_vec(), "text_format", "as text"),
        (b" \n;; a comment\n(component)".to_vec(), "text_format", "as text"),
        (code, "precompiled", "machine code"),
        (b"\x7fELF\x02\x01\x01".to_vec(), "precompiled", "machine code"),
        (b"\0as".to_vec(), "truncated", "ends in the middle"),
        (b"\0asm\x0d\0".to_vec(), "truncated", "ends in the middle"),
        (decent[..decent.len() - 1].to_vec(), "truncated", "ends in the middle"),
        (decent[..decent.len() / 2].to_vec(), "truncated", "ends in the middle"),
        (b"\0asm\x07\0\x01\0".to_vec(), "unknown_version", "nobody speaks"),
        (b"PK\x03\x04".to_vec(), "not_wasm", "no WebAssembly"),
        (vec![0; 65 << 20], "too_large", "may have 67108864"),
    ] {
        refused(&host, file, code, word).await;
    }
    // The text inside a component is damaged.
    let mut damaged = decent;
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0xff);
    assert!(examine(&host, damaged).await.is_err());
}

#[tokio::test]
async fn what_does_not_fit_the_contract_is_told_item_by_item() {
    let host = host();
    let empty = wat::parse_str("(component)").unwrap();
    refused(&host, empty.clone(), "missing_export", "chatboost:plugin/manifest@0.1.0").await;
    refused(&host, empty, "missing_export", "neither").await;
    let stranger = r#"(component (import "evil:files/read@1.0.0" (instance (export "all" (func)))) (import "wasi:cli/environment@0.2.0" (instance)))"#;
    let stranger = wat::parse_str(stranger).unwrap();
    refused(&host, stranger.clone(), "unknown_import", "evil:files/read@1.0.0").await;
    refused(&host, stranger.clone(), "wasi", "PLUGIN_WASI").await;
    refused(&host, stranger, "missing_export", "manifest").await;
    let unknown = r#"(component (import "chatboost:plugin/shell@0.1.0" (instance (export "run" (func)))))"#;
    refused(&host, wat::parse_str(unknown).unwrap(), "unknown_import", "shell").await;

    // A later version of the contract.
    let module = Guest::decent().module_text().replace("@0.1.0#", "@0.2.0#");
    let later = wrap_for(&wat::parse_str(module).unwrap(), &wit().replace("0.1.0", "0.2.0"));
    refused(&host, later, "wrong_version", "version 0.2.0 of the contract; this server serves 0.1.0").await;

    // The right names with another type.
    let text = r#"(component
        (core module $m (func (export "describe") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $describe (result u32) (canon lift (core func $i "describe")))
        (instance $manifest (export "describe" (func $describe)))
        (export "chatboost:plugin/manifest@0.1.0" (instance $manifest))
        (export "chatboost:plugin/node@0.1.0" (instance $manifest)))"#;
    refused(&host, wat::parse_str(text).unwrap(), "wrong_type", "does not fit the contract").await;
}

#[tokio::test]
async fn features_that_plugins_do_not_have_are_refused() {
    let host = host();
    for items in [
        "(memory 1 2 shared)",
        "(memory i64 1)",
        "(memory 1) (memory 1)",
        "(tag)",
        "(type (struct (field i32)))",
        "(func (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0))))",
    ] {
        let component = wat::parse_str(format!("(component (core module {items}))")).unwrap();
        match examine(&host, component).await {
            Err(ExamineError::Refused(findings)) => {
                assert!(
                    ["unsupported_feature", "invalid"].contains(&findings[0].code.as_str()),
                    "{items}: {findings:?}"
                );
            }
            other => panic!("{items}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn bombs_are_refused_before_they_are_compiled() {
    let host = host();
    let functions = "(func)".repeat(100_000);
    let component = wat::parse_str(format!("(component (core module {functions}))")).unwrap();
    refused(&host, component, "too_complex", "100000 functions").await;

    let body = "(nop)".repeat(2 << 20);
    let component = wat::parse_str(format!("(component (core module (func {body})))")).unwrap();
    refused(&host, component, "function_too_large", "may have 1048576").await;

    let segments = r#"(data (i32.const 0) "")"#.repeat(30_000);
    let component = wat::parse_str(format!("(component (core module (memory 1) {segments}))")).unwrap();
    refused(&host, component, "too_complex", "30000 segments").await;

    let nested = "(component ".repeat(20) + &")".repeat(20);
    refused(&host, wat::parse_str(nested).unwrap(), "too_complex", "levels").await;

    let modules = "(core module)".repeat(200);
    refused(&host, wat::parse_str(format!("(component {modules})")).unwrap(), "too_complex", "modules").await;

    // A few bytes that want memory and tables without end.
    let guest = Guest { pages: 5_000, ..Guest::decent() };
    refused(&host, guest.component(), "too_much_memory", "327680000 bytes of memory").await;
    let guest = Guest { items: "(table 1000000 funcref)".into(), ..Guest::decent() };
    refused(&host, guest.component(), "too_much_table", "1000000 elements").await;
}

#[tokio::test]
async fn describe_answers_and_answers_the_same() {
    let host = host();
    let looping = Guest { describe: "(loop $on (br $on)) (unreachable)".into(), ..Guest::decent() };
    refused(&host, looping.component(), "describe_failed", "processor time").await;
    let starting = Guest { start: Some("(loop $on (br $on))".into()), ..Guest::decent() };
    refused(&host, starting.component(), "describe_failed", "processor time").await;
    let trapping = Guest { describe: "(unreachable)".into(), ..Guest::decent() };
    refused(&host, trapping.component(), "describe_failed", "panicked").await;
    let nonsense = Guest { manifest: "[1]".into(), ..Guest::decent() };
    refused(&host, nonsense.component(), "describe_failed", "`manifest` is not what it should be").await;
    let curious =
        Guest { describe: "(drop (call $clock)) (i32.const 1024)".into(), ..Guest::decent() }.importing(&["clock"]);
    refused(&host, curious.component(), "describe_failed", "may use no import but `log`").await;
}

#[tokio::test]
async fn faults_of_the_manifest_come_all_at_once_with_their_places() {
    let host = host();
    let guest = saying(|manifest| {
        manifest["name"] = "Not Kebab".into();
        manifest["version"] = "1".into();
        manifest["title"] = "".into();
        manifest["nodes"][0]["exits"] = json!([{ "name": "error" }, { "name": "Bad" }, { "name": "Bad" }]);
        manifest["nodes"][0]["config_schema"] = json!({ "type": "objekt" });
        manifest["triggers"][0]["config_schema"] = json!({ "properties": { "n": { "type": "integer" }, "exits": {} } });
        manifest["triggers"][0]["examples"] = json!([{ "name": "", "config": { "n": "x" } }]);
        manifest["triggers"][0]["interval_seconds"] = 5.into();
        manifest["capabilities"] = json!({
            "http": [{ "host": "https://x.test", "methods": ["get"] }],
            "secrets": [{ "name": "lower" }, { "name": "A" }, { "name": "A" }],
            "config": [{ "key": "Not-Snake" }],
        });
    });
    let guest = guest.importing(&["clock"]);
    let guest = Guest { execute: "(drop (call $clock)) (call $next)".into(), ..guest };
    let Err(ExamineError::Refused(findings)) = examine(&host, guest.component()).await else { panic!("refused") };
    let places: Vec<_> = findings.iter().filter_map(|finding| finding.at.as_deref()).collect();
    for at in [
        "/name",
        "/version",
        "/title",
        "/nodes/0/exits/0/name",
        "/nodes/0/exits/1/name",
        "/nodes/0/exits/2",
        "/nodes/0/config_schema",
        "/triggers/0/config_schema",
        "/triggers/0/examples/0/name",
        "/triggers/0/examples/0/config/n",
        "/triggers/0/interval_seconds",
        "/capabilities/http/0/host",
        "/capabilities/http/0/methods/0",
        "/capabilities/secrets/0/name",
        "/capabilities/secrets/2",
        "/capabilities/config/0/key",
        "/capabilities/clock",
    ] {
        assert!(places.contains(&at), "{at}: {places:?}");
    }
    assert!(findings.iter().all(|finding| finding.severity == Severity::Refusal));
}

#[tokio::test]
async fn examples_are_run_and_must_keep_their_word() {
    let host = host();
    let with = |example: Value| saying(move |manifest| manifest["nodes"][0]["examples"] = json!([example]));
    let expects = with(json!({ "name": "late", "expect": "late" }));
    refused(&host, expects.component(), "example_failed", r#"should give "late", and gives "done""#).await;
    let crashes = Guest { execute: "(unreachable)".into(), ..with(json!({ "name": "any" })) };
    refused(&host, crashes.component(), "example_failed", "panicked").await;
    let mut strays = with(json!({ "name": "any" }));
    let exit = strays.text("nowhere");
    strays.execute = format!("(call $exit {exit})");
    refused(&host, strays.component(), "unknown_exit", "nowhere").await;
}

#[tokio::test]
async fn a_hostile_upload_leaves_the_host_as_it_was() {
    let host = host();
    for _ in 0..3 {
        let looping = Guest { describe: "(loop $on (br $on)) (unreachable)".into(), ..Guest::decent() };
        assert!(examine(&host, looping.component()).await.is_err());
        assert!(examine(&host, wrap(&wat::parse_str(Guest::decent().module_text()).unwrap())).await.is_ok());
    }
    assert_eq!((host.load_now().running, host.open_circuits().len()), (0, 0));
    let _: Arc<Host> = host;
}
