//! What guests reach through their imports, and what they do not.

use std::sync::Arc;

use domain::plugin::FailureKind;
use plugin_host::{Caller, ExchangeError, Host, Limits, Reply};
use serde_json::{Value, json};

use crate::{
    guests::Guest,
    world::{World, caller, effect, failure, host, limits, load, plain_caller},
};

/// Makes a request and leaves by an exit that says what came of it: `done`, or the error's case and sentence.
struct Request {
    method: &'static str,
    url: &'static str,
    headers: Vec<(String, String)>,
    body: Option<String>,
    /// The placeholder of this secret stands wherever the guest wrote `$`: at most one place.
    secret: Option<&'static str>,
}

fn get(url: &'static str) -> Request {
    Request { method: "GET", url, headers: Vec::new(), body: None, secret: None }
}

impl Request {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The guest: builds the list of headers at 8000, the texts at 9000 and following, and sends.
    fn guest(&self) -> Guest {
        let mut guest = Guest::decent().importing(&["http", "placeholder"]);
        let mut body = String::new();
        let mut at = 20_000;
        let mut place = |text: &str, body: &mut String| -> (usize, usize) {
            let start = at;
            let (before, after) = text.split_once('$').unwrap_or((text, ""));
            for byte in before.bytes() {
                body.push_str(&format!("(i32.store8 (i32.const {at}) (i32.const {byte}))"));
                at += 1;
            }
            if text.contains('$') {
                // A placeholder has 49 bytes.
                body.push_str(&format!("(memory.copy (i32.const {at}) (call $ok_at) (i32.const 49))"));
                at += 49;
            }
            for byte in after.bytes() {
                body.push_str(&format!("(i32.store8 (i32.const {at}) (i32.const {byte}))"));
                at += 1;
            }
            (start, at - start)
        };
        if let Some(secret) = self.secret {
            let name = guest.text(secret);
            body.push_str(&format!("(call $placeholder {name} (i32.const 512))"));
            body.push_str("(if (i32.load8_u (i32.const 512)) (then (unreachable)))");
        }
        let method = place(self.method, &mut body);
        let url = place(self.url, &mut body);
        let pairs: Vec<_> =
            self.headers.iter().map(|(name, value)| (place(name, &mut body), place(value, &mut body))).collect();
        for (index, ((name, name_length), (value, value_length))) in pairs.iter().enumerate() {
            for (offset, word) in [name, name_length, value, value_length].into_iter().enumerate() {
                body.push_str(&format!(
                    "(i32.store (i32.const {}) (i32.const {word}))",
                    19_000 + index * 16 + offset * 4
                ));
            }
        }
        let payload = self.body.as_ref().map(|text| place(text, &mut body));
        let (has_body, (payload, payload_length)) = (i32::from(payload.is_some()), payload.unwrap_or((0, 0)));
        body.push_str(&format!(
            "(call $http (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 19000) (i32.const {})
                (i32.const {has_body}) (i32.const {payload}) (i32.const {payload_length})
                (i32.const 0) (i32.const 0) (i32.const 640))",
            method.0,
            method.1,
            url.0,
            url.1,
            pairs.len()
        ));
        // A result: case at 640; an answer's body at 656, an error's case at 648 and its sentence at 656.
        body.push_str(
            "(if (result i32) (i32.load8_u (i32.const 640))
                (then (if (result i32) (i32.or (i32.lt_u (i32.load8_u (i32.const 648)) (i32.const 3)) (i32.eq (i32.load8_u (i32.const 648)) (i32.const 5)))
                    (then (call $fault (i32.load (i32.const 656)) (i32.load (i32.const 660))))
                    (else (call $fault (i32.const 1088) (i32.const 4)))))
                (else (call $sees (i32.load (i32.const 660)) (i32.load (i32.const 664)))))",
        );
        // The answer's body as the sentence of a failed step, if it is not empty.
        guest.items = "(func $sees (param $at i32) (param $length i32) (result i32)
            (drop (call $next))
            (if (local.get $length) (then
                (i32.store8 (i32.const 264) (i32.const 5))
                (i32.store (i32.const 272) (local.get $at))
                (i32.store (i32.const 276) (local.get $length))))
            (i32.const 256))"
            .into();
        guest.execute = body;
        guest
    }
}

