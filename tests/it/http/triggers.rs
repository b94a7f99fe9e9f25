//! `/triggers/`

use serde_json::{Value, json};
use tests::{Api, Method, TestApp, TestDatabase, each_database};

async fn keyword(api: &Api, bot: i64, flow: i64, keywords: Value, more: Value) -> Value {
    let mut body =
        json!({ "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": keywords });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.post("/triggers/", body).await
}

each_database! {
    async fn a_keyword_trigger_is_made_changed_switched_and_deleted(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let (flow, other) = (ada.flow(bot, "f").await, ada.flow(bot, "g").await);
        // As the specification writes it.
        let made = ada.post("/triggers/", json!({
            "name": "Welcome Trigger", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword",
            "keywords": ["hi", "hello", "hey"], "match_type": "exact", "case_sensitive": false, "priority": 10,
        })).await;
        assert_eq!((&made["trigger_type"], &made["keywords"][2]), (&json!("keyword"), &json!("hey")));
        assert_eq!((&made["priority"], &made["is_active"], &made["interrupt"]), (&json!(10), &json!(true), &json!(false)));
        let path = format!("/triggers/{}", made["id"]);
        assert_eq!(ada.get(&path).await, made);
        let put = ada.put(&path, json!({ "match_type": "contains", "flow_id": other, "interrupt": true })).await;
        assert_eq!((&put["match_type"], &put["flow_id"]), (&json!("contains"), &json!(other)));
        assert_eq!((&put["keywords"], &put["interrupt"]), (&made["keywords"], &json!(true)));
        let put = ada.put(&path, put).await;
        assert_eq!(put["match_type"], "contains");
        assert_eq!(ada.post(&format!("{path}/deactivate"), json!({})).await["is_active"], false);
        assert_eq!(ada.send(Method::POST, &format!("{path}/activate/"), None).await.must_be(200)["is_active"], true);
        assert_eq!(ada.get("/triggers/").await["items"][0]["id"], made["id"]);
        assert_eq!(ada.get(&format!("/triggers/bot/{bot}")).await["total"], 1);
        ada.delete(&path).await;
        ada.send(Method::GET, &path, None).await.problem(404);
    }

    async fn a_trial_explains_who_wins(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        let low = keyword(&ada, bot, flow, json!(["hello"]), json!({ "match_type": "contains" })).await;
        let high = keyword(&ada, bot, flow, json!(["hello there"]), json!({ "priority": 5 })).await;
        let test = async |id: &Value, text: &str| {
            ada.post(&format!("/triggers/{id}/test"), json!({ "test_message": text })).await
        };
        let outcome = test(&high["id"], "Hello there").await;
        assert_eq!((&outcome["matched"], &outcome["would_start_flow"]), (&json!(true), &json!(true)));
        assert_eq!(outcome["matched_keyword"], "hello there");
        assert!(outcome["reason"].is_string());
        assert_eq!(outcome["candidates"][0]["trigger_id"], high["id"]);
        let outcome = test(&low["id"], "Hello there").await;
        assert_eq!((&outcome["matched"], &outcome["would_start_flow"]), (&json!(true), &json!(false)));
        assert_eq!(outcome["candidates"].as_array().unwrap().len(), 2);
        let outcome = test(&low["id"], "goodbye").await;
        assert_eq!((&outcome["matched"], outcome.get("matched_keyword")), (&json!(false), None));
        ada.put(&format!("/bots/{bot}"), json!({ "is_active": false })).await;
        let outcome = test(&high["id"], "Hello there").await;
        assert_eq!((&outcome["matched"], &outcome["would_start_flow"]), (&json!(true), &json!(false)));
        let none = ada.send(Method::POST, &format!("/triggers/{}/test", low["id"]), Some(&json!({}))).await;
        assert_eq!(none.faults(), ["/test_message"]);
    }

    async fn a_trial_says_what_decides_and_what_interrupts(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        let first = keyword(&ada, bot, flow, json!(["hi"]), json!({})).await;
        let second = keyword(&ada, bot, flow, json!(["hi"]), json!({ "interrupt": true })).await;
        let off = keyword(&ada, bot, flow, json!(["hi"]), json!({ "priority": 9, "is_active": false })).await;
        let high = keyword(&ada, bot, flow, json!(["hi", "stop"]), json!({ "priority": 5 })).await;
        let test = async |trigger: &Value, text: &str| {
            ada.post(&format!("/triggers/{}/test", trigger["id"]), json!({ "test_message": text })).await
        };
        let outcome = test(&second, "hi").await;
        assert_eq!((&outcome["winner"], &outcome["would_start_flow"]), (&high["id"], &json!(false)));
        let waiting = json!({
            "winner": second["id"], "would_start_flow": true, "reason": "interrupts the execution that waits",
        });
        assert_eq!(outcome["while_waiting"], waiting);
        let shown: Vec<_> = outcome["candidates"].as_array().unwrap().iter()
            .map(|candidate| (&candidate["trigger_id"], candidate["matched"] == true)).collect();
        assert_eq!(shown, [(&off["id"], false), (&high["id"], true), (&first["id"], true), (&second["id"], true)]);
        let reason = |at: usize| outcome["candidates"][at]["reason"].as_str().unwrap();
        assert!(reason(0).contains("switched off"), "{}", reason(0));
        assert!(reason(2).ends_with("goes first (higher priority)"), "{}", reason(2));
        assert_eq!((&outcome["candidates"][0]["is_active"], &outcome["candidates"][3]["interrupt"]), (&json!(false), &json!(true)));
        let outcome = test(&first, "stop").await;
        assert_eq!((&outcome["winner"], &outcome["while_waiting"]["winner"]), (&high["id"], &json!(null)));
        ada.post(&format!("/triggers/{}/deactivate", high["id"]), json!({})).await;
        let outcome = test(&second, "hi").await;
        assert!(outcome["reason"].as_str().unwrap().ends_with("(same priority, lower id)"), "{}", outcome["reason"]);
        let none = test(&second, "nothing").await;
        assert_eq!((&none["winner"], &none["while_waiting"]["reason"]), (&json!(null), &none["reason"]));
    }

    async fn event_and_schedule_triggers_keep_what_they_are_given(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        // As the specification writes them.
        let event = ada.post("/triggers/", json!({
            "name": "New Contact Welcome", "bot_id": bot, "flow_id": flow, "trigger_type": "event",
            "event_type": "new_contact", "event_conditions": { "source": "whatsapp" },
        })).await;
        assert_eq!((&event["event_type"], &event["event_conditions"]), (&json!("new_contact"), &json!({ "source": "whatsapp" })));
        let daily = ada.post("/triggers/", json!({
            "name": "Daily Reminder", "bot_id": bot, "flow_id": flow, "trigger_type": "schedule",
            "schedule_type": "daily", "schedule_time": "09:00", "schedule_timezone": "UTC",
        })).await;
        assert_eq!((&daily["schedule_type"], &daily["schedule_time"]), (&json!("daily"), &json!("09:00")));
        assert_eq!((&daily["all"], &daily["missed"]), (&json!(true), &json!("catch_up")));
        for made in [&event, &daily] {
            let path = format!("/triggers/{}", made["id"]);
            assert_eq!(&ada.get(&path).await, made);
            let mut put = ada.put(&path, made.clone()).await;
            put["updated_at"] = made["updated_at"].clone();
            assert_eq!(&put, made, "what was read can be sent back");
            let trial = ada.post(&format!("{path}/test"), json!({ "test_message": "hi" })).await;
            assert_eq!((&trial["matched"], &trial["would_start_flow"]), (&json!(false), &json!(false)));
            assert!(trial["reason"].is_string());
        }
        let path = format!("/triggers/{}", daily["id"]);
        let put = ada.put(&path, json!({ "contact_phones": ["+1 (650) 555-0101", "16505550101"], "schedule_type": "weekly", "schedule_day_of_week": "Monday" })).await;
        assert_eq!((&put["contact_phones"], &put["all"]), (&json!(["16505550101"]), &json!(false)));
        assert_eq!((&put["schedule_day_of_week"], &put["schedule_time"]), (&json!("Monday"), &json!("09:00")));
        let put = ada.put(&path, json!({ "tags": ["vip"] })).await;
        assert_eq!((&put["tags"], put.get("contact_phones")), (&json!(["vip"]), None));
        let put = ada.put(&path, json!({ "trigger_type": "keyword", "keywords": ["hi"] })).await;
        assert_eq!((&put["keywords"], put.get("schedule_type")), (&json!(["hi"]), None));
    }

    async fn a_schedule_is_previewed(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let schedule = json!({ "schedule_type": "cron", "cron_expression": "0 9 1 1 *", "schedule_timezone": "Europe/Berlin", "count": 3 });
        let preview = ada.send(Method::POST, "/triggers/preview-schedule", Some(&schedule)).await.must_be(200);
        let fires = preview["next_fires"].as_array().unwrap();
        assert_eq!((fires.len(), &preview["schedule_timezone"]), (3, &json!("Europe/Berlin")));
        assert!(fires[0]["at"].as_str().unwrap().ends_with("-01-01T08:00:00Z"), "{preview}");
        assert!(fires[0]["local"].as_str().unwrap().ends_with("-01-01T09:00:00+01:00"), "{preview}");
        let wrong = json!({ "schedule_type": "daily", "count": 0 });
        assert_eq!(ada.send(Method::POST, "/triggers/preview-schedule", Some(&wrong)).await.faults(), ["/count"]);
        let wrong = json!({ "schedule_type": "daily", "schedule_time": "nine" });
        assert_eq!(ada.send(Method::POST, "/triggers/preview-schedule", Some(&wrong)).await.faults(), ["/schedule_time"]);
    }

    async fn another_users_trigger_is_not_there(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        let trigger = keyword(&ada, bot, flow, json!(["hi"]), json!({})).await;
        let path = format!("/triggers/{}", trigger["id"]);
        for (method, path) in [
            (Method::GET, path.clone()),
            (Method::DELETE, path.clone()),
            (Method::POST, format!("{path}/activate")),
            (Method::POST, format!("{path}/deactivate")),
            (Method::GET, format!("/triggers/bot/{bot}")),
        ] {
            bob.send(method, &path, None).await.problem(404);
        }
        bob.send(Method::PUT, &path, Some(&json!({}))).await.problem(404);
        bob.send(Method::POST, &format!("{path}/test"), Some(&json!({ "test_message": "hi" }))).await.problem(404);
        let own = bob.bot("c").await;
        for (bot, flow) in [(bot, flow), (own, flow)] {
            let body = json!({
                "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": ["hi"],
            });
            bob.send(Method::POST, "/triggers/", Some(&body)).await.problem(404);
        }
        // A flow of another of one's own bots is a mistake, not a secret.
        let second = ada.bot("second").await;
        let body = json!({
            "name": "t", "bot_id": second, "flow_id": flow, "trigger_type": "keyword", "keywords": ["hi"],
        });
        assert_eq!(ada.send(Method::POST, "/triggers/", Some(&body)).await.faults(), ["/flow_id"]);
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let ada = app.api().registered("ada").await;
    let bot = ada.bot("b").await;
    let flow = ada.flow(bot, "f").await;
    let faults = async |body: Value| ada.send(Method::POST, "/triggers/", Some(&body)).await.faults();
    assert_eq!(faults(json!({})).await, ["/bot_id", "/flow_id", "/name", "/trigger_type"]);
    let wrong = json!({
        "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "priority": "high", "is_active": 1,
        "keywords": ["a", ""], "match_type": "fuzzy", "case_sensitive": null,
    });
    assert_eq!(faults(wrong).await, ["/case_sensitive", "/is_active", "/keywords/1", "/match_type", "/priority"]);
    for (keywords, match_type, pointer) in [
        (json!([]), "exact", "/keywords"),
        (json!(["ok", "("]), "regex", "/keywords/1"),
        (json!("hi"), "exact", "/keywords"),
    ] {
        let body = json!({
            "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": keywords,
            "match_type": match_type,
        });
        assert_eq!(faults(body).await, [pointer]);
    }
    let trigger = keyword(&ada, bot, flow, json!(["hi"]), json!({})).await;
    for (other, pointers) in [
        (json!({ "trigger_type": "webhook" }), vec!["/contact"]),
        (json!({ "trigger_type": "plugin" }), vec!["/plugin", "/type"]),
        (json!({ "trigger_type": "telepathy" }), vec!["/trigger_type"]),
        (json!({ "trigger_type": "event" }), vec!["/event_type"]),
        (json!({ "trigger_type": "schedule" }), vec!["/schedule_type"]),
    ] {
        let put = ada.send(Method::PUT, &format!("/triggers/{}", trigger["id"]), Some(&other)).await;
        assert_eq!(put.faults(), pointers);
    }
    for (rule, pointers) in [
        (json!({ "trigger_type": "event", "event_type": "birthday" }), vec!["/event_type"]),
        (
            json!({ "trigger_type": "event", "event_type": "opt_in", "event_conditions": [1] }),
            vec!["/event_conditions"],
        ),
        (
            json!({ "trigger_type": "event", "event_type": "opt_in", "event_conditions": { "a": { "~": 1 }, "b": [] } }),
            vec!["/event_conditions/a/~0", "/event_conditions/b"],
        ),
        (
            json!({ "trigger_type": "schedule", "schedule_type": "weekly", "schedule_timezone": "Mars/Olympus" }),
            vec!["/schedule_day_of_week", "/schedule_time", "/schedule_timezone"],
        ),
        (
            json!({ "trigger_type": "schedule", "schedule_type": "daily", "schedule_time": "09:00",
                    "contact_phones": ["16505550101", "bob"], "missed": "perhaps" }),
            vec!["/contact_phones/1", "/missed"],
        ),
        (
            json!({ "trigger_type": "schedule", "schedule_type": "once", "schedule_datetime": "2020-01-01T09:00" }),
            vec!["/schedule_datetime"],
        ),
        (
            json!({ "trigger_type": "schedule", "schedule_type": "cron", "cron_expression": "* *" }),
            vec!["/cron_expression"],
        ),
    ] {
        let mut body = json!({ "name": "t", "bot_id": bot, "flow_id": flow });
        body.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        assert_eq!(faults(body).await, pointers);
    }
}
