//! `POST /plugins`

use std::sync::Arc;

use serde_json::{Value, json};
use tests::{Method, TestDatabase, each_database, guest, guest_version};

use super::{Workshop, hello, open, step, try_upload, upload};

/// A form with a file.
fn form(field: &str, file: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "--XX\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--XX\r\ncontent-disposition: form-data; \
         name=\"{field}\"; filename=\"p.wasm\"\r\ncontent-type: application/wasm\r\n\r\n"
    );
    let body = [head.as_bytes(), file, b"\r\n--XX--\r\n"].concat();
    ("multipart/form-data; boundary=XX".into(), body)
}

each_database! {
    async fn an_upload_is_reported_and_usable_at_once(shop: Workshop) {
        let before = shop.api.get("/bots/nodes/types").await.as_array().unwrap().len();
        let uploaded = try_upload(&shop.api, guest("hello")).await.must_be(201);
        let (plugin, version) = (&uploaded["plugin"], &uploaded["version"]);
        assert_eq!((&plugin["name"], &plugin["newest"], &plugin["is_own"]), (&json!("hello"), &json!("0.1.0"), &json!(true)));
        assert_eq!((&version["manifest"]["title"], &version["is_enabled"]), (&json!("Hello"), &json!(true)));
        let report = &version["report"];
        assert_eq!((&report["contract"], &report["bytes"]), (&json!("0.1.0"), &json!(guest("hello").len())));
        assert!(report["compile_ms"].is_u64() && report["instantiate_us"].is_u64() && report["imports"].is_array());
        assert_eq!(shop.api.get("/plugins").await["total"], 1);
        assert_eq!(shop.api.get("/plugins/hello").await["newest_version"]["digest"], version["digest"]);
        assert_eq!(shop.api.get("/plugins/hello/versions/0.1.0").await["report"], *report);
        let types = shop.api.get("/bots/nodes/types").await;
        let types = types.as_array().unwrap();
        assert_eq!(types.len(), before + 1);
        let of_plugin = types.last().unwrap();
        assert_eq!((&of_plugin["type"], &of_plugin["exits"][0]["name"]), (&json!("hello/hello"), &json!("next")));
        assert!(of_plugin["config_schema"]["properties"]["greeting"].is_object(), "{of_plugin}");
        let compat = shop.api.get("/plugins/compat").await;
        assert_eq!(compat["contracts"], json!([{ "version": "0.1.0", "used_by": 1 }]));
    }

    async fn a_version_never_changes_and_the_same_again_is_no_other(shop: Workshop) {
        let pin = hello(&shop.api).await;
        let again = try_upload(&shop.api, guest("hello")).await.must_be(200);
        assert_eq!(again["version"]["digest"], json!(pin.digest));
        let mut other = guest("hello");
        let place = other.windows(5).position(|bytes| bytes == b"Greet").unwrap();
        other[place..place + 5].copy_from_slice(b"Meets");
        let conflict = try_upload(&shop.api, other).await.problem(409);
        assert!(conflict["detail"].as_str().unwrap().contains("raise the version"), "{conflict}");
        let newer = try_upload(&shop.api, guest_version("hello", "0.2.0")).await.must_be(201);
        assert_eq!(newer["plugin"]["newest"], "0.2.0");
        assert!(newer["version"]["report"]["changes"].is_array());
        let older = try_upload(&shop.api, guest_version("hello", "0.0.9")).await.must_be(201);
        let versions: Vec<_> = older["plugin"]["versions"].as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
        assert_eq!(versions, ["0.2.0", "0.1.0", "0.0.9"]);
        let (bob, ..) = shop.other("bob").await;
        let his = try_upload(&bob, guest("hello")).await.must_be(201);
        assert_eq!(his["version"]["digest"], json!(pin.digest), "what others have is nobody's business");
    }

    async fn a_form_does_as_well(shop: Workshop) {
        let (kind, body) = form("component", &guest("hello"));
        shop.api.send_raw(Method::POST, "/plugins", Some((&kind, body))).await.must_be(201);
        let (kind, body) = form("file", &guest("hello"));
        assert_eq!(shop.api.send_raw(Method::POST, "/plugins", Some((&kind, body))).await.faults(), ["/component"]);
        let broken = shop.api.send_raw(Method::POST, "/plugins", Some(("multipart/form-data; boundary=XX", b"--X".to_vec())));
        broken.await.problem(400);
        let none = shop.api.send_raw(Method::POST, "/plugins", Some(("multipart/form-data", b"x".to_vec())));
        none.await.problem(400);
    }
}