/// What the guest was told: the body of the answer, or the sentence of the error.
async fn told(host: &Host, request: &Request, caller: &Caller) -> Result<String, String> {
    let plugin = load(host, request.guest().component()).await;
    match host.node(&plugin, caller, &effect()).await.result {
        Ok(step) => match step.outcome {
            domain::plugin::NodeOutcome::Fail { reason } => Ok(reason),
            _ => Ok(String::new()),
        },
        Err(plugin_host::CallError::Fault(domain::plugin::PluginFault::Permanent { message, .. })) => Err(message),
        Err(plugin_host::CallError::Failure(failure)) if failure.kind == FailureKind::InvalidOutput => {
            Err(failure.message)
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// What the guest is told when its answer shows the placeholder that it was given.
const SHOWN: &str = "contains the placeholder of the secret TOKEN";

fn may_call(world: World, rules: &Value) -> (Arc<World>, Caller) {
    let world = Arc::new(world);
    (world.clone(), caller(world, json!({ "http": rules }), json!({ "http": rules })))
}

#[tokio::test]
async fn what_is_granted_is_called_and_nothing_else() {
    let host = host();
    let rules = json!([{ "host": "api.test", "methods": ["GET"], "path_prefixes": ["/v1"] }]);
    let (world, caller) = may_call(World::default(), &rules);
    assert_eq!(told(&host, &get("https://api.test/v1/orders?x=1"), &caller).await, Ok("fine".into()));
    for (request, word) in [
        (
            get("https://other.test/v1"),
            r#"the plugin's manifest lacks `capabilities.http`: {"host":"other.test","methods":["GET"]}"#,
        ),
        (
            get("https://other.test/v1"),
            r#"the grant for this bot lacks `http`: {"host":"other.test","methods":["GET"]}"#,
        ),
        (get("https://api.test/v2"), r#""path_prefixes":["/v2"]"#),
        (get("https://api.test/v1/../v2"), r#""path_prefixes":["/v2"]"#),
        (get("https://api.test/v1/%2e%2e/v2"), "not allowed"),
        (get("https://api.test/v1/..%2fv2"), "not allowed"),
        (get("https://api.test/v1/%252e%252e/v2"), "not allowed"),
        (get("https://api.test:8443/v1"), "api.test:8443"),
        (get("https://api.test@evil.test/v1"), "user name"),
        (get("https://user:pass@api.test/v1"), "user name"),
        (get("https://evil.test/?api.test/v1"), "not allowed"),
        (get("https://api.test.evil.test/v1"), "not allowed"),
        (get("ftp://api.test/v1"), "only http and https"),
        (get("file:///etc/passwd"), "only http and https"),
        (get("nonsense"), "cannot be read"),
        (Request { method: "POST", ..get("https://api.test/v1") }, "not allowed"),
        (Request { method: "CONNECT", ..get("https://api.test/v1") }, "no method"),
        (get("https://api.test/v1").header("Host", "internal"), "set by the server alone"),
        (get("https://api.test/v1").header("hOsT", "internal"), "set by the server alone"),
        (get("https://api.test/v1").header("Transfer-Encoding", "chunked"), "set by the server alone"),
        (get("https://api.test/v1").header("X-Forwarded-Host", "internal"), "set by the server alone"),
        (get("https://api.test/v1").header("X", "a\r\nHost: internal"), "cannot be sent"),
        (get("https://api.test/v1").header("X Y", "a"), "no name of a header"),
    ] {
        let why = told(&host, &request, &caller).await.unwrap_err();
        assert!(why.contains(word), "{}: {why}", request.url);
    }
    assert_eq!(told(&host, &get("https://API.test./v1"), &caller).await, Ok("fine".into()));
    let exchanges = world.exchanges.lock().unwrap();
    assert_eq!(exchanges.len(), 2, "nothing that was denied went out");
    assert_eq!(exchanges[1].url.as_str(), "https://api.test/v1");
}

#[tokio::test]
async fn all_three_must_agree_and_the_denial_says_who_does_not() {
    let host = host();
    let rule = json!({ "http": [{ "host": "api.test" }] });
    for (manifest, grant, present, absent) in [
        (rule.clone(), json!({}), "the grant for this bot lacks", "manifest lacks"),
        (json!({}), rule.clone(), "the plugin's manifest lacks", "grant for this bot lacks"),
    ] {
        let caller = caller(Arc::default(), manifest, grant);
        let why = told(&host, &get("https://api.test/"), &caller).await.unwrap_err();
        assert!(why.contains(present) && !why.contains(absent), "{why}");
    }
}

fn redirecting(to: &'static str) -> World {
    World {
        answer: Box::new(move |exchange| {
            let is_first = exchange.url.path() == "/go";
            let headers = if is_first { vec![("location".into(), to.as_bytes().to_vec())] } else { Vec::new() };
            let status = if is_first { 307 } else { 200 };
            Ok(Reply { status, headers, body: exchange.url.to_string().into_bytes() })
        }),
        secrets: [("TOKEN".to_owned(), "s3cr3t/value+1".to_owned())].into(),
        ..World::default()
    }
}

#[tokio::test]
async fn every_redirect_is_checked_like_the_first_request() {
    let host = host();
    let rules = json!([{ "host": "api.test" }, { "host": "cdn.test" }]);
    for (to, told_is) in [
        ("https://cdn.test/x", Ok("https://cdn.test/x")),
        ("/there", Ok("https://api.test/there")),
        ("http://169.254.169.254/latest/meta-data", Err("not allowed")),
        ("http://127.0.0.1/", Err("not allowed")),
        ("http://[::ffff:127.0.0.1]/", Err("not allowed")),
        ("http://2130706433/", Err("127.0.0.1")),
        ("//evil.test/", Err("not allowed")),
        ("https://api.test@evil.test/", Err("user name")),
        ("file:///etc/passwd", Err("only http and https")),
        ("http://[", Err("no address")),
    ] {
        let (world, caller) = may_call(redirecting(to), &rules);
        match (told(&host, &get("https://api.test/go"), &caller).await, told_is) {
            (Ok(body), Ok(url)) => assert_eq!(body, url),
            (Err(why), Err(word)) => {
                assert!(why.contains(word), "{to}: {why}");
                assert_eq!(world.exchanges.lock().unwrap().len(), 1, "{to}");
            }
            (found, expected) => panic!("{to}: {found:?}, not {expected:?}"),
        }
    }
    // Round and round.
    let (world, caller) = may_call(
        World {
            answer: Box::new(|_| {
                Ok(Reply { status: 302, headers: vec![("Location".into(), b"/".to_vec())], body: Vec::new() })
            }),
            ..World::default()
        },
        &rules,
    );
    let why = told(&host, &get("https://api.test/"), &caller).await.unwrap_err();
    assert!(why.contains("redirects") && world.exchanges.lock().unwrap().len() == 6, "{why}");
}

#[tokio::test]
async fn what_speaks_for_the_sender_stays_with_the_origin() {
    let host = host();
    let rules = json!([{ "host": "api.test" }, { "host": "cdn.test" }]);
    let request = || {
        get("https://api.test/go").header("Authorization", "Basic abc").header("Cookie", "a=b").header("X-Kept", "1")
    };
    for (to, kept) in [("https://api.test/x", 3), ("https://cdn.test/x", 1), ("http://api.test/x", 1)] {
        let (world, caller) = may_call(redirecting(to), &rules);
        told(&host, &request(), &caller).await.unwrap();
        assert_eq!(world.exchanges.lock().unwrap()[1].headers.len(), kept, "{to}");
    }
}

/// One who may call two hosts, with a secret for one of them.
fn with_secret(world: World) -> (Arc<World>, Caller) {
    let http = json!([{ "host": "api.test" }, { "host": "cdn.test" }]);
    let world = Arc::new(world);
    let manifest = json!({ "http": http, "secrets": [{ "name": "TOKEN" }] });
    let grant = json!({ "http": http, "secrets": [{ "name": "TOKEN", "hosts": ["api.test"] }] });
    (world.clone(), caller(world, manifest, grant))
}

#[tokio::test]
async fn a_secret_goes_to_its_hosts_and_comes_back_as_a_placeholder() {
    let host = host();
    let (world, caller) = with_secret(World {
        // An echo, in every spelling.
        answer: Box::new(|exchange| {
            let mut body = exchange.body.clone().unwrap_or_default();
            body.extend_from_slice(exchange.url.query().unwrap_or_default().as_bytes());
            for (_, value) in &exchange.headers {
                body.extend_from_slice(value);
            }
            Ok(Reply { status: 200, headers: vec![("x-echo".into(), body.clone())], body })
        }),
        secrets: [("TOKEN".to_owned(), "s\"3/v+1".to_owned())].into(),
        ..World::default()
    });
    let secret = Some("TOKEN");
    let post = |body: &str| Request { method: "POST", body: Some(body.into()), secret, ..get("https://api.test/") };
    for (request, sent) in [
        (Request { secret, ..get("https://api.test/") }.header("Authorization", "Bearer $"), "Bearer s\"3/v+1"),
        (Request { secret, ..get("https://api.test/?key=$") }, "key=s%223%2Fv%2B1"),
        (post("raw $"), "raw s\"3/v+1"),
        (post("{\"t\":\"$\"}").header("Content-Type", "application/json"), "{\"t\":\"s\\\"3/v+1\"}"),
        (post("t=$").header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), "t=s%223%2Fv%2B1"),
    ] {
        // What comes back has the placeholder in the value's place, however the value was written.
        let echo = told(&host, &request, &caller).await;
        assert!(echo.as_ref().is_err_and(|why| why.contains(SHOWN)), "{echo:?}");
        let exchanges = world.exchanges.lock().unwrap();
        let all = everything(exchanges.last().unwrap());
        assert!(all.contains(sent) && !all.contains("chatboost-secret"), "{all}");
    }
}

/// All that an exchange sends, as one text.
fn everything(exchange: &plugin_host::Exchange) -> String {
    let mut all = exchange.body.clone().unwrap_or_default();
    all.extend_from_slice(exchange.url.as_str().as_bytes());
    exchange.headers.iter().for_each(|(_, value)| all.extend_from_slice(value));
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_secret_goes_nowhere_else() {
    let host = host();
    let secret = Some("TOKEN");
    for (request, word) in [
        (Request { secret, ..get("https://cdn.test/") }.header("X", "$"), r#"lacks `hosts`: ["cdn.test"]"#),
        (Request { secret, ..get("https://cdn.test/?$") }, r#"lacks `hosts`: ["cdn.test"]"#),
        (
            Request { secret, method: "POST", body: Some("$".into()), ..get("https://cdn.test/") },
            "may not go to cdn.test",
        ),
        (Request { secret, ..get("https://api.test/$") }, "not in its path"),
        // Denied, and the denial names the host that was asked for.
        (Request { secret, ..get("https://$.api.test/") }, SHOWN),
        (Request { secret, ..get("http://api.test/") }.header("X", "$"), "goes over https"),
    ] {
        let (world, caller) =
            with_secret(World { secrets: [("TOKEN".to_owned(), "s3cr3t".to_owned())].into(), ..World::default() });
        let why = told(&host, &request, &caller).await.unwrap_err();
        assert!(why.contains(word), "{}: {why}", request.url);
        assert!(world.exchanges.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_redirect_does_not_carry_a_secret_away() {
    let host = host();
    let secret = Some("TOKEN");
    let go = |to: &'static str| with_secret(redirecting(to));
    // Headers with a secret are left behind.
    let (world, caller) = go("https://cdn.test/x");
    told(&host, &Request { secret, ..get("https://api.test/go") }.header("X-Key", "$"), &caller).await.unwrap();
    assert!(!everything(&world.exchanges.lock().unwrap()[1]).contains("s3cr3t"));
    // A body with a secret cannot be left behind, so the redirect is not followed.
    let (world, caller) = go("https://cdn.test/x");
    let request = Request { secret, method: "POST", body: Some("$".into()), ..get("https://api.test/go") };
    let why = told(&host, &request, &caller).await.unwrap_err();
    assert!(why.contains("may not go to cdn.test") && world.exchanges.lock().unwrap().len() == 1, "{why}");
    // Nor does one that writes the value into the new address.
    for to in [
        "https://cdn.test/x?k=s3cr3t/value+1",
        "https://cdn.test/x?k=s3cr3t%2Fvalue%2B1",
        "https://cdn.test/s3cr3t/value+1",
    ] {
        let (world, caller) = go(to);
        let request = Request { secret, ..get("https://api.test/go") }.header("X-Key", "$");
        let why = told(&host, &request, &caller).await.unwrap_err();
        assert!(why.contains("TOKEN") && world.exchanges.lock().unwrap().len() == 1, "{to}: {why}");
    }
}

#[tokio::test]
async fn a_placeholder_does_not_leave_the_step() {
    let host = host();
    let (_, caller) =
        with_secret(World { secrets: [("TOKEN".to_owned(), "s3cr3t".to_owned())].into(), ..World::default() });
    // As the name of an exit, as a fault's sentence, and inside of a state and of actions.
    let quoted = |function: &str| {
        format!(
            "(i32.store8 (i32.sub (call $ok_at) (i32.const 1)) (i32.const 34))
         (i32.store8 (i32.add (call $ok_at) (call $ok_length)) (i32.const 34))
         (call {function} (i32.sub (call $ok_at) (i32.const 1)) (i32.add (call $ok_length) (i32.const 2)))"
        )
    };
    let plain = |function: &str| format!("(call {function} (call $ok_at) (call $ok_length))");
    for body in [plain("$exit"), plain("$fault"), quoted("$state"), quoted("$actions")] {
        let mut guest = Guest::decent().importing(&["placeholder"]);
        let name = guest.text("TOKEN");
        // Space before and after what the host returns.
        guest.execute =
            format!("(global.set $heap (i32.const 30000)) (call $placeholder {name} (i32.const 512)) {body}");
        let plugin = load(&host, guest.component()).await;
        let (kind, message) = failure(&host.node(&plugin, &caller, &effect()).await);
        assert!(kind == FailureKind::InvalidOutput && message.contains(SHOWN), "{body}: {message}");
    }
}

#[tokio::test]
async fn secrets_of_others_and_those_not_granted_do_not_exist() {
    let host = host();
    let world = || Arc::new(World { secrets: [("TOKEN".to_owned(), "x".to_owned())].into(), ..World::default() });
    let wish = json!({ "secrets": [{ "name": "TOKEN" }, { "name": "OTHER" }] });
    let grant = json!({ "secrets": [{ "name": "TOKEN" }, { "name": "OTHER" }] });
    for (manifest, grant, name, word) in [
        (json!({}), grant.clone(), "TOKEN", r#"the plugin's manifest lacks `capabilities.secrets`"#),
        (wish.clone(), json!({}), "TOKEN", r#"the grant for this bot lacks `secrets`: {"hosts":["…"],"name":"TOKEN"}"#),
        (wish.clone(), grant.clone(), "OTHER", "nobody has stored"),
        (wish, grant, "FOREIGN", "may not be used"),
    ] {
        let mut guest = Guest::decent().importing(&["placeholder"]);
        let name = guest.text(name);
        // The error's sentence lies one word further on than a success would.
        guest.execute = format!(
            "(call $placeholder {name} (i32.const 512)) (call $fault (i32.load (i32.const 520)) (i32.load (i32.const 524)))"
        );
        let plugin = load(&host, guest.component()).await;
        let called = host.node(&plugin, &caller(world(), manifest, grant), &effect()).await;
        let text = format!("{:?}", called.result);
        assert!(text.replace('\\', "").contains(word), "{text}");
    }
}

#[tokio::test]
async fn requests_are_limited_in_number_and_bytes() {
    let host = host();
    let rules = json!([{ "host": "api.test" }]);
    // An answer of a gigabyte: the server's client stops reading at what the call may still receive.
    let (world, caller) =
        may_call(World { answer: Box::new(|_| Err(ExchangeError::TooLarge)), ..World::default() }, &rules);
    assert_eq!(told(&host, &get("https://api.test/"), &caller).await, Err("done".into()), "the error is `too-large`");
    assert!(world.exchanges.lock().unwrap()[0].body_bytes_max <= limits().http_bytes);
    // A client that reads more than it should gains nothing either.
    let large = Reply { status: 200, headers: Vec::new(), body: vec![b'x'; 5 << 20] };
    let (_, caller) = may_call(World { answer: Box::new(move |_| Ok(large.clone())), ..World::default() }, &rules);
    assert_eq!(told(&host, &get("https://api.test/"), &caller).await, Err("done".into()));
    for (limits, word) in [
        (Limits { http_calls: 0, ..limits() }, "a call may make 0 requests"),
        (Limits { http_bytes: 10, ..limits() }, "a call may send and receive 10 bytes"),
    ] {
        let (world, caller) = may_call(World::default(), &rules);
        let why = told(&host, &get("https://api.test/"), &Caller { limits, ..caller }).await.unwrap_err();
        assert!(why.contains(word) && world.exchanges.lock().unwrap().is_empty(), "{why}");
    }
}

#[tokio::test]
async fn the_log_the_time_and_randomness_are_denied_by_name() {
    let host = host();
    for (import, call, name) in [
        ("clock", "(drop (call $clock))", "`clock`"),
        ("random", "(call $random (i32.const 8) (i32.const 512))", "`random`"),
    ] {
        let guest = Guest { execute: format!("{call} (call $next)"), ..Guest::decent() }.importing(&[import]);
        let plugin = load(&host, guest.component()).await;
        let called = host.node(&plugin, &plain_caller(), &effect()).await;
        let (kind, message) = failure(&called);
        let line = format!("`capabilities.{}`: true", name.trim_matches('`'));
        assert!(kind == FailureKind::Denied && message.contains(name) && message.contains(&line), "{message}");
        assert!(called.denials.len() == 1 && message.ends_with(&called.denials[0]), "{called:?}");
        let rights = json!({ "clock": true, "random": true });
        let allowed = caller(Arc::default(), rights.clone(), rights);
        assert!(host.node(&plugin, &allowed, &effect()).await.result.is_ok());
    }
}

#[tokio::test]
async fn settings_that_the_manifest_does_not_name_are_not_seen() {
    let host = host();
    let mut guest = Guest::decent().importing(&["config"]);
    let key = guest.text("base_url");
    guest.execute = format!(
        "(call $config {key} (i32.const 512))
         (if (result i32) (i32.load8_u (i32.const 512))
            (then (call $state (i32.load (i32.const 516)) (i32.load (i32.const 520)))) (else (call $next)))"
    );
    let plugin = load(&host, guest.component()).await;
    let grant = json!({ "config": { "base_url": "https://x.test" } });
    for (manifest, seen) in
        [(json!({ "config": [{ "key": "base_url" }] }), Some(json!("https://x.test"))), (json!({}), None)]
    {
        let caller = caller(Arc::default(), manifest, grant.clone());
        assert_eq!(host.node(&plugin, &caller, &effect()).await.result.unwrap().state, seen);
    }
}
