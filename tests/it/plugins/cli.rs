//! `chatboost plugin publish` and `logs`, against a server.

use std::process::Output;

use serde_json::json;
use tests::{TestDatabase, guest};
use tokio::process::Command;

use super::{Workshop, open};

/// Runs the program, with the server and key that its variables name.
async fn chatboost(server: &str, key: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatboost-under-test"));
    command.arg("plugin").args(arguments).env_clear();
    command.env("CHATBOOST_URL", server).env("CHATBOOST_API_KEY", key);
    command.output().await.unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn complained(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_published_and_its_log_is_read() {
    let shop = Workshop::with(TestDatabase::sqlite(), open).await;
    let server = shop.app.running().base_url();
    let key = shop.api.post("/auth/api-keys", json!({ "name": "cli" })).await["key"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let errands = path("errands.wasm", &guest("errands"));
    let published = said(&chatboost(&server, &key, &["publish", &errands]).await);
    assert!(published.starts_with("errands 0.1.0: ") && published.contains("\n  imports      "), "{published}");
    assert!(published.ends_with(&format!("Published errands 0.1.0 to {server}.\n")), "{published}");
    assert_eq!(shop.api.get("/plugins/errands").await["newest"], "0.1.0");
    assert_eq!(said(&chatboost(&server, &key, &["logs", "errands"]).await), "errands has logged nothing.\n");

    let pin = shop.api.get("/plugins/errands/versions/0.1.0").await;
    let pin = domain::plugin::PluginPin {
        name: "errands".into(),
        version: "0.1.0".into(),
        digest: pin["digest"].as_str().unwrap().into(),
    };
    shop.run(&pin, "whim", json!({ "what": "panic" }), "1-1").await;
    shop.app.running().app().plugins.flush().await.unwrap();
    let log = said(&chatboost(&server, &key, &["logs", "errands"]).await);
    assert!(log.contains(" error 0.1.0 panicked at ") && log.contains("\nas told\n"), "{log}");
    // The server's finding, with what only the plugin's owner sees.
    assert!(log.contains(" error 0.1.0 the plugin panicked\n    {\"kind\":\"trapped\"}\n    panicked at "), "{log}");
    assert!(log.contains("errands::Whim as chatboost_sdk::node::Node>::execute"), "{log}");

    // What goes wrong says so, and what to do.
    let wrong = complained(&chatboost(&server, "cb_wrong", &["publish", &errands]).await);
    assert!(wrong.starts_with("chatboost: 401 Unauthorized: "), "{wrong}");
    let none = complained(&chatboost(&server, " ", &["logs", "errands"]).await);
    assert_eq!(none, "chatboost: CHATBOOST_API_KEY (or --key) lacks its value; POST /auth/api-keys makes one\n");
    let gone = complained(&chatboost("http://127.0.0.1:1", &key, &["publish", &errands]).await);
    assert!(gone.starts_with("chatboost: http://127.0.0.1:1 does not answer: Connection refused"), "{gone}");
    let nowhere = complained(&chatboost("localhost:8000", &key, &["publish", &errands]).await);
    assert!(nowhere.contains("`localhost:8000` is no address of a server"), "{nowhere}");
    let text = complained(&chatboost(&server, &key, &["publish", &path("text.wasm", b"(module)")]).await);
    assert!(text.starts_with("chatboost: 422 ") && text.contains("(text_format)"), "{text}");
    let missing = complained(&chatboost(&server, &key, &["publish", "nothing.wasm"]).await);
    assert_eq!(missing, "chatboost: nothing.wasm: there is no such file\n");
    let other = path("other.wasm", &tests::guest_version("errands", "0.1.1"));
    said(&chatboost(&server, &key, &["publish", &other]).await);
    let unknown = complained(&chatboost(&server, &key, &["logs", "nobody"]).await);
    assert!(unknown.starts_with("chatboost: 404 Not Found: "), "{unknown}");
}
