//! What plugins cannot reach, through the whole path: granted, and refused all the same.

use std::{sync::Arc, time::Instant};

use serde_json::{Value, json};
use tests::{TestDatabase, guest};

use super::{Workshop, ok, open, serve, settings, upload};

/// Lets the poller of the example fetch an address, with this host granted.
async fn fetch(shop: &Workshop, host: &str, url: &str) -> Value {
    shop.grant("trigger", json!({ "http": [{ "host": host }] })).await;
    let trial = json!({ "trigger": "feed", "config": { "url": url }, "bot_id": shop.bot, "allow_http": true });
    shop.api.post("/plugins/trigger/versions/0.1.0/try", trial).await
}

fn sentence(answer: &Value) -> &str {
    answer["fault"]["message"].as_str().unwrap_or_else(|| panic!("no fault: {answer}"))
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_addresses_are_refused_in_every_spelling_even_when_granted() {
    let shop = Workshop::with(TestDatabase::sqlite(), settings).await;
    upload(&shop.api, guest("trigger")).await;
    let (port, asked) = serve(Arc::new(|_| ok("[]"))).await;
    for (host, url) in [
        (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/")),
        (format!("127.0.0.1:{port}"), format!("http://2130706433:{port}/")),
        (format!("127.0.0.1:{port}"), format!("http://0x7f.1:{port}/")),
        (format!("[::ffff:127.0.0.1]:{port}"), format!("http://[::ffff:127.0.0.1]:{port}/")),
        (format!("[::1]:{port}"), format!("http://[::1]:{port}/")),
        (format!("[64:ff9b::7f00:1]:{port}"), format!("http://[64:ff9b::7f00:1]:{port}/")),
        ("169.254.169.254".into(), "http://169.254.169.254/latest/meta-data".into()),
        ("[fd00:ec2::254]".into(), "http://[fd00:ec2::254]/".into()),
        (format!("localhost:{port}"), format!("http://localhost:{port}/")),
        (format!("localhost:{port}"), format!("http://LOCALHOST.:{port}/")),
    ] {
        let answer = fetch(&shop, &host, &url).await;
        assert!(sentence(&answer).contains("not a public address"), "{url}: {answer}");
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hop_of_a_redirect_is_granted_and_public() {
    let shop = Workshop::with(TestDatabase::sqlite(), open).await;
    upload(&shop.api, guest("trigger")).await;
    let (inner, inner_asked) = serve(Arc::new(|_| ok("[]"))).await;
    let target = format!("http://127.0.0.1:{inner}/secret");
    let (port, _) = serve(Arc::new(move |asked: &str| match asked.split(' ').nth(1) {
        Some("/granted-nowhere") => redirect(&target),
        Some("/metadata") => redirect("http://169.254.169.254/latest/meta-data"),
        Some("/mapped") => redirect("http://[::ffff:169.254.169.254]/"),
        Some("/file") => redirect("file:///etc/passwd"),
        Some("/round") => redirect("/round"),
        Some("/moved") => redirect("/feed"),
        _ => ok("[]"),
    }))
    .await;
    let host = format!("127.0.0.1:{port}");
    let url = |path: &str| format!("http://{host}{path}");
    let ungranted = fetch(&shop, &host, &url("/granted-nowhere")).await;
    assert!(sentence(&ungranted).contains("the grant for this bot lacks `http`"), "{ungranted}");
    assert!(inner_asked.lock().unwrap().is_empty());
    // Granted as well, it is still no public address.
    let all =
        json!({ "http": [{ "host": &host }, { "host": "169.254.169.254" }, { "host": "[::ffff:169.254.169.254]" }] });
    shop.grant("trigger", all).await;
    for path in ["/metadata", "/mapped"] {
        let trial =
            json!({ "trigger": "feed", "config": { "url": url(path) }, "bot_id": shop.bot, "allow_http": true });
        let answer = shop.api.post("/plugins/trigger/versions/0.1.0/try", trial).await;
        assert!(sentence(&answer).contains("not a public address"), "{path}: {answer}");
    }
    assert!(fetch(&shop, &host, &url("/file")).await["fault"].is_object());
    assert!(fetch(&shop, &host, &url("/round")).await["fault"].is_object());
    assert!(fetch(&shop, &host, &url("/moved")).await["result"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_or_too_slow_is_cut_off() {
    use tokio::io::AsyncWriteExt;
    let shop = Workshop::with(TestDatabase::sqlite(), |config| {
        open(config);
        config.plugins.limits.http_bytes = 100_000;
        config.plugins.limits.http_timeout_ms = 500;
    })
    .await;
    upload(&shop.api, guest("trigger")).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let written = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = written.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                let n = tokio::io::AsyncReadExt::read(&mut socket, &mut asked).await.unwrap_or(0);
                let is_slow = String::from_utf8_lossy(&asked[..n]).contains("/slow");
                // A gigabyte is announced to nobody: it just keeps coming.
                let head: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                if socket.write_all(head).await.is_err() {
                    return;
                }
                let chunk = vec![b'x'; 64 * 1024];
                for _ in 0..16 * 1024 {
                    if is_slow {
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                    let part: &[u8] = if is_slow { b"x" } else { &chunk };
                    if socket.write_all(part).await.is_err() {
                        return;
                    }
                    count.fetch_add(part.len(), std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    let large = fetch(&shop, &host, &format!("http://{host}/large")).await;
    assert!(large["fault"].is_object(), "{large}");
    assert!(written.load(std::sync::atomic::Ordering::Relaxed) < 100_000_000, "the answer is not read to its end");
    let begun = Instant::now();
    let slow = fetch(&shop, &host, &format!("http://{host}/slow")).await;
    assert!(slow["fault"].is_object(), "{slow}");
    assert!(begun.elapsed().as_secs() < 20, "a slow answer is given up");
    shop.api.get("/plugins").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_goes_where_it_is_bound_to_and_shows_nowhere() {
    let shop = Workshop::with(TestDatabase::sqlite(), open).await;
    upload(&shop.api, guest("llm-reply")).await;
    let manifest = shop.api.get("/plugins/llm-reply").await["newest_version"]["manifest"].clone();
    let secret = manifest["capabilities"]["secrets"][0]["name"].as_str().unwrap().to_owned();
    let (port, asked) = serve(Arc::new(|_| {
        ok(r#"{"choices": [{"message": {"role": "assistant", "content": "your key is hunter2-hunter2"}}], "usage": {"total_tokens": 1}}"#)
    }))
    .await;
    let host = format!("127.0.0.1:{port}");
    shop.api
        .put(&format!("/plugins/llm-reply/secrets/{}/{secret}", shop.bot), json!({ "value": "hunter2-hunter2" }))
        .await;
    let node = manifest["nodes"][0]["type"].as_str().unwrap().to_owned();
    let trial = json!({
        "node": node, "config": { "base_url": format!("http://{host}/v1"), "model": "m", "store_in": "state.answer" },
        "cause": { "kind": "input", "value": { "type": "text", "text": "hi" } }, "bot_id": shop.bot, "allow_http": true,
    });
    let bind = async |hosts: Value| {
        shop.grant(
            "llm-reply",
            json!({ "http": [{ "host": &host }], "secrets": [{ "name": &secret, "hosts": hosts }] }),
        )
        .await;
        shop.api.post("/plugins/llm-reply/versions/0.1.0/try", trial.clone()).await
    };
    // To a host that it is not bound to, nothing is sent.
    let elsewhere = bind(json!(["api.example.com"])).await;
    assert!(asked.lock().unwrap().is_empty() && elsewhere["fault"].is_object(), "{elsewhere}");
    let said = bind(json!([&host])).await.to_string();
    let sent = asked.lock().unwrap().clone();
    assert!(sent.len() == 1 && sent[0].contains("hunter2-hunter2"), "{sent:?} {said}");
    assert!(!said.contains("hunter2-hunter2"), "an answer that repeats it is cleaned: {said}");
    for path in ["/plugins/llm-reply/logs", "/plugins/llm-reply", "/plugins/llm-reply/metrics"] {
        assert!(!shop.api.send(tests::Method::GET, path, None).await.text.contains("hunter2"), "{path}");
    }
}
