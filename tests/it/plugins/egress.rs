//! What plugins cannot reach, through the whole path: granted, and refused all the same.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use serde_json::{Value, json};
use server::{config::EgressRule, egress::Names};
use tests::{TestDatabase, guest};

use super::{Workshop, ok, open, serve, serve_at, settings, upload};

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

/// A name server that says something else each time.
#[derive(Debug, Default)]
struct Fickle {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Fickle {
    /// What it says to the next questions, and nothing more.
    fn says(&self, answers: &[&[&str]]) {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        *self.answers.lock().unwrap() = answers.iter().map(parse).collect();
        self.asked.lock().unwrap().clear();
    }

    /// How often it was asked since.
    fn times(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait::async_trait]
impl Names for Fickle {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        self.answers.lock().unwrap().pop_front().ok_or_else(|| std::io::Error::other("asked too often"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_its_answer_leads_to_no_internal_address() {
    // 127.0.0.2 stands for the internet: all else of this machine is internal.
    const OUTSIDE: &str = "127.0.0.2";
    let names = Arc::new(Fickle::default());
    let shop = Workshop::with(TestDatabase::sqlite(), |config| {
        settings(config);
        config.egress.allow = vec![EgressRule::Net("127.0.0.2/32".parse().unwrap())];
        config.egress.names = names.clone();
    })
    .await;
    upload(&shop.api, guest("trigger")).await;
    let (port, inside) = serve(Arc::new(|_| ok("[]"))).await;
    let (_, outside) = serve_at(
        &format!("{OUTSIDE}:{port}"),
        Arc::new(move |asked: &str| match asked.split(' ').nth(1) {
            Some("/moved") => redirect(&format!("http://rebind.example.com:{port}/")),
            _ => ok("[]"),
        }),
    )
    .await;
    let host = format!("rebind.example.com:{port}");
    let reached = || (inside.lock().unwrap().len(), outside.lock().unwrap().len());

    // What was checked is what is connected to: the name is asked for once, so that nothing can change in between.
    names.says(&[&[OUTSIDE], &["127.0.0.1"]]);
    let answer = fetch(&shop, &host, &format!("http://{host}/")).await;
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!((reached(), names.times()), ((0, 1), 1));
    // The next request asks again, and is refused.
    let answer = fetch(&shop, &host, &format!("http://{host}/")).await;
    assert!(sentence(&answer).contains("rebind.example.com is not a public address"), "{answer}");
    assert_eq!((reached(), names.times()), ((0, 1), 2));
    // So it is between the hops of a redirect.
    names.says(&[&[OUTSIDE], &["127.0.0.1"]]);
    let answer = fetch(&shop, &host, &format!("http://{host}/moved")).await;
    assert!(sentence(&answer).contains("not a public address"), "{answer}");
    assert_eq!((reached(), names.times()), ((0, 2), 2));
    // Among several addresses those inside are passed over.
    names.says(&[&["127.0.0.1", "169.254.169.254", "::1", OUTSIDE]]);
    let answer = fetch(&shop, &host, &format!("http://{host}/")).await;
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(reached(), (0, 3));
    for address in
        ["169.254.169.254", "10.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00:ec2::254"]
    {
        names.says(&[&[address]]);
        let answer = fetch(&shop, &host, &format!("http://{host}/")).await;
        assert!(sentence(&answer).contains("not a public address"), "{address}: {answer}");
    }
    assert_eq!(reached(), (0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_say_where_a_message_goes_or_ends_are_not_the_plugins() {
    let shop = Workshop::with(TestDatabase::sqlite(), open).await;
    upload(&shop.api, guest("http-lookup")).await;
    let (port, asked) = serve(Arc::new(|_| ok("{}"))).await;
    let host = format!("127.0.0.1:{port}");
    shop.grant("http-lookup", json!({ "http": [{ "host": host }] })).await;
    let look_up = async |headers: Value| {
        let config = json!({ "url": format!("http://{host}/"), "headers": headers });
        let trial = json!({ "node": "lookup", "config": config, "bot_id": shop.bot, "allow_http": true });
        shop.api.post("/plugins/http-lookup/versions/0.1.0/try", trial).await
    };
    for name in [
        "Host",
        "host",
        "HOST",
        "hOsT",
        "Transfer-Encoding",
        "content-length",
        "Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "X-Forwarded-Host",
        "Forwarded",
    ] {
        let answer = look_up(json!({ name: "internal.example.com" })).await;
        let said = format!("the header {} is set by the server alone", name.to_lowercase());
        assert!(sentence(&answer).contains(&said), "{name}: {answer}");
        assert!(answer["denials"][0].as_str().unwrap().contains(&said), "{name}: {answer}");
    }
    for name in [":authority", "Host ", " Host", "Host:", "X\r\nHost", ""] {
        let answer = look_up(json!({ name: "internal.example.com" })).await;
        assert!(sentence(&answer).contains("is no name of a header"), "{name:?}: {answer}");
    }
    for value in ["a\r\nHost: internal.example.com", "a\nHost: internal.example.com", "a\u{7f}"] {
        let answer = look_up(json!({ "x-harmless": value })).await;
        assert!(sentence(&answer).contains("the value of the header x-harmless cannot be sent"), "{value:?}: {answer}");
    }
    assert!(asked.lock().unwrap().is_empty(), "nothing of it has gone out");
    let answer = look_up(json!({ "X-Harmless": "1" })).await;
    assert!(answer["result"].is_object(), "{answer}");
    let sent = asked.lock().unwrap()[0].to_lowercase();
    let hosts: Vec<_> = sent.lines().filter(|line| line.starts_with("host:")).collect();
    assert_eq!(hosts, [format!("host: {host}")]);
    assert!(sent.contains("x-harmless: 1") && !sent.contains("internal.example.com"), "{sent}");
}
