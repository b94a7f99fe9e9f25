//! Plugins at work in flows and triggers, with real components from `plugins/build`.

mod context;
mod troubles;
mod waits;

use serde_json::{Value, json};
use server::config::EgressRule;
use tests::{Method, OnDatabase, TestDatabase, each_database, guest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{ADA, BOB, PATIENCE, Stage, say, until};

/// A [`Stage`] that compiles plugins with the program under test and lets them call this machine.
struct PluginStage(Stage);

impl OnDatabase for PluginStage {
    async fn on(database: TestDatabase) -> Self {
        Self(Stage::set(database, false, open).await)
    }
}

/// The same with a clock that is moved by hand.
struct StillPluginStage(Stage);

impl OnDatabase for StillPluginStage {
    async fn on(database: TestDatabase) -> Self {
        Self(Stage::set(database, true, open).await)
    }
}

fn open(config: &mut server::config::Config) {
    config.egress.allow = vec![EgressRule::Net("127.0.0.1/32".parse().unwrap())];
    config.plugins.compiler = Some(env!("CARGO_BIN_EXE_chatboost-under-test").into());
}

impl Stage {
    /// Uploads a component and grants it all it wants for the bot.
    async fn plugin(&self, name: &str, grant: Option<Value>) {
        let answer = self.api.send_raw(Method::POST, "/plugins", Some(("application/wasm", guest(name)))).await;
        answer.must_be(201);
        if let Some(grant) = grant {
            self.api.put(&format!("/plugins/{name}/grants/{}", self.bot), grant).await;
        }
    }

    /// A flow, with all its issues.
    async fn flow_of(&self, nodes: Value) -> Value {
        self.api.post("/bots/flows/", json!({ "bot_id": self.bot, "name": "f", "nodes": nodes })).await
    }

    async fn logs(&self, trigger: &Value) -> Vec<Value> {
        self.api.get(&format!("/triggers/{}/logs", trigger["id"])).await["items"].as_array().unwrap().clone()
    }
}

fn counting() -> Value {
    json!({ "kv": { "contact": true } })
}

/// Asks for a number, and says which.
fn asking() -> Value {
    json!([
        { "type": "waiting/ask-number", "config": {
            "question": "How old are you, {{ contact.name }}?", "store_in": "state.age", "attempts": 2,
            "exits": { "answered": 1, "given_up": 2, "error": 2 } } },
        say("{{ state.age }} is a good age"),
        say("never mind"),
    ])
}

each_database! {
    async fn a_node_asks_again_until_it_has_its_answer(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("waiting", None).await;
        stage.flow("age", asking()).await;
        stage.say("age").await;
        assert!(stage.answers(1).await[0].starts_with("How old are you"));
        until("it waits", async || stage.executions().await[0]["status"] == "waiting_input").await;
        stage.say("none of your business").await;
        assert_eq!(stage.answers(2).await[1], "Please write a number, such as 42.");
        stage.say("36").await;
        assert_eq!(stage.answers(3).await[2], "36 is a good age");
        let execution = &stage.executions().await[0];
        assert_eq!((&execution["status"], &execution["state"]["age"]), (&json!("completed"), &json!(36)));
        let logs = stage.api.get(&format!("/flows/executions/{}/logs", execution["id"])).await;
        let events: Vec<_> = logs["items"].as_array().unwrap().iter().map(|step| step["event"].as_str().unwrap().to_owned()).collect();
        assert_eq!(events, ["started", "called", "waits", "called", "waits", "called", "returned", "sent", "completed"]);
        assert_eq!(logs["items"][1]["type"], "waiting/ask-number");
    }

    async fn a_flow_is_checked_against_the_plugin_and_pinned_when_it_is_published(stage: PluginStage) {
        let stage = stage.0;
        let unknown = stage.flow_of(asking()).await;
        assert_eq!((&unknown["issues"][0]["code"], &unknown["version"]), (&json!("unknown_plugin"), &Value::Null), "{unknown}");
        stage.plugin("waiting", None).await;
        let path = format!("/bots/flows/{}", unknown["id"]);
        let verdict = stage.api.post(&format!("{path}/validate"), json!({})).await;
        assert_eq!((&verdict["valid"], &verdict["issues"]), (&json!(true), &json!([])), "the newest is used at once");
        let published = stage.api.post(&format!("{path}/publish"), json!({})).await;
        assert_eq!(published["version"], 1);
        let wrong = stage.flow_of(json!([{ "type": "waiting/ask-number", "config": {
            "question": "?", "attempts": 99, "exits": { "lost": 0 } } }])).await;
        let mut codes: Vec<_> = wrong["issues"].as_array().unwrap().iter()
            .map(|issue| (issue["code"].as_str().unwrap(), issue["pointer"].as_str().unwrap())).collect();
        codes.sort_unstable();
        assert_eq!(codes, [
            ("invalid_config", "/nodes/0/config"),
            ("invalid_config", "/nodes/0/config/attempts"),
            ("unknown_exit", "/nodes/0/config/exits/lost"),
        ]);
        let stranger = stage.app.api().registered("stranger").await;
        let bot = stranger.bot("b").await;
        let foreign = stranger.post("/bots/flows/", json!({ "bot_id": bot, "name": "f", "nodes": asking() })).await;
        assert_eq!(foreign["issues"][0]["code"], "unknown_plugin", "another's plugin is not there");
    }

    async fn values_and_events_of_a_node_are_committed_with_its_step(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("trigger", Some(counting())).await;
        stage.triggered(json!([say("event {{ state.event.payload.visits }}")]), json!({
            "trigger_type": "event", "event_type": "custom.counted",
        })).await;
        stage.flow("count", json!([
            { "type": "trigger/count", "config": { "exits": { "next": 1, "error": 2 } } },
            say("visit {{ state.visits }}"), say("failed {{ state._error.message }}"),
        ])).await;
        for n in 1..=3 {
            stage.say("count").await;
            stage.answers(n * 2).await;
        }
        assert_eq!(stage.answers(6).await, ["visit 1", "event 1", "visit 2", "event 2", "visit 3", "event 3"]);
    }

    async fn what_is_not_granted_takes_the_exit_for_errors(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("trigger", None).await;
        stage.flow("count", json!([
            { "type": "trigger/count", "config": { "exits": { "next": 1, "error": 1 } } },
            say("{{ state._error.kind }}|{{ state._error.message }}"),
        ])).await;
        stage.say("count").await;
        let told = &stage.answers(1).await[0];
        assert!(told.contains('|') && told.contains("kv"), "{told}");
        assert_eq!(stage.executions().await[0]["status"], "completed");
    }

    async fn a_matcher_takes_part_and_only_when_it_could_win(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("trigger", Some(counting())).await;
        let matcher = stage.triggered(json!([say("order {{ state.argument }}")]), json!({
            "trigger_type": "plugin", "plugin": "trigger", "type": "command", "config": { "word": "order" }, "priority": 5,
        })).await;
        assert_eq!((&matcher["plugin_kind"], &matcher["listens_to"], &matcher["hook_path"]), (&json!("matcher"), &json!(["message"]), &Value::Null));
        stage.flow("/order 9", json!([say("keyword")])).await;
        for text in ["/order 7", "/orders", "/order 9", "hello"] {
            stage.say(text).await;
            stage.at_rest().await;
        }
        assert_eq!(stage.answers(2).await, ["order 7", "order 9"], "in order, one flow a message");
        let log = &stage.logs(&matcher).await;
        assert_eq!(log.len(), 2);
        assert_eq!(log[0]["reason"], "a message came in, recognised with a score of 1.00, the message begins with the command");
        let path = format!("/triggers/{}/test", matcher["id"]);
        let test = stage.api.post(&path, json!({ "test_message": "/order 3" })).await;
        assert_eq!((&test["matched"], &test["would_start_flow"]), (&json!(true), &json!(true)), "{test}");
        assert_eq!(test["candidates"][0]["score"], 1.0);
        let test = stage.api.post(&path, json!({ "test_message": "order" })).await;
        assert_eq!((&test["matched"], &test["reason"]), (&json!(false), &json!("does not recognise the message")), "{test}");
        // A keyword of higher priority goes first.
        stage.triggered(json!([say("first")]), json!({ "trigger_type": "keyword", "keywords": ["/order 1"], "priority": 9 })).await;
        stage.say("/order 1").await;
        assert_eq!(stage.answers(3).await[2], "first");
        assert_eq!(stage.logs(&matcher).await.len(), 2);
    }

    async fn a_matcher_that_fails_is_no_match_and_its_log_says_so(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("trigger", Some(counting())).await;
        let matcher = stage.triggered(json!([say("never")]), json!({
            "trigger_type": "plugin", "plugin": "trigger", "type": "command", "config": { "word": "x" }, "priority": 5,
        })).await;
        stage.flow("/x", json!([say("keyword")])).await;
        stage.api.post("/plugins/trigger/versions/0.1.0/disable", json!({})).await;
        stage.say("/x").await;
        assert_eq!(stage.answers(1).await, ["keyword"]);
        let log = &stage.logs(&matcher).await[0];
        assert_eq!(log["decision"], "failed");
        assert!(log["reason"].as_str().unwrap().starts_with("counts as no match: "), "{log}");
        let test = stage.api.post(&format!("/triggers/{}/test", matcher["id"]), json!({ "test_message": "/x" })).await;
        assert!(test["reason"].as_str().unwrap().starts_with("counts as no match: "), "{test}");
    }

    async fn a_plugin_handles_requests_and_answers_them(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("trigger", Some(counting())).await;
        let trigger = stage.triggered(json!([say("note: {{ state.note }}")]), json!({
            "trigger_type": "plugin", "plugin": "trigger", "type": "inbox", "config": {},
        })).await;
        let (hook, anonymous) = (trigger["hook_path"].as_str().unwrap(), stage.api.anonymous());
        let body = json!({ "phone": ADA, "text": "hi \u{0} there", "id": "n1" });
        for _ in 0..2 {
            let answer = anonymous.send(Method::POST, hook, Some(&body)).await;
            assert_eq!(answer.must_be(202), json!({ "taken": true }));
            assert!(answer.header("content-security-policy").contains("sandbox"));
        }
        anonymous.send(Method::POST, &format!("{hook}/any/path?x=1"), Some(&json!({ "phone": BOB, "text": "2" }))).await.must_be(202);
        assert_eq!(anonymous.send(Method::DELETE, hook, None).await.status, 405);
        assert_eq!(anonymous.send(Method::POST, hook, Some(&json!({}))).await.status, 422);
        assert_eq!(stage.answers(1).await, ["note: hi  there"], "once per event");
        stage.emulator.wait_for_to(BOB, 1, PATIENCE).await.unwrap();
        // An event that cannot be used is the plugin's fault, of which strangers learn nothing.
        let answer = anonymous.send(Method::POST, hook, Some(&json!({ "phone": "nobody", "text": "3" }))).await;
        let problem = answer.problem(500);
        assert_eq!(problem["detail"], "the request could not be handled");
        assert_eq!(stage.logs(&trigger).await[0]["decision"], "failed");
    }

    async fn a_poller_brings_what_is_new_once(stage: StillPluginStage) {
        let stage = lasting(stage.0).await;
        let feed = Feed::start().await;
        stage.plugin("trigger", Some(json!({ "http": [{ "host": feed.host() }] }))).await;
        feed.publish(1, "before");
        let trigger = stage.triggered(json!([say("news: {{ state.news }}")]), json!({
            "trigger_type": "plugin", "plugin": "trigger", "type": "feed", "config": { "url": feed.url }, "interval_seconds": 60,
        })).await;
        let looks = async |n: usize| until("it has looked", async || feed.looks() >= n && stage.app.running().app().work.pending() == (0, 0)).await;
        looks(1).await;
        feed.publish(2, "one");
        feed.publish(3, "two");
        settled(&stage).await;
        stage.app.advance(std::time::Duration::from_secs(61));
        looks(2).await;
        assert_eq!(stage.answers(2).await, ["news: one", "news: two"]);
        settled(&stage).await;
        stage.app.advance(std::time::Duration::from_secs(61));
        looks(3).await;
        settled(&stage).await;
        assert_eq!(stage.answers(2).await.len(), 2, "what was seen is not brought again");
        // What fails is looked at again later, with the same cursor, and noted.
        feed.fail(true);
        stage.app.advance(std::time::Duration::from_secs(61));
        looks(4).await;
        until("the failure is noted", async || stage.logs(&trigger).await[0]["decision"] == "failed").await;
        feed.fail(false);
        feed.publish(4, "three");
        settled(&stage).await;
        stage.app.advance(std::time::Duration::from_secs(3600));
        assert_eq!(stage.answers(3).await[2], "news: three");
        assert_eq!(stage.logs(&trigger).await[0]["reason"], "its poller found it");
    }

    async fn settings_of_a_plugins_trigger_must_fit(stage: PluginStage) {
        let stage = stage.0;
        let flow = stage.api.flow(stage.bot, "f").await;
        let try_it = async |more: Value| {
            let mut body = json!({ "name": "t", "bot_id": stage.bot, "flow_id": flow, "trigger_type": "plugin" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            stage.api.send(Method::POST, "/triggers/", Some(&body)).await
        };
        assert_eq!(try_it(json!({})).await.faults(), ["/plugin", "/type"]);
        assert_eq!(try_it(json!({ "plugin": "trigger", "type": "command" })).await.faults(), ["/plugin"]);
        stage.plugin("trigger", None).await;
        assert_eq!(try_it(json!({ "plugin": "trigger", "type": "nothing" })).await.faults(), ["/type"]);
        let command = |more: Value| {
            let mut body = json!({ "plugin": "trigger", "type": "command", "config": { "word": "x" } });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        assert_eq!(try_it(command(json!({ "config": {} }))).await.faults(), ["/config"]);
        assert_eq!(try_it(command(json!({ "config": { "word": 7 } }))).await.faults(), ["/config/word"]);
        assert_eq!(try_it(command(json!({ "listens_to": ["message", "flow_completed"] }))).await.faults(), ["/listens_to/1"]);
        let feed = json!({ "plugin": "trigger", "type": "feed", "config": { "url": "https://example.com" }, "interval_seconds": 5 });
        assert_eq!(try_it(feed).await.faults(), ["/interval_seconds"]);
        assert_eq!(try_it(command(json!({}))).await.status, 201);
    }
}

/// Waits until no look is under way.
async fn settled(stage: &Stage) {
    until("no look is under way", async || {
        let next = stage.app.db().read().await.unwrap().next_poll_at().await.unwrap();
        // While somebody looks, it is the end of the claim, which is further away.
        let now = stage.app.clock().now();
        next.is_some_and(|at| at > now && at <= now + chrono::TimeDelta::seconds(90))
    })
    .await;
    stage.at_rest().await;
}

/// The stage with credentials that outlast the moving clock.
async fn lasting(mut stage: Stage) -> Stage {
    let key = stage.api.post("/auth/api-keys", json!({ "name": "k" })).await;
    stage.api = stage.api.with_token(key["key"].as_str().unwrap());
    stage
}

/// An HTTP server with news.
struct Feed {
    url: String,
    state: std::sync::Arc<std::sync::Mutex<(Vec<Value>, usize, bool)>>,
}

impl Feed {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/feed", listener.local_addr().unwrap());
        let state: std::sync::Arc<std::sync::Mutex<(Vec<Value>, usize, bool)>> = std::sync::Arc::default();
        let shared = state.clone();
        tokio::spawn(async move {
            loop {
                let Ok((mut socket, _)) = listener.accept().await else { return };
                let mut bytes = [0; 4096];
                let _ = socket.read(&mut bytes).await;
                let (status, body) = {
                    let mut state = shared.lock().unwrap();
                    state.1 += 1;
                    if state.2 { (500, "broken".to_owned()) } else { (200, json!(state.0).to_string()) }
                };
                let head =
                    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = socket.write_all((head + &body).as_bytes()).await;
            }
        });
        Self { url, state }
    }

    fn host(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/feed")
    }

    fn publish(&self, id: u64, text: &str) {
        self.state.lock().unwrap().0.push(json!({ "id": id, "phone": ADA, "text": text }));
    }

    fn fail(&self, fails: bool) {
        self.state.lock().unwrap().2 = fails;
    }

    fn looks(&self) -> usize {
        self.state.lock().unwrap().1
    }
}
