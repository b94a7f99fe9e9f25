//! The templates that come with the server, each played from its first to its last word.

use emulator::Inbound;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, PATIENCE, Stage};

/// What Ada does.
enum Turn {
    Types(&'static str),
    /// Taps a button: id and title.
    Taps(&'static str, &'static str),
    /// Chooses a row of a list: id and title.
    Chooses(&'static str, &'static str),
}
use Turn::{Chooses, Taps, Types};

impl Stage {
    /// Makes a flow of a template and plays it: each turn with the messages that answer it. The first turn starts the
    /// flow. Returns the execution.
    async fn play(&self, template: &str, turns: &[(Turn, &[&str])]) -> Value {
        let all = self.api.get("/bots/templates/?is_builtin=true").await;
        let found = all["items"].as_array().unwrap().iter().find(|item| item["name"] == template);
        let found = found.unwrap_or_else(|| panic!("no {template} in {all}"));
        let path = format!("/bots/templates/{}/instantiate", found["id"]);
        let flow = self.api.post(&path, json!({ "bot_id": self.bot, "name": template })).await;
        assert_eq!((&flow["issues"], &flow["version"]), (&json!([]), &json!(1)), "{template}");
        self.api
            .post(
                "/triggers/",
                json!({
                    "name": template, "bot_id": self.bot, "flow_id": flow["id"], "trigger_type": "keyword",
                    "keywords": ["start"],
                }),
            )
            .await;
        let mut heard = 0;
        for (turn, answers) in turns {
            let message = match turn {
                Types(text) => Inbound::text(ADA, text),
                Taps(id, title) => Inbound::button_reply(ADA, id, title),
                Chooses(id, title) => Inbound::list_reply(ADA, id, title),
            };
            self.emulator.say_with(message.named("Ada Lovelace")).delivered().await.unwrap();
            self.emulator.wait_for_to(ADA, heard + answers.len(), PATIENCE).await.unwrap();
            self.at_rest().await;
            let said: Vec<_> = self.emulator.sent_to(ADA).into_iter().skip(heard).map(|sent| sent.text).collect();
            assert_eq!(said.len(), answers.len(), "{said:?}");
            for (said, wanted) in said.iter().zip(*answers) {
                assert!(said.starts_with(wanted), "{said:?} is not {wanted:?}");
            }
            heard += answers.len();
        }
        let execution = self.executions().await[0].clone();
        assert_eq!(execution["status"], "completed", "{execution}");
        execution
    }
}

each_database! {
    async fn welcome_and_menu(stage: Stage) {
        stage.play("Welcome and menu", &[
            (Types("start"), &["Hello Ada, welcome!", "What can we do for you?"]),
            (Taps("hours", "Opening hours"), &["We are here", "What can"]),
            (Types("perhaps"), &["Please choose", "What can"]),
            (Taps("prices", "Prices"), &["Our prices", "What can"]),
            (Taps("bye", "Nothing, thanks"), &["All right."]),
        ]).await;
    }

    async fn lead_capture(stage: Stage) {
        let execution = stage.play("Lead capture", &[
            (Types("start"), &["Great"]),
            (Types("Ada"), &["Nice to meet you, Ada."]),
            (Types("not at all"), &["That does not look like", "Nice to meet you"]),
            (Types(" ada@example.com "), &["And what"]),
            (Types("engines"), &["Thank you, Ada! We will write to ada@example.com about: engines"]),
        ]).await;
        assert_eq!((&execution["state"]["name"], &execution["state"]["interest"]), (&json!("Ada"), &json!("engines")));
    }

    async fn appointment(stage: Stage) {
        stage.play("Appointment", &[
            (Types("start"), &["Which appointment"]),
            (Chooses("repair", "Repair"), &["On which day"]),
            (Types("Monday"), &["And at what time?"]),
            (Types("noon"), &["Repair on Monday at noon: is that right?"]),
            (Taps("no", "No, change it"), &["Which appointment"]),
            (Chooses("checkup", "Check-up"), &["On which day"]),
            (Types("Tuesday"), &["And at what time?"]),
            (Types("9:00"), &["Check-up on Tuesday at 9:00: is that right?"]),
            (Taps("yes", "Yes"), &["Thank you! We have noted Check-up on Tuesday at 9:00."]),
        ]).await;
    }

    async fn feedback_of_the_happy(stage: Stage) {
        stage.play("Feedback", &[
            (Types("start"), &["How satisfied"]),
            (Types("eleven"), &["Please choose", "How satisfied"]),
            (Chooses("4", "Satisfied"), &["We are glad!"]),
        ]).await;
    }

    async fn feedback_of_the_unhappy(stage: Stage) {
        let execution = stage.play("Feedback", &[
            (Types("start"), &["How satisfied"]),
            (Types(" 2 "), &["We are sorry."]),
            (Types("too slow"), &["Thank you for being frank, Ada."]),
        ]).await;
        assert_eq!(execution["state"]["reason"], "too slow");
    }

    async fn support_handoff(stage: Stage) {
        let execution = stage.play("Support handoff", &[
            (Types("start"), &["Hello Ada, what can we help you with?"]),
            (Types("It is broken"), &["How urgent"]),
            (Taps("high", "Very urgent"), &["Your request has the number "]),
        ]).await;
        assert_eq!(execution["state"]["problem"], "It is broken");
        let ticket = execution["state"]["ticket"].as_str().unwrap();
        assert!(stage.emulator.sent().pop().unwrap().text.contains(&format!("{ticket}. Somebody will write to you within the hour")));
    }
}
