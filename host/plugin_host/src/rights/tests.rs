use serde_json::json;

use super::*;

fn rule(host: &str, methods: &[&str], prefixes: &[&str]) -> HttpRule {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    HttpRule { host: host.into(), methods: own(methods), path_prefixes: own(prefixes) }
}

fn http(manifest: Vec<HttpRule>, operator: Vec<HttpRule>, grant: Vec<HttpRule>) -> Rights {
    Rights::new(
        Capabilities { http: manifest, ..Capabilities::default() },
        OperatorPolicy { http: operator, ..OperatorPolicy::everything() },
        Grant { http: grant, ..Grant::default() },
    )
}

#[test]
fn a_request_is_allowed_if_and_only_if_all_three_allow_it() {
    let lists = [
        vec![],
        vec![rule("*", &[], &[])],
        vec![rule("*.test", &["GET"], &[])],
        vec![rule("api.test", &["GET", "POST"], &["/v1"])],
        vec![rule("api.test", &[], &["/v1/orders", "/v2"]), rule("cdn.test", &["GET"], &[])],
        vec![rule("api.test:81", &[], &[])],
    ];
    let urls = [
        "https://api.test/v1/orders/7",
        "https://api.test/v1",
        "https://api.test/v2/x",
        "https://api.test:81/v1",
        "https://cdn.test/",
        "https://evil.example/",
    ];
    let alone = |rules: &[HttpRule], method: &str, url: &Url| rules.iter().any(|rule| allows(rule, method, url));
    let mut allowed = 0;
    for (manifest, operator, grant) in lists.iter().flat_map(|a| {
        lists.iter().flat_map(|b| lists.iter().map(|c| (a.clone(), b.clone(), c.clone()))).collect::<Vec<_>>()
    }) {
        let rights = http(manifest.clone(), operator.clone(), grant.clone());
        for (method, url) in urls.iter().flat_map(|url| [("GET", url), ("POST", url)]) {
            let url: Url = url.parse().unwrap();
            let each = [&manifest, &operator, &grant].into_iter().all(|rules| alone(rules, method, &url));
            assert_eq!(rights.http(method, &url).is_ok(), each, "{manifest:?} {operator:?} {grant:?} {method} {url}");
            allowed += usize::from(each);
        }
    }
    assert!(allowed > 50);
}

#[test]
fn everything_else_needs_all_three_as_well() {
    let full: Capabilities = serde_json::from_value(json!({
        "kv": { "bot": true, "contact": true }, "secrets": [{ "name": "A" }], "log": true, "clock": true, "random": true,
        "config": [{ "key": "x" }],
    }))
    .unwrap();
    let grant: Grant = serde_json::from_value(json!({
        "kv": { "bot": true, "contact": true }, "secrets": [{ "name": "A", "hosts": ["a.test"] }], "log": true,
        "clock": true, "random": true, "config": { "x": 1, "y": 2 },
    }))
    .unwrap();
    let nobody = OperatorPolicy {
        http: Vec::new(),
        kv: KvScopes::default(),
        secrets: false,
        log: false,
        clock: false,
        random: false,
        config: false,
    };
    let answers = |rights: &Rights| {
        [
            rights.kv(KvScope::Bot).is_ok(),
            rights.kv(KvScope::Contact).is_ok(),
            rights.secret("A").is_ok(),
            rights.log().is_ok(),
            rights.clock().is_ok(),
            rights.random().is_ok(),
            rights.settings().contains_key("x"),
        ]
    };
    let all = Rights::new(full.clone(), OperatorPolicy::everything(), grant.clone());
    assert_eq!(answers(&all), [true; 7]);
    assert!(!all.settings().contains_key("y"), "not named by the manifest");
    for lacking in [
        Rights::new(Capabilities::default(), OperatorPolicy::everything(), grant.clone()),
        Rights::new(full.clone(), nobody.clone(), grant.clone()),
        Rights::new(full.clone(), OperatorPolicy::everything(), Grant::default()),
    ] {
        assert_eq!(answers(&lacking), [false; 7]);
        assert_eq!(lacking.in_force(), &Grant::default());
    }
    let told = Rights::new(full, nobody, grant).kv(KvScope::Bot).unwrap_err().to_string();
    assert_eq!(told, "values of the bot may not be kept: the operator's configuration lacks PLUGIN_CAPABILITIES=kv");
}

#[test]
fn a_denial_has_the_line_to_paste() {
    let any = vec![rule("*", &[], &[])];
    let url: Url = "https://api.test:8443/v1/orders?q=1".parse().unwrap();
    let told = http(any.clone(), any.clone(), Vec::new()).http("GET", &url).unwrap_err().to_string();
    assert_eq!(
        told,
        "GET https://api.test:8443/v1/orders is not allowed: the grant for this bot lacks \
         `http`: {\"host\":\"api.test:8443\",\"methods\":[\"GET\"]}"
    );
    // What it says, pasted, helps.
    let pasted: HttpRule = serde_json::from_str(&told[told.find('{').unwrap()..]).unwrap();
    assert!(http(any.clone(), any.clone(), vec![pasted]).http("GET", &url).is_ok());
    // The host is there, the path is not.
    let other = rule("api.test:8443", &[], &["/v2"]);
    let told = http(any.clone(), any.clone(), vec![other]).http("GET", &url).unwrap_err().to_string();
    assert!(told.contains("\"path_prefixes\":[\"/v1/orders\"]"), "{told}");
    let told = http(any.clone(), Vec::new(), any).http("GET", &url).unwrap_err().to_string();
    assert!(told.ends_with("the operator's configuration lacks PLUGIN_HTTP_HOSTS=api.test:8443"), "{told}");
}

#[test]
fn rules_that_cannot_be_are_told_with_their_place() {
    let bad = rule("https://x", &["get", ""], &["v1", "/a/../b", "/ok"]);
    let at: Vec<_> = rule_faults(&bad, true).into_iter().map(|(at, _)| at).collect();
    assert_eq!(at, ["/host", "/methods/0", "/methods/1", "/path_prefixes/0", "/path_prefixes/1"]);
    assert!(rule_faults(&rule("*", &[], &[]), true).is_empty());
    assert_eq!(rule_faults(&rule("*", &[], &[]), false).len(), 1);
}
