//! Opting out and in: by word, in WhatsApp's settings, by Meta's refusal, by API.

use emulator::{Failure, Inbound, Signature};
use serde_json::{Value, json};
use tests::{Method, each_database};

use super::{ADA, BOB, Stage, ask, say, until};

impl Stage {
    async fn settings(&self, settings: Value) -> Value {
        self.api.put(&format!("/bots/{}", self.bot), settings).await
    }

    async fn person(&self, phone: &str) -> Value {
        self.api.get(&format!("/flows/contacts/?bot_id={}&q={phone}", self.bot)).await["items"][0].clone()
    }

    async fn consents(&self, phone: &str) -> Vec<Value> {
        let id = self.person(phone).await["id"].clone();
        self.api.get(&format!("/flows/contacts/{id}/consents")).await["items"].as_array().unwrap().clone()
    }

    /// Flows that count the events.
    async fn watch(&self) {
        for event_type in ["opt_out", "opt_in"] {
            let flow =
                json!({ "bot_id": self.bot, "name": event_type, "nodes": [say(&format!("event: {event_type}"))] });
            let flow = self.api.post("/bots/flows/", flow).await;
            let trigger = json!({
                "name": event_type, "bot_id": self.bot, "flow_id": flow["id"], "trigger_type": "event", "event_type": event_type,
            });
            self.api.post("/triggers/", trigger).await;
        }
    }

    /// What Ada was told, in order, once nothing is on its way.
    async fn told(&self, phone: &str, n: usize) -> Vec<String> {
        until(&format!("{n} messages"), async || self.emulator.sent_to(phone).len() >= n).await;
        self.at_rest().await;
        self.emulator.sent_to(phone).into_iter().map(|sent| sent.text).collect()
    }

    /// A person's choice in WhatsApp's settings, as Meta reports it.
    async fn prefers(&self, phone: &str, value: &str, at: i64, sent_at: i64) {
        let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "time": sent_at, "changes": [{
            "field": "user_preferences", "value": {
                "messaging_product": "whatsapp",
                "metadata": { "display_phone_number": "1", "phone_number_id": self.emulator.number().phone_number_id },
                "contacts": [{ "profile": { "name": "Ada" }, "wa_id": phone }],
                "user_preferences": [{
                    "wa_id": phone, "detail": "in words", "category": "marketing_messages", "value": value, "timestamp": at,
                }],
            } }] }] });
        let answer = self.emulator.post_raw(body.to_string().as_bytes(), Signature::Valid).await.unwrap();
        assert_eq!(answer.0, 200, "{}", answer.1);
    }

    async fn post_template(&self, name: &str) -> tests::Answer {
        let path = format!("/whatsapp/send/template?bot_id={}", self.bot);
        self.api
            .send(Method::POST, &path, Some(&json!({ "to": ADA, "template_name": name, "language_code": "en" })))
            .await
    }

    /// Meta says that a template is for marketing.
    async fn know_marketing(&self, name: &str) {
        let mut tx = self.app.db().begin().await.unwrap();
        let template = storage::NewMessageTemplate {
            meta_id: "7".into(),
            name: name.into(),
            language: "en".into(),
            category: "MARKETING".into(),
            status: "APPROVED".into(),
            reason: None,
            quality: None,
            is_named: false,
            components: json!([]),
        };
        let now = self.app.clock().now();
        tx.replace_message_templates(domain::BotId(self.bot), "W", &[template], now, now).await.unwrap();
        tx.commit().await.unwrap();
    }
}

