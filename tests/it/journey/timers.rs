//! Time: waits, time-outs, and what happens to them over a restart. The clock is moved by hand.

use std::time::Duration;

use serde_json::json;
use tests::each_database;

use super::{ADA, PATIENCE, StillStage, ask, say, say_then, until};

each_database! {
    async fn a_wait_ends_when_its_time_has_come_and_not_before(stage: StillStage) {
        let stage = stage.0;
        stage.flow("hi", json!([
            say_then("now", 1),
            { "type": "wait", "config": { "duration": 5, "unit": "minutes", "next": 2 } },
            say("five minutes later"),
        ])).await;
        stage.say("hi").await;
        assert_eq!(stage.answers(1).await, ["now"]);
        assert_eq!(stage.executions().await[0]["status"], "waiting_timer");
        stage.app.advance(Duration::from_secs(299));
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 1);
        stage.app.advance(Duration::from_secs(1));
        assert_eq!(stage.answers(2).await[1], "five minutes later");
        assert_eq!(stage.executions().await[0]["status"], "completed");
    }

    async fn a_question_times_out_and_an_answer_stops_the_clock(stage: StillStage) {
        let stage = stage.0;
        stage.flow("hi", json!([
            { "type": "ask", "config": {
                "message_type": "text", "content": { "text": "?" }, "store_in": "state.a",
                "timeout": { "duration": 1, "unit": "hours" }, "timeout_path": 2, "next": 1 } },
            say("thanks"),
            say("too late"),
        ])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        stage.say("answer").await;
        assert_eq!(stage.answers(2).await[1], "thanks");
        stage.app.advance(Duration::from_secs(3_600));
        stage.say("hi").await;
        stage.answers(3).await;
        stage.app.advance(Duration::from_secs(3_600));
        assert_eq!(stage.answers(4).await[3], "too late");
        stage.say("nobody waits").await;
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 4);
    }

    async fn many_timers_of_the_same_moment_all_fire_once(stage: StillStage) {
        let stage = stage.0;
        let flow = stage.flow("hi", json!([
            { "type": "wait", "config": { "duration": 23, "unit": "hours", "next": 1 } },
            say("a day later"),
        ])).await;
        for n in 0..300 {
            let start = json!({ "flow_id": flow, "contact_phone": format!("1650557{n:04}"), "bot_id": stage.bot });
            stage.api.post("/flows/execute", start).await;
        }
        stage.at_rest().await;
        stage.app.advance(Duration::from_secs(86_400));
        stage.emulator.wait_for(300, PATIENCE).await.unwrap();
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 300);
    }

    async fn a_timer_goes_on_while_messages_come_and_go(stage: StillStage) {
        let stage = stage.0;
        stage.flow("remind", json!([
            { "type": "wait", "config": { "duration": 10, "unit": "minutes", "next": 1 } },
            say("reminder"),
        ])).await;
        stage.flow("hi", json!([ask("name?", "state.name", 1), say("hello {{ state.name }}")])).await;
        stage.say("remind me").await;
        stage.say("hi").await;
        stage.answers(1).await;
        stage.app.advance(Duration::from_secs(600));
        assert_eq!(stage.answers(2).await[1], "reminder");
        stage.say("Ada").await;
        assert_eq!(stage.answers(3).await[2], "hello Ada");
        let total = &stage.api.get(&format!("/flows/executions/contact/{ADA}")).await["total"];
        assert_eq!(total, 2);
    }

    async fn a_timer_of_a_bot_that_is_switched_off_waits_for_it(stage: StillStage) {
        let stage = stage.0;
        stage.flow("hi", json!([{ "type": "wait", "config": { "duration": 1, "unit": "minutes", "next": 1 } }, say("done")])).await;
        stage.say("hi").await;
        stage.at_rest().await;
        let switch = async |on: bool| {
            stage.api.put(&format!("/bots/{}", stage.bot), json!({ "name": "Bot", "is_active": on })).await;
        };
        switch(false).await;
        stage.app.advance(Duration::from_secs(60));
        until("the timer was put off", async || {
            let next = stage.app.db().read().await.unwrap().next_ready_at().await.unwrap();
            next.is_some_and(|at| at > stage.app.clock().now())
        }).await;
        assert_eq!(stage.emulator.count(), 0);
        switch(true).await;
        stage.app.advance(Duration::from_secs(600));
        assert_eq!(stage.answers(1).await, ["done"]);
    }
}
