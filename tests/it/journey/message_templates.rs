//! Message templates: fetched from Meta, kept up to date, and checked before a send.

use std::time::Duration;

use emulator::Reads;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, Stage, ask, say, until};

/// A stage whose account has a template `order` (`Hi {{1}}, {{2}}`) in English.
async fn with_order(stage: &Stage) {
    stage.emulator.put_template(&json!({
        "name": "order", "language": "en_US", "category": "UTILITY",
        "components": [{ "type": "BODY", "text": "Hi {{1}}, {{2}}" }, { "type": "FOOTER", "text": "Bye" }],
    }));
    let account = json!({ "whatsapp_business_account_id": stage.emulator.number().waba_id });
    stage.api.put(&format!("/bots/{}", stage.bot), account).await;
}

fn body(values: &[&str]) -> Value {
    let parameters: Vec<Value> = values.iter().map(|value| json!({ "type": "text", "text": value })).collect();
    json!([{ "type": "body", "parameters": parameters }])
}

impl Stage {
    async fn templates(&self, more: &str) -> Value {
        self.api.get(&format!("/whatsapp/templates?bot_id={}{more}", self.bot)).await
    }

    async fn send_template(&self, name: &str, language: &str, components: Value) -> tests::Answer {
        let send = json!({ "to": ADA, "template_name": name, "language_code": language, "components": components });
        let path = format!("/whatsapp/send/template?bot_id={}", self.bot);
        self.api.send(tests::Method::POST, &path, Some(&send)).await
    }
}

