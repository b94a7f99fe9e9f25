//! The platform's API specification: every endpoint it names, with its own examples.

use serde_json::{Value, json};
use server::config::SecretText;
use tests::{Method, TestDatabase, each_database};

use crate::journey::Stage;

/// The specification's calls of `curl`, word for word.
const EXAMPLES: &str = include_str!("specification_examples.txt");
/// What webhooks are verified with.
const VERIFY_TOKEN: &str = "your-webhook-verify-token-here";

/// One endpoint of the specification.
struct Endpoint {
    method: &'static str,
    /// As the specification writes it.
    path: &'static str,
    /// The ids in the path, and the query.
    call: &'static str,
    /// JSON; empty for none.
    body: &'static str,
    status: u16,
    /// Members of the answer.
    fields: &'static [&'static str],
}

/// An endpoint whose call is its path.
const fn plain(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    status: u16,
    fields: &'static [&'static str],
) -> Endpoint {
    Endpoint { method, path, call: path, body, status, fields }
}

/// An endpoint whose path has an id in it, or that takes a query.
const fn at(
    method: &'static str,
    path: &'static str,
    call: &'static str,
    body: &'static str,
    status: u16,
    fields: &'static [&'static str],
) -> Endpoint {
    Endpoint { method, path, call, body, status, fields }
}

const LIST: &[&str] = &["items", "total", "limit", "skip"];
const BOT: &[&str] = &["id", "name", "description", "is_whatsapp_enabled", "whatsapp_phone_number_id"];
const EXECUTION: &[&str] = &["id", "flow_id", "bot_id", "contact_phone", "status", "state", "current_node"];
const TRIGGER: &[&str] = &["id", "name", "bot_id", "flow_id", "trigger_type", "priority", "is_active"];
const SENT: &[&str] = &["id", "status", "whatsapp_message_id"];

const AUTH: &[Endpoint] = &[
    plain(
        "POST",
        "/auth/register",
        r#"{"username": "ada", "email": "ada@example.com", "password": "correct horse"}"#,
        201,
        &["id", "username", "email"],
    ),
    plain(
        "POST",
        "/auth/token",
        r#"{"username": "ada", "password": "correct horse"}"#,
        200,
        &["access_token", "token_type"],
    ),
    plain("GET", "/auth/me", "", 200, &["id", "username", "email"]),
    plain("GET", "/auth/users", "", 200, LIST),
];

const BOT_BUILDER: &[Endpoint] = &[
    plain(
        "POST",
        "/bots/",
        r#"{
            "name": "My Bot",
            "description": "A WhatsApp bot",
            "is_whatsapp_enabled": true,
            "whatsapp_access_token": "optional-custom-token",
            "whatsapp_phone_number_id": "optional-custom-phone-id"
        }"#,
        201,
        BOT,
    ),
    plain("GET", "/bots/", "", 200, LIST),
    at("GET", "/bots/{bot_id}", "/bots/2", "", 200, BOT),
    at("PUT", "/bots/{bot_id}", "/bots/2", r#"{"name": "My other bot"}"#, 200, BOT),
    at("DELETE", "/bots/{bot_id}", "/bots/2", "", 204, &[]),
    plain(
        "POST",
        "/bots/flows/",
        r#"{"bot_id": 1, "name": "The specification's nodes", "nodes": [
            {"type": "send_message", "config": {
                "message_type": "text", "content": {"text": "Hello {{contact.first_name}}!"}, "next": 1}},
            {"type": "wait", "config": {"duration": 5, "unit": "minutes", "next": 2}},
            {"type": "condition", "config": {
                "variable": "state.user_response", "operator": "==", "value": "yes", "true_path": 3, "false_path": 4}},
            {"type": "webhook_action", "config": {
                "url": "https://api.example.com/webhook", "method": "POST",
                "headers": {"Authorization": "Bearer {{state.api_token}}"}, "body": {"data": "{{state.user_data}}"},
                "store_response_in": "state.api_result", "next": 5}},
            {"type": "end"}, {"type": "end"}
        ]}"#,
        201,
        &["id", "bot_id", "name", "nodes", "version"],
    ),
    plain("GET", "/bots/flows/", "", 200, LIST),
    plain(
        "POST",
        "/bots/nodes/",
        r#"{"flow_id": 4, "type": "wait", "config": {"duration": 5, "unit": "minutes"}}"#,
        201,
        &["id", "flow_id", "type", "config", "position"],
    ),
    plain("POST", "/bots/templates/", r#"{"name": "Reusable", "flow_id": 1}"#, 201, &["id", "name", "nodes"]),
];