each_database! {
    async fn a_stop_word_opts_out_and_goes_before_the_flows(stage: Stage) {
        stage.settings(json!({ "opt_out_reply": "You get nothing more.", "opt_in_reply": "Welcome back." })).await;
        stage.watch().await;
        stage.flow("quiz", json!([ask("Ready?", "state.a", 1), say("you said {{ state.a }}")])).await;
        let every = json!({ "bot_id": stage.bot, "name": "every", "nodes": [say("you said {{ message.text }}")] });
        let every = stage.api.post("/bots/flows/", every).await;
        stage.api.post("/triggers/", json!({
            "name": "every", "bot_id": stage.bot, "flow_id": every["id"], "trigger_type": "event",
            "event_type": "message_received", "interrupt": true, "event_conditions": { "message.text": { "contains": "top" } },
        })).await;
        stage.flow("start", json!([say("started")])).await;
        stage.say("quiz").await;
        assert_eq!(stage.told(ADA, 1).await, ["Ready?"]);

        let stop = Inbound::text(ADA, " Stop\n").wamid("wamid.stop");
        for delivery in [stop.clone(), stop] {
            stage.emulator.say_with(delivery).delivered().await.unwrap();
        }
        let mut told = stage.told(ADA, 3).await.split_off(1);
        told.sort_unstable();
        assert_eq!(told, ["You get nothing more.", "event: opt_out"]);
        let quiz = &stage.executions().await.into_iter().find(|e| e["status"] == "cancelled").unwrap();
        let log = stage.api.get(&format!("/flows/executions/{}/logs", quiz["id"])).await;
        assert!(log.to_string().contains("the contact wrote a stop word"), "{log}");
        let ada = stage.person(ADA).await;
        assert_eq!((&ada["opted_in"], &ada["opted_in_source"]), (&json!(false), &json!("keyword")));
        let history = stage.consents(ADA).await;
        assert_eq!((history.len(), &history[0]["source"], &history[0]["opted_in"]), (1, &json!("keyword"), &json!(false)));
        assert_eq!(history[0]["detail"], " Stop\n");
        assert_eq!(ada["opted_in_changed_at"], history[0]["at"]);

        // Again: no change, no event, and still for no flow.
        stage.say("STOP").await;
        stage.at_rest().await;
        assert_eq!((stage.emulator.count(), stage.consents(ADA).await.len()), (3, 1));
        // Other words are for the flows, as ever, and a trigger that names a stop word gets it.
        stage.say("quiz").await;
        assert_eq!(stage.told(ADA, 4).await[3], "Ready?");
        stage.say("don't stop").await;
        assert_eq!(stage.told(ADA, 5).await[4], "you said don't stop");
        stage.flow("unsubscribe", json!([say("as you wish")])).await;
        stage.say("Unsubscribe").await;
        assert_eq!(stage.told(ADA, 6).await[5], "as you wish");
    }

    async fn a_start_word_means_something_to_those_who_opted_out_and_is_a_message_all_the_same(stage: Stage) {
        stage.settings(json!({ "opt_in_reply": "Welcome back." })).await;
        stage.watch().await;
        stage.flow("start", json!([say("started")])).await;
        stage.say("start").await;
        assert_eq!(stage.told(ADA, 1).await, ["started"]);
        stage.say("stop").await;
        assert_eq!(stage.told(ADA, 2).await[1], "event: opt_out");
        stage.say("Start").await;
        let mut told = stage.told(ADA, 5).await.split_off(2);
        told.sort_unstable();
        assert_eq!(told, ["Welcome back.", "event: opt_in", "started"]);
        assert_eq!(stage.person(ADA).await["opted_in"], true);
        let sources: Vec<Value> = stage.consents(ADA).await.iter().map(|c| c["opted_in"].clone()).collect();
        assert_eq!(sources, [json!(true), json!(false)]);
    }

    async fn a_bot_may_have_its_own_words_or_none(stage: Stage) {
        let own = stage.settings(json!({ "stop_words": { "xx": ["Genug!"] } })).await;
        assert_eq!(own["stop_words"], json!({ "xx": ["Genug!"] }));
        stage.flow("stop", json!([say("not a word here")])).await;
        // Routes are believed for a second.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        stage.say("stop").await;
        assert_eq!(stage.told(ADA, 1).await, ["not a word here"]);
        stage.say("GENUG!").await;
        until("opted out", async || stage.person(ADA).await["opted_in"] == false).await;
        let none = stage.settings(json!({ "stop_words": {}, "start_words": {} })).await;
        assert_eq!((&none["stop_words"], &none["start_words"]), (&json!({}), &json!({})));
        let usual = stage.settings(json!({ "stop_words": null })).await;
        assert!(usual["stop_words"]["en"].as_array().unwrap().contains(&json!("stop")), "{usual}");
        assert_eq!(stage.settings(json!({ "stop_words": usual["stop_words"] })).await["stop_words"], usual["stop_words"]);
    }

    async fn a_choice_in_whatsapp_counts_once_and_in_order(stage: Stage) {
        stage.watch().await;
        stage.prefers(ADA, "stop", 1_700_000_100, 1_700_000_101).await;
        assert_eq!(stage.told(ADA, 1).await, ["event: opt_out"]);
        let ada = stage.person(ADA).await;
        assert_eq!((&ada["opted_in"], &ada["opted_in_source"]), (&json!(false), &json!("user_preferences")));
        assert_eq!(ada["opted_in_changed_at"], "2023-11-14T22:15:00Z");
        // Meta repeats itself, and delivers late what was overtaken.
        stage.prefers(ADA, "stop", 1_700_000_100, 1_700_000_101).await;
        stage.prefers(ADA, "resume", 1_700_000_050, 1_700_000_102).await;
        assert_eq!(stage.person(ADA).await["opted_in"], false);
        stage.prefers(ADA, "resume", 1_700_000_200, 1_700_000_201).await;
        assert_eq!(stage.told(ADA, 2).await, ["event: opt_out", "event: opt_in"]);
        assert_eq!(stage.consents(ADA).await.len(), 2);
        // Somebody who never wrote.
        stage.prefers(BOB, "stop", 1_700_000_100, 1_700_000_103).await;
        assert_eq!(stage.person(BOB).await["opted_in"], false);
    }

    async fn metas_refusal_opts_out_at_once_or_later(stage: Stage) {
        stage.watch().await;
        stage.emulator.fail_next(1, Failure::code(131_050));
        assert_eq!(stage.post_template("sale").await.problem(502)["code"], 131_050);
        assert_eq!(stage.told(ADA, 1).await, ["event: opt_out"]);
        assert_eq!(stage.person(ADA).await["opted_in_source"], "meta_error");
        let id = stage.person(ADA).await["id"].clone();
        stage.api.put(&format!("/flows/contacts/{id}"), json!({ "opted_in": true })).await;
        assert_eq!(stage.told(ADA, 2).await[1], "event: opt_in");
        stage.emulator.fail_next(1, Failure::FailLater { code: 131_050 });
        stage.post_template("sale").await.must_be(200);
        until("opted out", async || stage.person(ADA).await["opted_in"] == false).await;
        let sources: Vec<Value> = stage.consents(ADA).await.into_iter().map(|c| c["source"].clone()).collect();
        assert_eq!(sources, ["meta_error", "api", "meta_error"]);
        let told = stage.told(ADA, 4).await;
        assert_eq!(told.iter().filter(|text| *text == "event: opt_out").count(), 2, "{told:?}");
    }

    async fn marketing_is_refused_by_api_and_in_flows_once_it_is_known_to_be_that(stage: Stage) {
        stage.say("stop").await;
        until("opted out", async || stage.person(ADA).await["opted_in"] == false).await;
        // Not known yet: Meta has the last word.
        stage.post_template("sale").await.must_be(200);
        stage.know_marketing("sale").await;
        assert_eq!(stage.post_template("sale").await.problem(409)["type"], "/problems/opted-out");
        stage.post_template("bill").await.must_be(200);
        assert_eq!(stage.emulator.count(), 2);
        stage.flow("offer", json!([
            { "type": "send_message", "config": { "message_type": "template", "error_path": 1,
                "content": { "name": "sale", "language": "en" } } },
            say("{{ state.send_error_code }}"),
        ])).await;
        stage.say("offer").await;
        assert_eq!(stage.told(ADA, 3).await[2], "opted_out");
        stage.say("start").await;
        until("opted in", async || stage.person(ADA).await["opted_in"] == true).await;
        stage.post_template("sale").await.must_be(200);
    }
}