each_database! {
    async fn the_list_is_fetched_once_and_kept(stage: Stage) {
        with_order(&stage).await;
        for n in 0..70 {
            stage.emulator.put_template(&json!({ "name": format!("t{n:02}"), "category": "MARKETING" }));
        }
        let list = stage.templates("&limit=1000").await;
        assert_eq!((&list["total"], list["items"].as_array().unwrap().len()), (&json!(71), 71));
        let order = &list["items"][0];
        assert_eq!((&order["name"], &order["status"], &order["quality"]), (&json!("order"), &json!("APPROVED"), &json!("GREEN")));
        assert_eq!((&order["category"], &order["parameter_format"]), (&json!("UTILITY"), &json!("POSITIONAL")));
        assert_eq!(order["components"][1]["text"], "Bye");
        assert_eq!(order["synced_at"], list["synced_at"]);
        let reads = stage.emulator.template_reads();
        assert_eq!(stage.templates("&category=marketing&limit=10").await["total"], 70);
        assert_eq!(stage.templates("&name=order&language=de").await["total"], 0);
        assert_eq!(stage.emulator.template_reads(), reads, "nothing is asked again");
        // What changes at Meta without a word comes with the next fetch.
        stage.emulator.put_template(&json!({ "name": "order", "components": [] }));
        let list = stage.templates("&name=order&refresh=true").await;
        assert_eq!(list["items"][0]["components"], json!([]));
    }

    async fn many_who_want_the_list_wait_for_one_fetch(stage: Stage) {
        with_order(&stage).await;
        stage.emulator.set_reads(Reads { code: None, delay_ms: 300 });
        let asking: Vec<_> = (0..8)
            .map(|_| {
                let (api, path) = (stage.api.clone(), format!("/whatsapp/templates?bot_id={}&refresh=true", stage.bot));
                tokio::spawn(async move { api.get(&path).await["total"].clone() })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap(), 1);
        }
        assert_eq!(stage.emulator.template_reads(), 1);
    }

    async fn a_failure_is_told_and_keeps_what_is_known(stage: Stage) {
        with_order(&stage).await;
        stage.emulator.set_reads(Reads { code: Some(190), delay_ms: 0 });
        let path = format!("/whatsapp/templates?bot_id={}", stage.bot);
        let problem = stage.api.send(tests::Method::GET, &path, None).await.problem(502);
        assert_eq!((&problem["type"], &problem["code"]), (&json!("/problems/refused-by-meta"), &json!(190)));
        stage.emulator.set_reads(Reads::default());
        assert_eq!(stage.templates("").await["total"], 1);
        stage.emulator.set_reads(Reads { code: Some(80_008), delay_ms: 0 });
        let refresh = format!("{path}&refresh=true");
        assert_eq!(stage.api.send(tests::Method::GET, &refresh, None).await.problem(502)["code"], 80_008);
        let list = stage.templates("").await;
        assert_eq!(list["total"], 1);
        assert!(list["synced_at"].is_string() && list["sync_error"].as_str().unwrap().contains("80008"), "{list}");
        // Another account has nothing of it.
        stage.api.put(&format!("/bots/{}", stage.bot), json!({ "whatsapp_business_account_id": "7" })).await;
        stage.emulator.set_reads(Reads::default());
        assert_eq!(stage.api.send(tests::Method::GET, &path, None).await.problem(502)["code"], 100);
        stage.api.put(&format!("/bots/{}", stage.bot), json!({ "whatsapp_business_account_id": null })).await;
        stage.api.send(tests::Method::GET, &path, None).await.problem(409);
    }

    async fn parameters_that_do_not_fit_are_refused_before_sending(stage: Stage) {
        with_order(&stage).await;
        stage.templates("").await;
        for (components, pointer) in [
            (body(&["Ada"]), "/components/0/parameters"),
            (json!([]), "/components"),
            (json!([{ "type": "header", "parameters": [{ "type": "text", "text": "x" }] }, body(&["a", "b"])[0]]), "/components/0"),
        ] {
            assert_eq!(stage.send_template("order", "en_US", components).await.faults(), [pointer]);
        }
        let wrong = stage.send_template("order", "de", body(&["a", "b"])).await;
        assert_eq!(wrong.faults(), ["/language_code"]);
        assert!(wrong.json()["detail"].as_str().unwrap().contains("en_US"));
        assert_eq!(stage.emulator.refusals().len(), 0, "Meta was not asked");
        stage.send_template("order", "en_US", body(&["Ada", "x"])).await.must_be(200);
    }

    async fn a_template_that_is_not_known_is_for_meta_to_judge(stage: Stage) {
        with_order(&stage).await;
        // Nothing is known of this bot's templates yet. The first send makes it look, which takes longer than the send.
        stage.emulator.set_reads(Reads { code: None, delay_ms: 1_000 });
        let problem = stage.send_template("order", "en_US", body(&["Ada"])).await.problem(502);
        assert_eq!(problem["code"], 132_000);
        until("the list is fetched", async || stage.emulator.template_reads() > 0).await;
        until("the list is known", async || stage.send_template("order", "en_US", body(&["Ada"])).await.status == 422).await;
        assert_eq!(stage.send_template("other", "en_US", json!([])).await.problem(502)["code"], 132_001);
        assert_eq!(stage.emulator.refusals().get(&132_001), Some(&1));
    }

    async fn webhooks_keep_the_list_up_to_date_and_pause_what_would_fail(stage: Stage) {
        with_order(&stage).await;
        stage.templates("").await;
        let reads = stage.emulator.template_reads();
        stage.emulator.set_template_status("order", "en_US", "PAUSED", Some("LOW_QUALITY")).delivered().await.unwrap();
        stage.emulator.set_template_quality("order", "en_US", "RED").delivered().await.unwrap();
        stage.emulator.set_template_category("order", "en_US", "MARKETING").delivered().await.unwrap();
        let order = stage.templates("").await["items"][0].clone();
        assert_eq!((&order["status"], &order["reason"]), (&json!("PAUSED"), &json!("LOW_QUALITY")));
        assert_eq!((&order["quality"], &order["category"]), (&json!("RED"), &json!("MARKETING")));
        let problem = stage.send_template("order", "en_US", body(&["a", "b"])).await.problem(409);
        assert_eq!((&problem["type"], &problem["template_status"]), (&json!("/problems/template-blocked"), &json!("PAUSED")));
        assert_eq!(stage.emulator.refusals().len(), 0, "Meta was not asked");

        stage.emulator.set_template_status("order", "en_US", "APPROVED", None).delivered().await.unwrap();
        let order = stage.templates("").await["items"][0].clone();
        assert_eq!((&order["status"], &order["reason"]), (&json!("APPROVED"), &json!(null)));
        stage.send_template("order", "en_US", body(&["a", "b"])).await.must_be(200);
        assert_eq!(stage.emulator.template_reads(), reads, "all of it without asking Meta");

        // One that was not there before makes the list old; it is fetched in the background.
        stage.emulator.put_template(&json!({ "name": "new", "status": "PENDING" }));
        stage.emulator.set_template_status("new", "en_US", "APPROVED", None).delivered().await.unwrap();
        until("the new one is listed", async || stage.templates("").await["total"] == 2).await;
        stage.emulator.put_template(&json!({ "name": "new", "components": [{ "type": "BODY", "text": "other" }] }));
        let changed = json!({ "message_template_name": "new", "message_template_language": "en_US" });
        stage.emulator.emit("message_template_components_update", &changed).delivered().await.unwrap();
        until("its new text is there", async || {
            stage.templates("&name=new").await["items"][0]["components"][0]["text"] == "other"
        }).await;
    }

    async fn in_a_flow_a_template_that_cannot_go_fails_with_its_reason(stage: Stage) {
        with_order(&stage).await;
        stage.templates("").await;
        let send = |components: Value| json!({ "type": "send_message", "config": { "message_type": "template", "content": {
            "name": "order", "language": { "code": "en_US" }, "components": components } } });
        stage.flow("short", json!([send(body(&["{{ message.text }}"]))])).await;
        stage.flow("full", json!([send(body(&["a", "{{ message.text }}"]))])).await;
        stage.say("short").await;
        until("it has failed", async || {
            stage.history("outbound").await.first().is_some_and(|message| message["status"] == "failed")
        }).await;
        let message = stage.history("outbound").await[0].clone();
        assert_eq!(message["error"]["errors"][0]["pointer"], "/components/0/parameters", "{message}");
        stage.emulator.set_template_status("order", "en_US", "DISABLED", None).delivered().await.unwrap();
        stage.say("full").await;
        until("it has failed, too", async || {
            stage.history("outbound").await.get(1).is_some_and(|message| message["status"] == "failed")
        }).await;
        let title = stage.history("outbound").await[1]["error"]["title"].clone();
        assert!(title.as_str().unwrap().contains("disabled"), "{title}");
        assert_eq!((stage.emulator.count(), stage.emulator.refusals().len()), (0, 0), "Meta was not asked");
    }

    async fn in_a_flow_a_template_that_cannot_go_leads_to_the_error_path(stage: Stage) {
        with_order(&stage).await;
        stage.templates("").await;
        stage.emulator.set_template_status("order", "en_US", "PAUSED", None).delivered().await.unwrap();
        let content = json!({ "name": "order", "language": { "code": "en_US" }, "components": body(&["a", "b"]) });
        let send = json!({ "type": "send_message", "config": {
            "message_type": "template", "content": content, "next": 1, "error_path": 2 } });
        stage.flow("hi", json!([send, ask("Well?", "state.x", 2), say("plan B")])).await;
        stage.say("hi").await;
        until("plan B is said", async || stage.emulator.sent_to(ADA).iter().any(|sent| sent.text == "plan B")).await;
        let execution = stage.executions().await[0]["id"].clone();
        let log = stage.api.get(&format!("/flows/executions/{execution}/logs")).await;
        let failed = log["items"].as_array().unwrap().iter().find(|step| step["event"] == "message_failed").unwrap();
        assert_eq!(failed["detail"]["exit"], "error_path", "{log}");
        assert!(failed["detail"]["title"].as_str().unwrap().contains("paused"), "{log}");
    }

    async fn templates_of_others_are_not_there(stage: Stage) {
        with_order(&stage).await;
        let eve = stage.app.api().registered("eve").await;
        let path = format!("/whatsapp/templates?bot_id={}", stage.bot);
        eve.send(tests::Method::GET, &path, None).await.problem(404);
        let without = stage.api.send(tests::Method::GET, "/whatsapp/templates", None).await;
        assert_eq!(without.faults(), ["/query/bot_id"]);
        assert_eq!(stage.api.send(tests::Method::GET, &format!("{path}&refresh=maybe"), None).await.faults(), ["/query/refresh"]);
    }
}