const WHATSAPP: &[Endpoint] = &[
    at(
        "POST",
        "/whatsapp/send/template",
        "/whatsapp/send/template?bot_id=1",
        r#"{"to": "1234567890", "template_name": "hello_world", "language_code": "en_US"}"#,
        200,
        SENT,
    ),
    at(
        "POST",
        "/whatsapp/send/text",
        "/whatsapp/send/text?bot_id=1",
        r#"{"to": "1234567890", "text": "Hello from ChatBoost!"}"#,
        200,
        SENT,
    ),
    at(
        "POST",
        "/whatsapp/send/media",
        "/whatsapp/send/media?bot_id=1",
        r#"{"to": "1234567890", "media_type": "image", "link": "https://example.com/cat.png"}"#,
        200,
        SENT,
    ),
    at(
        "POST",
        "/whatsapp/send/interactive",
        "/whatsapp/send/interactive?bot_id=1",
        r#"{"to": "1234567890", "interactive": {"type": "button", "body": {"text": "Well?"},
            "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]}}}"#,
        200,
        SENT,
    ),
    plain("POST", "/whatsapp/webhook", r#"{"object": "whatsapp_business_account", "entry": []}"#, 200, &[]),
    at(
        "GET",
        "/whatsapp/webhook",
        "/whatsapp/webhook?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=your-webhook-verify-token-here",
        "",
        200,
        &[],
    ),
    at("GET", "/whatsapp/messages/{bot_id}", "/whatsapp/messages/1?limit=10", "", 200, LIST),
];

/// Flow 1 asks something; execution 1 gets its answer, 2 is resumed, 3 cancelled.
const FLOW_ENGINE: &[Endpoint] = &[
    plain(
        "POST",
        "/flows/execute",
        r#"{"flow_id": 1, "contact_phone": "1234567890", "bot_id": 1, "initial_state": {"custom_field": "value"}}"#,
        201,
        EXECUTION,
    ),
    at("GET", "/flows/executions/{execution_id}", "/flows/executions/1", "", 200, EXECUTION),
    at("GET", "/flows/executions/contact/{phone}", "/flows/executions/contact/1234567890", "", 200, LIST),
    at(
        "POST",
        "/flows/executions/{execution_id}/input",
        "/flows/executions/1/input",
        r#"{"execution_id": 1, "message": "yes", "message_type": "text"}"#,
        200,
        EXECUTION,
    ),
    at("POST", "/flows/executions/{execution_id}/resume", "/flows/executions/2/resume", "", 200, EXECUTION),
    at("POST", "/flows/executions/{execution_id}/cancel", "/flows/executions/3/cancel", "", 200, EXECUTION),
    at("GET", "/flows/executions/{execution_id}/logs", "/flows/executions/1/logs", "", 200, LIST),
    plain("GET", "/flows/statistics", "", 200, &[]),
    plain(
        "POST",
        "/flows/contacts/",
        r#"{"bot_id": 1, "phone": "1987654321", "first_name": "Grace"}"#,
        201,
        &["id", "bot_id", "phone", "first_name"],
    ),
    plain("GET", "/flows/contacts/", "", 200, LIST),
];

const TRIGGERS: &[Endpoint] = &[
    plain(
        "POST",
        "/triggers/",
        r#"{"name": "Welcome Trigger", "bot_id": 1, "flow_id": 1, "trigger_type": "keyword",
            "keywords": ["hi", "hello", "hey"], "match_type": "exact", "case_sensitive": false, "priority": 10}"#,
        201,
        TRIGGER,
    ),
    plain("GET", "/triggers/", "", 200, LIST),
    at("GET", "/triggers/{trigger_id}", "/triggers/1", "", 200, TRIGGER),
    at("GET", "/triggers/bot/{bot_id}", "/triggers/bot/1", "", 200, LIST),
    at("PUT", "/triggers/{trigger_id}", "/triggers/1", r#"{"priority": 20}"#, 200, TRIGGER),
    at("POST", "/triggers/{trigger_id}/deactivate", "/triggers/1/deactivate", "", 200, TRIGGER),
    at("POST", "/triggers/{trigger_id}/activate", "/triggers/1/activate", "", 200, TRIGGER),
    at(
        "POST",
        "/triggers/{trigger_id}/test",
        "/triggers/1/test",
        r#"{"test_message": "hello there"}"#,
        200,
        &["matched", "would_start_flow", "reason"],
    ),
    at("GET", "/triggers/{trigger_id}/logs", "/triggers/1/logs", "", 200, LIST),
    plain("GET", "/triggers/statistics", "", 200, &[]),
    at("DELETE", "/triggers/{trigger_id}", "/triggers/1", "", 204, &[]),
];

/// What the specification has, by its own headings. The order within a heading is that of the story they tell.
const SPECIFICATION: &[(&str, &[Endpoint], usize)] = &[
    ("Authentication", AUTH, 4),
    ("Bot Builder", BOT_BUILDER, 9),
    ("WhatsApp", WHATSAPP, 7),
    ("Flow Engine", FLOW_ENGINE, 10),
    ("Triggers", TRIGGERS, 11),
];

/// What anybody may call.
const OPEN: &[&str] = &["POST /auth/register", "POST /auth/token", "POST /whatsapp/webhook", "GET /whatsapp/webhook"];

/// A server with bot 1, whose flow 1 asks something and whose flows 2 and 3 say something.
async fn stage(database: TestDatabase) -> Stage {
    let stage = Stage::set(database, false, |config| {
        config.whatsapp.webhook_verify_token = Some(SecretText::new(VERIFY_TOKEN));
    })
    .await;
    let nodes = json!([
        { "type": "ask", "config": {
            "message_type": "text", "content": { "text": "Yes?" }, "store_in": "user_response", "next": 1 } },
        { "type": "send_message", "config": { "message_type": "text", "content": { "text": "Thanks" } } },
    ]);
    stage.api.post("/bots/flows/", json!({ "bot_id": stage.bot, "name": "asks", "nodes": nodes })).await;
    for text in ["two", "three"] {
        stage.api.flow(stage.bot, text).await;
    }
    stage
}

impl Endpoint {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// What is wrong with the endpoint; nothing, at best.
    async fn fault(&self, stage: &Stage) -> Option<String> {
        let body = (!self.body.is_empty()).then(|| serde_json::from_str::<Value>(self.body).unwrap());
        let method: Method = self.method.parse().unwrap();
        if !OPEN.contains(&self.name().as_str()) {
            let answer = stage.api.anonymous().send(method.clone(), self.call, body.as_ref()).await;
            if answer.status != 401 {
                return Some(format!("answers {} without credentials", answer.status));
            }
        }
        if self.name() == "POST /whatsapp/webhook" {
            let signature = whatsapp::signature::sign(stage.emulator.app_secret(), self.body.as_bytes());
            let headers = [(whatsapp::signature::HEADER, signature.as_str()), ("content-type", "application/json")];
            let signed = stage.api.post_bytes(self.call, &headers, self.body.as_bytes()).await;
            let unsigned = stage.api.post_bytes(self.call, &headers[1..], self.body.as_bytes()).await;
            return ((signed, unsigned) != (200, 401)).then(|| format!("signed {signed}, unsigned {unsigned}"));
        }
        let answer = stage.api.send(method, self.call, body.as_ref()).await;
        if answer.status != self.status {
            return Some(format!("answers {} and not {}: {}", answer.status, self.status, answer.text));
        }
        let found = answer.json();
        let missing: Vec<_> = self.fields.iter().filter(|field| found.get(field).is_none()).collect();
        (!missing.is_empty()).then(|| format!("lacks {missing:?}: {found}"))
    }
}

each_database! {
    async fn every_endpoint_is_there_protected_described_and_answers_as_specified(database: TestDatabase) {
        let stage = stage(database).await;
        for (heading, endpoints, count) in SPECIFICATION {
            assert_eq!(endpoints.len(), *count, "{heading}");
        }
        let description = serde_json::to_value(server::http::described()).unwrap();
        let mut faults = Vec::new();
        for endpoint in SPECIFICATION.iter().flat_map(|(_, endpoints, _)| *endpoints) {
            let described = &description["paths"][endpoint.path][endpoint.method.to_lowercase()];
            if described.is_null() {
                faults.push(format!("{}: is not described", endpoint.name()));
            } else if described["responses"][endpoint.status.to_string()].is_null() {
                faults.push(format!("{}: {} is not described", endpoint.name(), endpoint.status));
            }
            if let Some(fault) = endpoint.fault(&stage).await {
                faults.push(format!("{}: {fault}", endpoint.name()));
            }
            stage.at_rest().await;
            if endpoint.path == "/flows/execute" {
                // Those to be resumed and cancelled; a contact has one execution at a time.
                for phone in ["1234567891", "1234567892"] {
                    let other = json!({ "flow_id": 1, "contact_phone": phone, "bot_id": 1 });
                    stage.api.post("/flows/execute?wait=10", other).await;
                }
            }
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }

    async fn every_example_works_as_written(database: TestDatabase) {
        let stage = stage(database).await;
        let mut faults = Vec::new();
        let examples: Vec<_> = EXAMPLES.split("\n\n").map(Curl::parse).collect();
        assert_eq!(examples.len(), 12);
        for curl in examples {
            let answer = stage.api.send_raw(curl.method.clone(), &curl.path, curl.body.clone()).await;
            if !(200..300).contains(&answer.status) {
                faults.push(format!("{} {}: {} {}", curl.method, curl.path, answer.status, answer.text));
            }
            stage.at_rest().await;
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        assert_eq!(stage.api.get("/flows/executions/1").await["status"], "completed");
    }
}

/// A call of `curl`, as far as the specification's go.
struct Curl {
    method: Method,
    path: String,
    body: Option<(&'static str, Vec<u8>)>,
}

impl Curl {
    fn parse(command: &str) -> Self {
        let words = words(command);
        let mut words = words.iter().map(String::as_str);
        assert_eq!(words.next(), Some("curl"));
        let mut curl = Self { method: Method::GET, path: String::new(), body: None };
        while let Some(word) = words.next() {
            match word {
                "-X" => curl.method = words.next().unwrap().parse().unwrap(),
                "-H" => assert_eq!(words.next(), Some("Content-Type: application/json")),
                "-d" => curl.body = Some(("application/json", words.next().unwrap().as_bytes().to_vec())),
                url => curl.path = url.strip_prefix("http://localhost:8000").unwrap().to_owned(),
            }
        }
        curl
    }
}

/// Cuts a shell command into words; knows quotes and a backslash at the end of a line.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in command.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '\\' | ' ' | '\n') => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (_, c) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}
