//! The description of the API and the pages that show it.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::{Method, TestApp, TestDatabase};

/// Every operation there is. Whoever adds an endpoint adds it here, so that none vanishes unnoticed.
const OPERATIONS: &[&str] = &[
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "POST /auth/register",
    "POST /auth/token",
    "GET /auth/me",
    "GET /auth/users",
    "POST /auth/api-keys",
    "GET /auth/api-keys",
    "DELETE /auth/api-keys/{id}",
    "POST /bots/",
    "GET /bots/",
    "GET /bots/{bot_id}",
    "PUT /bots/{bot_id}",
    "DELETE /bots/{bot_id}",
    "POST /bots/flows/",
    "GET /bots/flows/",
    "GET /bots/flows/{flow_id}",
    "PUT /bots/flows/{flow_id}",
    "DELETE /bots/flows/{flow_id}",
    "POST /bots/flows/{flow_id}/validate",
    "POST /bots/flows/{flow_id}/publish",
    "GET /bots/flows/{flow_id}/versions",
    "POST /bots/nodes/",
    "GET /bots/nodes/",
    "GET /bots/nodes/types",
    "GET /bots/nodes/{node_id}",
    "PUT /bots/nodes/{node_id}",
    "DELETE /bots/nodes/{node_id}",
    "POST /bots/templates/",
    "GET /bots/templates/",
    "GET /bots/templates/{template_id}",
    "DELETE /bots/templates/{template_id}",
    "POST /bots/templates/{template_id}/instantiate",
    "POST /flows/contacts/",
    "GET /flows/contacts/",
    "GET /flows/contacts/{contact_id}",
    "PUT /flows/contacts/{contact_id}",
    "DELETE /flows/contacts/{contact_id}",
    "GET /flows/contacts/{contact_id}/consents",
    "POST /flows/contacts/{contact_id}/events",
    "POST /triggers/",
    "GET /triggers/",
    "GET /triggers/bot/{bot_id}",
    "POST /triggers/preview-schedule",
    "GET /triggers/types",
    "GET /triggers/{trigger_id}",
    "PUT /triggers/{trigger_id}",
    "DELETE /triggers/{trigger_id}",
    "POST /triggers/{trigger_id}/activate",
    "POST /triggers/{trigger_id}/deactivate",
    "POST /triggers/{trigger_id}/test",
    "GET /triggers/{trigger_id}/logs",
    "POST /triggers/{trigger_id}/rotate-hook",
    "GET /triggers/statistics",
    "POST /hooks/{token}",
    "POST /flows/execute",
    "GET /flows/executions/contact/{phone}",
    "GET /flows/executions/{execution_id}",
    "POST /flows/executions/{execution_id}/resume",
    "POST /flows/executions/{execution_id}/cancel",
    "POST /flows/executions/{execution_id}/input",
    "GET /flows/executions/{execution_id}/logs",
    "GET /flows/statistics",
    "POST /plugins",
    "GET /plugins",
    "GET /plugins/compat",
    "GET /plugins/{name}",
    "DELETE /plugins/{name}",
    "PUT /plugins/{name}/limits",
    "POST /plugins/{name}/share",
    "POST /plugins/{name}/unshare",
    "GET /plugins/{name}/logs",
    "GET /plugins/{name}/metrics",
    "GET /plugins/{name}/versions/{version}",
    "DELETE /plugins/{name}/versions/{version}",
    "POST /plugins/{name}/versions/{version}/enable",
    "POST /plugins/{name}/versions/{version}/disable",
    "POST /plugins/{name}/versions/{version}/try",
    "GET /plugins/{name}/grants/{bot_id}",
    "PUT /plugins/{name}/grants/{bot_id}",
    "DELETE /plugins/{name}/grants/{bot_id}",
    "GET /plugins/{name}/secrets/{bot_id}",
    "DELETE /plugins/{name}/secrets/{bot_id}",
    "PUT /plugins/{name}/secrets/{bot_id}/{secret}",
    "DELETE /plugins/{name}/secrets/{bot_id}/{secret}",
    "GET /whatsapp/webhook",
    "POST /whatsapp/webhook",
    "GET /whatsapp/messages/{bot_id}",
    "GET /whatsapp/account-events",
    "GET /whatsapp/templates",
    "POST /whatsapp/media",
    "GET /whatsapp/media/{message_id}",
    "POST /whatsapp/send/text",
    "POST /whatsapp/send/template",
    "POST /whatsapp/send/media",
    "POST /whatsapp/send/interactive",
];