#[tokio::test]
async fn an_old_list_is_fetched_again_when_it_is_used() {
    let year = Duration::from_secs(366 * 86_400);
    let stage = Stage::set(tests::TestDatabase::sqlite(), true, |c| c.auth.access_token_lifetime = year).await;
    with_order(&stage).await;
    stage.templates("").await;
    stage.app.advance(Duration::from_secs(3_500));
    stage.templates("").await;
    assert_eq!(stage.emulator.template_reads(), 1);
    stage.app.advance(Duration::from_secs(200));
    stage.emulator.put_template(&json!({ "name": "new" }));
    until("it is fetched again", async || stage.templates("").await["total"] == 2).await;
    // After a failure Meta is left alone for a while.
    stage.app.advance(Duration::from_secs(3_700));
    stage.emulator.set_reads(Reads { code: Some(80_008), delay_ms: 0 });
    until("it failed", async || stage.templates("").await["sync_error"].is_string()).await;
    stage.emulator.set_reads(Reads::default());
    let reads = stage.emulator.template_reads();
    for _ in 0..5 {
        stage.templates("").await;
    }
    assert_eq!(stage.emulator.template_reads(), reads);
    stage.app.advance(Duration::from_secs(301));
    until("it is fetched again", async || stage.templates("").await["sync_error"].is_null()).await;
}
