//! Webhook triggers without a plugin, and custom events by API.

use serde_json::{Value, json};
use tests::{Method, each_database};

use super::{ADA, BOB, Stage, ask, say, until};

impl Stage {
    /// A flow that a trigger of the given fields starts; the trigger.
    pub(super) async fn triggered(&self, nodes: Value, fields: Value) -> Value {
        let flow = self.api.post("/bots/flows/", json!({ "bot_id": self.bot, "name": "f", "nodes": nodes })).await;
        let mut trigger = json!({ "name": "t", "bot_id": self.bot, "flow_id": flow["id"] });
        trigger.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.api.post("/triggers/", trigger).await
    }
}

fn path(trigger: &Value) -> String {
    trigger["hook_path"].as_str().unwrap().to_owned()
}

fn orders() -> Value {
    json!({
        "trigger_type": "webhook", "items": "/orders", "contact": "{{ body.phone }}", "contact_name": "{{ body.name }}",
        "initial_state": { "total": "{{ body.total }}", "shop": "{{ headers['x-shop'] }}" },
        "event_id": "{{ body.id }}", "condition": "{{ body.status == 'paid' }}",
    })
}

each_database! {
    async fn a_request_starts_flows_for_known_and_unknown_contacts_once_per_event(stage: Stage) {
        let trigger = stage.triggered(json!([say("paid {{ state.total }} at {{ state.shop }}, {{ contact.name }}")]), orders()).await;
        let hook = path(&trigger);
        assert!(hook.starts_with("/hooks/") && hook.len() > 40, "{hook}");
        assert_eq!((&trigger["hook_url"], &trigger["has_signature_secret"]), (&Value::Null, &json!(false)));
        let order = |id: i64, phone: &str, status: &str| json!({ "id": id, "phone": phone, "name": "Ada", "total": 9.5, "status": status });
        let body = json!({ "orders": [order(1, ADA, "paid"), order(2, BOB, "open"), order(3, "nobody", "paid"), order(1, ADA, "paid")] });
        let anonymous = stage.api.anonymous();
        let answer = anonymous.post_with(&hook, ("x-shop", "north"), &body).await.must_be(202);
        assert_eq!(answer["accepted"], 1);
        let statuses: Vec<_> = answer["events"].as_array().unwrap().iter().map(|event| event["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["accepted", "passed_over", "invalid", "duplicate"]);
        assert_eq!(stage.answers(1).await, ["paid 9.5 at north, Ada"]);
        // The same again, and one more.
        let body = json!({ "orders": [order(1, ADA, "paid"), order(4, ADA, "paid")] });
        let answer = anonymous.post_with(&hook, ("x-shop", "south"), &body).await.must_be(202);
        assert_eq!((&answer["events"][0]["status"], &answer["events"][1]["status"]), (&json!("duplicate"), &json!("accepted")));
        assert_eq!(stage.answers(2).await[1], "paid 9.5 at south, Ada");
        assert_eq!(stage.emulator.sent_to(BOB).len(), 0);
        let logs = stage.api.get(&format!("/triggers/{}/logs", trigger["id"])).await;
        assert_eq!((&logs["total"], &logs["items"][0]["reason"]), (&json!(2), &json!("a request came in")));
        let statistics = stage.api.get("/triggers/statistics").await;
        assert_eq!((&statistics["totals"]["fires"], &statistics["totals"]["starts"]), (&json!(2), &json!(2)));
    }

    async fn what_cannot_be_understood_is_refused_and_noted(stage: Stage) {
        let trigger = stage.triggered(json!([say("never")]), orders()).await;
        let (hook, anonymous) = (path(&trigger), stage.api.anonymous());
        assert_eq!(anonymous.send(Method::POST, &hook, Some(&json!({}))).await.faults(), [""]);
        let body = json!({ "orders": [{ "phone": "nobody", "status": "paid" }] });
        assert_eq!(anonymous.send(Method::POST, &hook, Some(&body)).await.faults(), ["/orders/0"]);
        anonymous.send_raw(Method::POST, &hook, Some(("application/json", b"{".to_vec()))).await.problem(400);
        anonymous.send_raw(Method::POST, &hook, Some(("application/json", vec![b' '; 1024 * 1024 + 1]))).await.problem(413);
        anonymous.send(Method::GET, &hook, None).await.problem(405);
        anonymous.send(Method::POST, &format!("{hook}/more"), Some(&json!({}))).await.problem(404);
        anonymous.send(Method::POST, "/hooks/nobody-knows-this", Some(&json!({}))).await.problem(404);
        let logs = stage.api.get(&format!("/triggers/{}/logs", trigger["id"])).await;
        assert_eq!((&logs["total"], &logs["items"][0]["decision"]), (&json!(1), &json!("failed")), "{logs}");
        let statistics = stage.api.get("/triggers/statistics").await;
        assert_eq!(statistics["totals"]["fires"], 0, "a failure is no fire");
        assert_eq!(stage.emulator.count(), 0);
    }

    async fn an_address_can_be_changed_and_switched_off(stage: Stage) {
        let trigger = stage.triggered(json!([say("hello")]), json!({ "trigger_type": "webhook", "contact": "{{ body.phone }}" })).await;
        let id = &trigger["id"];
        let call = async |hook: &str| stage.api.anonymous().send(Method::POST, hook, Some(&json!({ "phone": ADA }))).await.status;
        let before = path(&trigger);
        assert_eq!(call(&before).await, 202);
        let after = path(&stage.api.post(&format!("/triggers/{id}/rotate-hook"), json!({})).await);
        assert_ne!(before, after);
        assert_eq!((call(&before).await, call(&after).await), (404, 202));
        // What a trigger was given before a change is worked by what the trigger is then: so it is waited for.
        stage.answers(2).await;
        assert_eq!(path(&stage.api.get(&format!("/triggers/{id}")).await), after);
        stage.api.post(&format!("/triggers/{id}/deactivate"), json!({})).await;
        assert_eq!(call(&after).await, 404);
        let back = stage.api.post(&format!("/triggers/{id}/activate"), json!({})).await;
        assert_eq!(path(&back), after, "it keeps its address");
        assert_eq!(call(&after).await, 202);
        stage.answers(3).await;
        let keyword = json!({ "trigger_type": "keyword", "keywords": ["x"] });
        let changed = stage.api.put(&format!("/triggers/{id}"), keyword).await;
        assert_eq!(changed["hook_path"], Value::Null);
        assert_eq!(call(&after).await, 404);
        stage.api.send(Method::POST, &format!("/triggers/{id}/rotate-hook"), None).await.problem(409);
        let stranger = stage.app.api().registered("stranger").await;
        stranger.send(Method::POST, &format!("/triggers/{id}/rotate-hook"), None).await.problem(404);
        stage.answers(3).await;
    }

    async fn signatures_are_checked_and_the_secret_is_never_shown(stage: Stage) {
        let mut fields = json!({
            "name": "t", "bot_id": stage.bot, "trigger_type": "webhook", "contact": "{{ body.phone }}",
            "signature": { "header": "X-Signature", "prefix": "sha256=" },
        });
        fields["flow_id"] = stage.api.flow(stage.bot, "signed").await.into();
        assert_eq!(stage.api.send(Method::POST, "/triggers/", Some(&fields)).await.faults(), ["/signature_secret"]);
        fields["signature_secret"] = json!("a secret for tests");
        let trigger = stage.api.post("/triggers/", fields).await;
        assert_eq!(trigger["has_signature_secret"], true);
        assert!(!trigger.to_string().contains("a secret for tests"), "{trigger}");
        let (hook, anonymous) = (path(&trigger), stage.api.anonymous());
        let body = json!({ "phone": ADA });
        let signed = whatsapp::signature::sign("a secret for tests", body.to_string().as_bytes());
        assert!(signed.starts_with("sha256="));
        anonymous.send(Method::POST, &hook, Some(&body)).await.problem(401);
        let wrong = format!("sha256={}", "0".repeat(64));
        anonymous.post_with(&hook, ("x-signature", &wrong), &body).await.problem(401);
        anonymous.post_with(&hook, ("x-signature", &signed), &body).await.must_be(202);
        assert_eq!(stage.answers(1).await, ["signed"]);
        let path = format!("/triggers/{}", trigger["id"]);
        assert_eq!(stage.api.send(Method::PUT, &path, Some(&json!({ "signature_secret": null }))).await.faults(), ["/signature_secret"]);
        stage.api.put(&path, json!({ "signature_secret": "another secret" })).await;
        anonymous.post_with(&hook, ("x-signature", &signed), &body).await.problem(401);
        let open = stage.api.put(&path, json!({ "signature": null })).await;
        assert_eq!(open["has_signature_secret"], false);
        anonymous.send(Method::POST, &hook, Some(&body)).await.must_be(202);
    }

    async fn faults_of_a_webhook_trigger_are_told_where_they_are(stage: Stage) {
        let flow = stage.api.flow(stage.bot, "f").await;
        let mut body = json!({
            "name": "t", "bot_id": stage.bot, "flow_id": flow, "trigger_type": "webhook", "contact": "{{ body.",
            "items": "orders", "initial_state": { "x": "{{ nonsense(" }, "event_id": 7,
            "signature": { "header": "x y" },
        });
        assert_eq!(stage.api.send(Method::POST, "/triggers/", Some(&body)).await.faults(), ["/event_id", "/signature"]);
        body["event_id"] = json!("{{ body.id }}");
        body["signature"] = json!({ "header": "x", "tolerance_seconds": 300 });
        assert_eq!(stage.api.send(Method::POST, "/triggers/", Some(&body)).await.faults(), ["/signature"]);
        body["signature"] = json!({ "header": "x", "colour": "red" });
        assert_eq!(stage.api.send(Method::POST, "/triggers/", Some(&body)).await.faults(), ["/signature"]);
        body["signature"] = Value::Null;
        assert_eq!(stage.api.send(Method::POST, "/triggers/", Some(&body)).await.faults(), ["/contact", "/initial_state/x", "/items"]);
        body.as_object_mut().unwrap().remove("contact");
        assert!(stage.api.send(Method::POST, "/triggers/", Some(&body)).await.faults().contains(&"/contact".to_owned()));
    }

    async fn custom_events_start_flows_in_order_and_meet_conditions(stage: Stage) {
        stage.triggered(json!([say("{{ state.event.event_type }} {{ state.event.payload.n }}")]), json!({
            "trigger_type": "event", "event_type": "custom.paid", "event_conditions": { "payload.n": { ">": 1 } },
        })).await;
        let ada = stage.api.post("/flows/contacts/", json!({ "bot_id": stage.bot, "phone": ADA })).await;
        let path = format!("/flows/contacts/{}/events", ada["id"]);
        for n in 1..5 {
            stage.api.send(Method::POST, &path, Some(&json!({ "name": "custom.paid", "payload": { "n": n } }))).await.must_be(202);
        }
        stage.api.send(Method::POST, &path, Some(&json!({ "name": "custom.other" }))).await.must_be(202);
        assert_eq!(stage.answers(3).await, ["custom.paid 2", "custom.paid 3", "custom.paid 4"]);
        let once = json!({ "name": "custom.paid", "payload": { "n": 9 } });
        for _ in 0..2 {
            stage.api.post_with(&path, ("idempotency-key", "k1"), &once).await.must_be(202);
        }
        assert_eq!(stage.answers(4).await[3], "custom.paid 9", "once per key");
        for (body, pointers) in [
            (json!({}), vec!["/name"]),
            (json!({ "name": "paid" }), vec!["/name"]),
            (json!({ "name": "custom.Paid" }), vec!["/name"]),
            (json!({ "name": "opt_in" }), vec!["/name"]),
            (json!({ "name": "custom.paid", "payload": "x".repeat(40_000) }), vec!["/payload"]),
        ] {
            assert_eq!(stage.api.send(Method::POST, &path, Some(&body)).await.faults(), pointers, "{body}");
        }
        let stranger = stage.app.api().registered("stranger").await;
        stranger.send(Method::POST, &path, Some(&json!({ "name": "custom.paid" }))).await.problem(404);
        let wrong = json!({ "name": "t", "bot_id": stage.bot, "flow_id": stage.api.flow(stage.bot, "f").await,
            "trigger_type": "event", "event_type": "custom." });
        assert_eq!(stage.api.send(Method::POST, "/triggers/", Some(&wrong)).await.faults(), ["/event_type"]);
    }

    async fn a_request_interrupts_only_where_the_trigger_says_so(stage: Stage) {
        stage.flow("start", json!([ask("?", "state.a", 1), say("got {{ state.a }}")])).await;
        let fields = json!({ "trigger_type": "webhook", "contact": "{{ body.phone }}", "interrupt": true });
        let hook = path(&stage.triggered(json!([say("stop")]), fields).await);
        stage.say("start").await;
        stage.answers(1).await;
        stage.api.anonymous().send(Method::POST, &hook, Some(&json!({ "phone": ADA }))).await.must_be(202);
        assert_eq!(stage.answers(2).await[1], "stop");
        until("the execution is cancelled", async || stage.executions().await.iter().any(|e| e["status"] == "cancelled")).await;
    }

    async fn an_address_takes_so_many_requests_a_second(stage: Stage) {
        let hook = path(&stage.triggered(json!([say("x")]), json!({ "trigger_type": "webhook", "contact": "{{ body.phone }}", "condition": "{{ false }}" })).await);
        let mut refused = None;
        for _ in 0..200 {
            let answer = stage.api.anonymous().send(Method::POST, &hook, Some(&json!({ "phone": ADA }))).await;
            if answer.status == 429 {
                refused = Some(answer);
                break;
            }
            answer.must_be(202);
        }
        let refused = refused.expect("two hundred at once are too many");
        refused.problem(429);
        assert_eq!(refused.header("retry-after"), "1");
        assert!(refused.header("content-security-policy").contains("sandbox"));
    }
}