/// What needs no credentials of ours.
const OPEN: &[&str] = &[
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "POST /auth/register",
    "POST /auth/token",
    "GET /whatsapp/webhook",
    "POST /whatsapp/webhook",
    "POST /hooks/{token}",
];

async fn app() -> TestApp {
    TestApp::with(TestDatabase::sqlite(), |_| {}).await
}

/// Every operation of a description: method, path, and what it says.
fn operations(description: &Value) -> Vec<(String, String, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter().filter(|(method, _)| {
            ["get", "post", "put", "delete", "patch", "head", "options"].contains(&method.as_str())
        });
        item.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    operations.collect()
}

#[tokio::test]
async fn it_names_every_operation() {
    let description = app().await.api().get("/openapi.json").await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let found: BTreeSet<_> =
        operations(&description).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let wanted: BTreeSet<_> = OPERATIONS.iter().map(|operation| (*operation).to_owned()).collect();
    let differing: Vec<_> = found.symmetric_difference(&wanted).collect();
    assert!(differing.is_empty(), "only in one of list and description: {differing:#?}");
}

#[tokio::test]
async fn every_operation_is_there_and_wants_credentials() {
    let app = app().await;
    let api = app.api();
    let description = api.get("/openapi.json").await;
    for (method, path, operation) in operations(&description) {
        let name = format!("{method} {path}");
        let is_open = operation["security"].is_array();
        assert_eq!(is_open, OPEN.contains(&name.as_str()), "{name}");
        let concrete: String =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
        let answer = api.send(method.parse().unwrap(), &concrete, None).await;
        if path == "/hooks/{token}" {
            // Nobody has that token: that a trigger is there is for those to know who have its address.
            answer.problem(404);
        } else if is_open {
            assert!(![404, 405].contains(&answer.status), "{name}: {}", answer.status);
        } else {
            answer.problem(401);
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{name}");
        }
    }
}

#[tokio::test]
async fn every_operation_says_what_can_go_wrong() {
    let description = app().await.api().get("/openapi.json").await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&description) {
        let name = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty() && ids.insert(id.to_owned()), "{name}: operationId {id}");
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{name}");
        let responses = operation["responses"].as_object().unwrap();
        let mut wanted = vec!["500", "503"];
        if !operation["security"].is_array() {
            wanted.push("401");
        }
        if operation["requestBody"].is_object() && path != "/whatsapp/webhook" {
            wanted.extend(["400", "413", "415", "422"]);
        }
        for status in wanted {
            assert!(responses.contains_key(status), "{name} does not describe {status}");
        }
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} {status}");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
            let schema = &response["content"]["application/problem+json"]["schema"];
            assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{name} {status}");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn check(value: &Value, description: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                object.values().for_each(|value| check(value, description));
            }
            Value::Array(items) => items.iter().for_each(|value| check(value, description)),
            _ => {}
        }
    }
    let description = app().await.api().get("/openapi.json").await;
    check(&description, &description);
}

#[tokio::test]
async fn the_pages_need_nothing_from_elsewhere() {
    let app = app().await;
    let api = app.api();
    for path in ["/docs", "/docs/", "/docs/index.html", "/redoc", "/redoc/"] {
        let page = api.send(Method::GET, path, None).await;
        page.must_be(200);
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(page.header("content-security-policy").starts_with("default-src 'self'"), "{path}");
        for attribute in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
            let head = &page.text[..page.text.len().min(4_000)];
            assert!(!head.contains(attribute), "{path} has {attribute}");
        }
    }
    let page = api.send(Method::GET, "/docs/", None).await.text;
    let assets = page.split(['"', '\'']).filter(|part| {
        let part = part.trim_start_matches("./");
        part.ends_with(".js") || part.ends_with(".css")
    });
    let mut count = 0;
    for asset in assets {
        api.send(Method::GET, &format!("/docs/{}", asset.trim_start_matches("./")), None).await.must_be(200);
        count += 1;
    }
    assert!(count >= 3, "{page}");
    let settings = api.send(Method::GET, "/docs/swagger-initializer.js", None).await;
    assert!(settings.text.contains("/openapi.json"), "{}", settings.text);
    assert!(api.send(Method::GET, "/redoc", None).await.text.contains("Redoc.init"));
}