fn codes(problem: &Value) -> Vec<String> {
    let findings = problem["findings"].as_array().unwrap_or_else(|| panic!("no findings in {problem}"));
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_plugin_is_refused_with_every_reason_and_leaves_nothing() {
    let shop = Workshop::with(TestDatabase::sqlite(), open).await;
    let hello = guest("hello");
    let mut foreign = hello.clone();
    let place = foreign.windows(30).position(|bytes| bytes.starts_with(b"chatboost:plugin/log@0.1.0")).unwrap();
    foreign[place..place + 26].copy_from_slice(b"chatboost:plugin/lug@0.1.0");
    for (file, code) in [
        (Vec::new(), "empty"),
        (b"(component)".to_vec(), "text_format"),
        (b"\0asm\x01\0\0\0".to_vec(), "core_module"),
        (b"\x7fELF\x02\x01\x01".to_vec(), "precompiled"),
        (b"hello".to_vec(), "not_wasm"),
    ] {
        let problem = try_upload(&shop.api, file).await.problem(422);
        assert_eq!(codes(&problem), [code], "{problem}");
    }
    let truncated = try_upload(&shop.api, hello[..hello.len() / 2].to_vec()).await.problem(422);
    assert_eq!(codes(&truncated).len(), 1, "{truncated}");
    try_upload(&shop.api, foreign).await.problem(422);
    for kind in ["application/json", "application/octet-stream", "text/plain"] {
        shop.api.send_raw(Method::POST, "/plugins", Some((kind, hello.clone()))).await.problem(415);
    }
    shop.app.api().send_raw(Method::POST, "/plugins", Some(("application/wasm", hello))).await.problem(401);
    assert_eq!(shop.api.get("/plugins").await["total"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_not_read_to_its_end() {
    let shop = Workshop::with(TestDatabase::sqlite(), |config| {
        open(config);
        config.plugins.upload_bytes_max = 1024;
    })
    .await;
    try_upload(&shop.api, guest("hello")).await.problem(413);
    let (kind, body) = form("component", &guest("hello"));
    shop.api.send_raw(Method::POST, "/plugins", Some((&kind, body))).await.problem(413);
    assert_eq!(try_upload(&shop.api, vec![0; 1024]).await.status, 422, "just large enough");
}

/// Whoever compiles is a child, and it is asked once for each component, whatever happens afterwards.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_is_compiled_once_and_a_restart_compiles_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (script, count) = (folder.path().join("compiler"), folder.path().join("count"));
    let program = env!("CARGO_BIN_EXE_chatboost-under-test");
    std::fs::write(&script, format!("#!/bin/sh\nprintf x >> {}\nexec {program} \"$@\"\n", count.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let compiled = || std::fs::read(&count).map_or(0, |marks| marks.len());
    let (database, data_dir) = (TestDatabase::sqlite(), tempfile::tempdir().unwrap());
    let start = async || {
        let mut config = server::config::Config::for_testing(database.url());
        config.data_dir = data_dir.path().to_owned();
        config.plugins.compiler = Some(script.clone());
        server::running::Running::start(config, Arc::new(domain::SystemClock)).await.unwrap()
    };

    let server = start().await;
    let api = tests::Api::at(&server.base_url()).registered("ada").await;
    let (bot, contact) = super::bot(&api).await;
    let pin = upload(&api, guest("hello")).await;
    let for_the_upload = compiled();
    assert!((1..=2).contains(&for_the_upload), "for use, and once more to count instructions");
    let run = async |server: &server::running::Running| {
        let effect = domain::plugin::PluginEffect {
            plugin: pin.clone(),
            node_type: "hello".into(),
            config: json!({ "greeting": "Hi" }),
            context: json!({ "contact": { "first_name": "Eve" } }),
            state: None,
            cause: domain::plugin::NodeCause::Enter,
            retries: 0,
            idempotency_key: "1-1".into(),
        };
        step(server.app().plugins.run_node(domain::BotId(bot), domain::ContactId(contact), &effect).await)
    };
    assert_eq!(run(&server).await.actions.messages[0].content, json!({ "body": "Hi Eve!" }));
    server.shut_down().await;

    let server = start().await;
    let (one, two) = tokio::join!(run(&server), run(&server));
    assert_eq!(one, two);
    assert_eq!(compiled(), for_the_upload, "what is on disk is not compiled again");
    server.shut_down().await;

    std::fs::remove_dir_all(data_dir.path().join("plugins")).unwrap();
    let server = start().await;
    assert_eq!(compiled(), for_the_upload, "nothing is loaded before it is needed");
    tokio::join!(run(&server), run(&server), run(&server));
    assert_eq!(compiled(), for_the_upload + 1, "those who come at once wait for one compilation");
    server.shut_down().await;
}
