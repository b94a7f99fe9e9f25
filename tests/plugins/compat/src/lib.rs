//! A plugin that imports and exports all of the contract. Built once for each released version and kept beside this crate as
//! `<version>.wasm`, it shows that the server still runs what was built then.
//!
//! Its node tells in its exit what the imports answered; `README.md` says how a new version is made.

#[cfg(target_family = "wasm")]
mod guest {
    wit_bindgen::generate!({ path: "../../../wit/chatboost-plugin@0.1.0", world: "plugin" });

    use chatboost::plugin::{
        clock, config, http, kv, log, random, secrets,
        types::{self, Fault},
    };
    use exports::chatboost::plugin::{
        manifest, node,
        trigger::{self, Finding, Handling, HttpAnswer, HttpRequest, Occurrence, Recognition},
    };

    struct Compat;

    const MANIFEST: &str = r#"{
        "name": "compat", "version": "0.1.0", "title": "Compatibility",
        "nodes": [{ "type": "all", "title": "All", "exits": [{ "name": "next" }], "config_schema": { "type": "object" } }],
        "triggers": [
            { "type": "match", "kind": "matcher", "title": "Match", "config_schema": { "type": "object" } },
            { "type": "hook", "kind": "webhook", "title": "Hook", "config_schema": { "type": "object" } },
            { "type": "look", "kind": "poller", "title": "Look", "config_schema": { "type": "object" } }
        ],
        "capabilities": {
            "http": [{ "host": "example.com" }], "kv": { "bot": true, "contact": true }, "secrets": [{ "name": "KEY" }],
            "log": true, "clock": true, "random": true, "config": [{ "key": "size" }]
        }
    }"#;

    impl manifest::Guest for Compat {
        fn describe() -> String {
            MANIFEST.to_owned()
        }
    }

    /// Calls every import, and says what did not answer as it should.
    fn imports() -> Result<(), Fault> {
        let check = |holds: bool, what: &str| {
            let fault = types::PermanentFault { message: what.to_owned(), code: None };
            if holds { Ok(()) } else { Err(Fault::Permanent(fault)) }
        };
        log::write(log::Level::Info, "hello", Some("{\"a\":1}"));
        check(clock::now_ms() > 0, "clock")?;
        check(random::bytes(8).len() == 8, "random")?;
        check(config::get("size").as_deref() == Some("7"), "config")?;
        for scope in [kv::Scope::Bot, kv::Scope::Contact] {
            check(kv::set(scope, "a", b"1", Some(60)).is_ok(), "kv.set")?;
            check(kv::increment(scope, "a", 2).is_ok_and(|sum| sum == 3), "kv.increment")?;
            let entry = kv::get(scope, "a").ok().flatten();
            let version = entry.as_ref().map(|entry| entry.version);
            check(entry.is_some_and(|entry| entry.value == b"3"), "kv.get")?;
            check(
                kv::compare_and_set(scope, "a", version, b"4", None).is_ok_and(|was_set| was_set),
                "kv.compare-and-set",
            )?;
            check(kv::list_keys(scope, "", None, 10).is_ok_and(|keys| keys == ["a"]), "kv.list-keys")?;
            check(kv::delete(scope, "a").is_ok_and(|was_there| was_there), "kv.delete")?;
        }
        let placeholder = secrets::placeholder("KEY");
        check(placeholder.is_ok(), "secrets.placeholder")?;
        check(secrets::hmac_sha256("KEY", b"x").is_ok_and(|mac| mac.len() == 32), "secrets.hmac-sha256")?;
        let request = http::Request {
            method: "POST".to_owned(),
            url: "https://example.com/a".to_owned(),
            headers: vec![("x-key".to_owned(), placeholder.unwrap_or_default())],
            body: Some(b"body".to_vec()),
            timeout_ms: Some(1000),
        };
        check(http::send(&request).is_ok_and(|answer| answer.status == 200), "http.send")
    }

    fn next(exit: &str) -> node::Step {
        let actions = r#"{"messages":[{"message_type":"text","content":{"body":"Hi"}}],"variables":{"state.a":1}}"#;
        node::Step { outcome: node::Outcome::Next(exit.to_owned()), state: None, actions: Some(actions.to_owned()) }
    }

    impl node::Guest for Compat {
        fn execute(call: node::Call) -> Result<node::Step, Fault> {
            imports()?;
            let wait = node::Outcome::WaitInput(node::InputWait { timeout_ms: Some(1000) });
            Ok(node::Step { outcome: wait, state: Some(call.config), actions: None })
        }

        fn resume(call: node::Call, cause: node::Cause) -> Result<node::Step, Fault> {
            match (cause, call.state) {
                (node::Cause::Input(_), Some(_)) => Ok(next("next")),
                (node::Cause::Event(_), _) => Ok(node::Step {
                    outcome: node::Outcome::WaitEvent(node::EventWait {
                        name: "custom.a".to_owned(),
                        timeout_ms: None,
                    }),
                    state: None,
                    actions: None,
                }),
                (node::Cause::Elapsed, _) => {
                    Ok(node::Step { outcome: node::Outcome::Complete, state: None, actions: None })
                }
                (node::Cause::TimedOut, _) => {
                    Ok(node::Step { outcome: node::Outcome::WaitFor(5), state: None, actions: None })
                }
                _ => {
                    Err(Fault::InvalidConfig(types::ConfigFault { pointer: "/a".to_owned(), message: "no".to_owned() }))
                }
            }
        }
    }

    impl trigger::Guest for Compat {
        fn matches(_: trigger::Call, occurrence: Occurrence) -> Result<Option<Recognition>, Fault> {
            let Occurrence::Message(text) = occurrence else { return Ok(None) };
            Ok(Some(Recognition { score: 0.5, extracted: Some(format!("{{\"message\":{text}}}")), reason: None }))
        }

        fn handle(_: trigger::Call, request: HttpRequest) -> Result<Handling, Fault> {
            let answer =
                HttpAnswer { status: 202, headers: vec![("x-a".to_owned(), "b".to_owned())], body: request.body };
            Ok(Handling { answer, events: Some(r#"[{"contact":"49"}]"#.to_owned()) })
        }

        fn poll(_: trigger::Call, cursor: Option<String>) -> Result<Finding, Fault> {
            let cursor = cursor.unwrap_or_else(|| "0".to_owned());
            if cursor == "1" {
                let fault = types::RetryableFault { message: "later".to_owned(), retry_after_ms: Some(5) };
                return Err(Fault::Retryable(fault));
            }
            Ok(Finding { events: None, cursor: Some("1".to_owned()), next_in_ms: Some(1000) })
        }
    }

    export!(Compat);
}