#[tokio::test]
async fn every_faulty_word_is_named() {
    let app = tests::TestApp::with(tests::TestDatabase::sqlite(), |_| {}).await;
    let ada = app.api().registered("ada").await;
    let long = "x".repeat(51);
    let wrong = json!({
        "name": "b", "stop_words": { "en": ["stop", "", 7, long], "a b": [], "de": "stopp" }, "start_words": ["start"],
        "opt_out_reply": "x".repeat(1_025), "mark_as_read": "yes", "typing_indicator": 1,
    });
    let all = [
        "/mark_as_read",
        "/opt_out_reply",
        "/start_words",
        "/stop_words/a b",
        "/stop_words/de",
        "/stop_words/en/1",
        "/stop_words/en/2",
        "/stop_words/en/3",
        "/typing_indicator",
    ];
    assert_eq!(ada.send(Method::POST, "/bots/", Some(&wrong)).await.faults(), all);
    let many: Vec<String> = (0..501).map(|n| format!("word {n}")).collect();
    let wrong = json!({ "name": "b", "stop_words": { "en": many } });
    assert_eq!(ada.send(Method::POST, "/bots/", Some(&wrong)).await.faults(), ["/stop_words"]);
    ada.send(Method::GET, "/flows/contacts/999/consents", None).await.problem(404);
}
