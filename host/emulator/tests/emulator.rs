//! The emulator as its users see it: the client on one side, a callback on the other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use domain::{Address, OutgoingMessage, SystemClock};
use emulator::{Config, Delivery, Disorder, Emulator, Failure, Faults, Inbound, Signature, Statuses};
use serde_json::{Value, json};
use tokio::sync::watch;
use whatsapp::{
    client::{Client, SendError},
    send,
    webhook::{self, Update, UpdateKind},
};

const SOON: Duration = Duration::from_secs(10);
const PERSON: &str = "16505551234";

/// A callback that keeps what it gets.
#[derive(Clone)]
struct Callback {
    url: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
    count: watch::Sender<usize>,
    /// How many requests are still answered 500.
    refuse: Arc<Mutex<u32>>,
}

impl Callback {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/whatsapp/webhook", listener.local_addr().unwrap());
        let callback = Self { url, bodies: Arc::default(), count: watch::Sender::new(0), refuse: Arc::default() };
        let router = Router::new().route("/whatsapp/webhook", post(receive)).with_state(callback.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        callback
    }

    async fn updates(&self, bodies: usize) -> Vec<Update> {
        tokio::time::timeout(SOON, self.count.subscribe().wait_for(|&n| n >= bodies)).await.unwrap().unwrap();
        let now = domain::Time::from_timestamp(2_000_000_000, 0).unwrap();
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().flat_map(|body| webhook::parse(body, now).unwrap().updates).collect()
    }
}

async fn receive(State(callback): State<Callback>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get(whatsapp::signature::HEADER).and_then(|value| value.to_str().ok());
    if !whatsapp::signature::verify("emulator-app-secret", &body, signature) {
        return StatusCode::UNAUTHORIZED;
    }
    {
        let mut refuse = callback.refuse.lock().unwrap();
        if *refuse > 0 {
            *refuse -= 1;
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    callback.bodies.lock().unwrap().push(body.to_vec());
    callback.count.send_modify(|n| *n += 1);
    StatusCode::OK
}

fn config() -> Config {
    Config {
        statuses: Statuses { pause: Duration::ZERO, ..Statuses::default() },
        delivery: Delivery { first_pause: Duration::from_millis(5), ..Delivery::default() },
        ..Config::new(Arc::new(SystemClock))
    }
}

async fn quiet() -> Emulator {
    Emulator::start(Config { statuses: Statuses::off(), ..config() }).await.unwrap()
}

fn client(emulator: &Emulator) -> Client {
    Client::new(&emulator.base_url(), "v22.0").unwrap()
}

fn text(to: &str, body: &str) -> Value {
    let message = OutgoingMessage { kind: "text".into(), content: json!({ "body": body }) };
    send::request(&Address::parse(to).unwrap(), &message, "m1", None)
}

fn texts(updates: &[Update]) -> Vec<String> {
    let messages = updates.iter().filter_map(|update| match &update.kind {
        UpdateKind::Message(inbound) => inbound.text.clone(),
        _ => None,
    });
    messages.collect()
}

#[tokio::test]
async fn a_send_is_accepted_remembered_and_followed_by_statuses() {
    let callback = Callback::start().await;
    let emulator = Emulator::start(config()).await.unwrap();
    emulator.set_callback(&callback.url);
    let id = &emulator.number().phone_number_id;
    let accepted = client(&emulator).send(id, "token", &text("+1 650 555 1234", "Hällo 👍")).await.unwrap();
    assert_eq!(accepted.wa_id.as_deref(), Some(PERSON));
    let sent = emulator.wait_for(1, SOON).await.unwrap();
    assert_eq!((sent[0].wamid.as_str(), sent[0].text.as_str()), (accepted.wamid.as_str(), "Hällo 👍"));

    let updates = callback.updates(3).await;
    let words: Vec<_> = updates
        .iter()
        .map(|update| match &update.kind {
            UpdateKind::Status(status) => {
                assert_eq!(status.wamid, accepted.wamid);
                assert_eq!(status.callback_data.as_deref(), Some("m1"));
                assert_eq!(status.recipient.as_deref(), Some(PERSON));
                status.status_word.clone()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(words, ["sent", "delivered", "read"]);
    assert!(emulator.settled(SOON).await);
}

#[tokio::test]
async fn what_people_say_arrives_signed_and_in_order_even_after_refusals() {
    let callback = Callback::start().await;
    let emulator = quiet().await;
    *callback.refuse.lock().unwrap() = 2;
    // Said before anybody listens: delivered all the same.
    let first = emulator.say_with(Inbound::text(PERSON, "zwölf 👍").named("Ada").bsuid("US.1"));
    emulator.set_callback(&callback.url);
    assert!(first.delivered().await.unwrap().attempts >= 3);
    for n in 0..20 {
        emulator.say(PERSON, &n.to_string());
    }
    let updates = callback.updates(21).await;
    let expected: Vec<String> = std::iter::once("zwölf 👍".to_owned()).chain((0..20).map(|n| n.to_string())).collect();
    assert_eq!(texts(&updates), expected);
    let UpdateKind::Message(inbound) = &updates[0].kind else { panic!() };
    assert_eq!(inbound.profile_name.as_deref(), Some("Ada"));
    assert_eq!((inbound.from.as_deref(), inbound.bsuid.as_deref()), (Some(PERSON), Some("US.1")));
    assert!(callback.bodies.lock().unwrap().iter().all(|body| body.is_ascii()));
    assert_eq!(emulator.transcript(PERSON).len(), 21);
}

#[tokio::test]
async fn one_post_may_hold_many_messages_for_several_numbers() {
    let callback = Callback::start().await;
    let emulator = quiet().await;
    emulator.set_callback(&callback.url);
    let ticket = emulator.say_many(&[
        Inbound::text("1111111", "a"),
        Inbound::button_reply("2222222", "yes", "Yes").to_number("42"),
        Inbound::text("1111111", "c"),
        Inbound::text("US.77", "d").username("ada"),
    ]);
    assert_eq!(ticket.wamids.len(), 4);
    ticket.delivered().await.unwrap();
    let updates = callback.updates(1).await;
    assert_eq!(texts(&updates), ["a", "c", "d", "Yes"]);
    assert_eq!(updates[3].phone_number_id.as_deref(), Some("42"));
    let UpdateKind::Message(hidden) = &updates[2].kind else { panic!() };
    assert_eq!((hidden.from.as_deref(), hidden.bsuid.as_deref()), (None, Some("US.77")));
}

#[tokio::test]
async fn failures_look_like_the_real_ones() {
    let emulator = quiet().await;
    let (client, id) = (client(&emulator), emulator.number().phone_number_id.clone());
    let send = || async { client.send(&id, "token", &text(PERSON, "hi")).await };

    emulator.fail_next(1, Failure::code(131_056));
    let Err(SendError::Refused(error)) = send().await else { panic!() };
    assert_eq!((error.code, error.http_status), (131_056, 400));
    emulator.fail_next(1, Failure::Gateway { http_status: 502 });
    assert!(matches!(send().await, Err(SendError::Unknown(reason)) if reason.contains("502")));
    assert_eq!(emulator.count(), 0);

    emulator.fail_next(1, Failure::DropBeforeAccept);
    assert!(send().await.unwrap_err().may_have_been_sent());
    assert_eq!(emulator.count(), 0);
    emulator.fail_next(1, Failure::AcceptThenDrop);
    assert!(send().await.unwrap_err().may_have_been_sent());
    assert_eq!(emulator.count(), 1);
    send().await.unwrap();
    assert_eq!(emulator.refusals().get(&131_056), Some(&1));
}

#[tokio::test]
async fn every_code_of_metas_comes_on_demand() {
    let emulator = quiet().await;
    let (client, id) = (client(&emulator), emulator.number().phone_number_id.clone());
    let codes = whatsapp::errors::codes();
    assert!(codes.len() >= 69);
    for code in &codes {
        emulator.fail_next(1, Failure::code(*code));
        let Err(SendError::Refused(error)) = client.send(&id, "token", &text(PERSON, "hi")).await else {
            panic!("{code}")
        };
        assert_eq!((error.code, error.http_status), (*code, whatsapp::errors::usual_http_status(*code)));
    }
    assert_eq!(emulator.refusals().into_keys().collect::<Vec<_>>(), codes);
    assert_eq!(emulator.count(), 0);
}

#[tokio::test]
async fn limits_are_set_over_http_and_kept() {
    let emulator = quiet().await;
    let (client, id) = (client(&emulator), emulator.number().phone_number_id.clone());
    let http = Http(emulator.base_url());
    let limits = json!({ "pairs": true, "app": { "most": 50, "seconds": 3600 }, "numbers": { "42": 1000 } });
    http.call("POST", "/emulator/limits", Some(&limits)).await;
    assert_eq!(http.call("GET", "/emulator/limits", None).await["app"]["most"], 50);
    let send = async |person: &str| match client.send(&id, "token", &text(person, "hi")).await {
        Ok(_) => 0,
        Err(SendError::Refused(error)) => error.code,
        Err(error) => panic!("{error}"),
    };
    for _ in 0..45 {
        assert_eq!(send(PERSON).await, 0);
    }
    assert_eq!(send(PERSON).await, 131_056);
    for _ in 0..5 {
        assert_eq!(send("16505550000").await, 0);
    }
    assert_eq!(send("16505550000").await, 4);
    assert_eq!(client.number("42", "token").await.unwrap().throughput.unwrap().level, "HIGH");
    assert_eq!(client.number(&id, "token").await.unwrap().throughput.unwrap().level, "STANDARD");
}

#[tokio::test]
async fn wrong_requests_are_refused_in_metas_form() {
    let emulator =
        Emulator::start(Config { token: Some("good".into()), only_this_number: true, ..config() }).await.unwrap();
    let (client, id) = (client(&emulator), emulator.number().phone_number_id.clone());
    let refused = async |id: &str, token: &str, body: &Value| match client.send(id, token, body).await {
        Err(SendError::Refused(error)) => (error.http_status, error.code, error.details.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&id, "bad", &text(PERSON, "hi")).await.1, 190);
    assert_eq!(refused("7", "good", &text(PERSON, "hi")).await.1, 100);
    let (status, code, details) = refused(&id, "good", &text(PERSON, &"x".repeat(4097))).await;
    assert_eq!((status, code), (400, 100));
    assert!(details.contains("/text/body"), "{details}");
    let mut body = text(PERSON, "");
    body["type"] = json!("interactive");
    body["interactive"] = json!({"type": "button", "body": {"text": "?"}, "action": {"buttons": []}});
    assert_eq!(refused(&id, "good", &body).await.1, 131_009);
    assert_eq!(refused(&id, "good", &text(&emulator.number().display_phone_number, "hi")).await.1, 131_021);
    assert_eq!(emulator.count(), 0);

    client.mark_read(&id, "good", "wamid.A", true).await.unwrap();
    assert_eq!(emulator.reads(), ["wamid.A"]);
    assert_eq!(client.number(&id, "good").await.unwrap().id, id);
}

#[tokio::test]
async fn webhooks_can_be_doubled_and_shuffled() {
    let callback = Callback::start().await;
    let emulator = Emulator::start(Config { statuses: Statuses::off(), seed: 3, ..config() }).await.unwrap();
    emulator.set_faults(Faults {
        messages: Disorder { duplicate: 1.0, shuffle: 10, ..Disorder::default() },
        ..Faults::default()
    });
    let expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    expected.iter().for_each(|n| drop(emulator.say(PERSON, n)));
    emulator.set_callback(&callback.url);
    let mut got = texts(&callback.updates(20).await);
    assert_ne!(got, expected);
    got.sort();
    got.dedup();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_late_failure_is_a_status() {
    let callback = Callback::start().await;
    let emulator = quiet().await;
    emulator.set_callback(&callback.url);
    emulator.fail_next(1, Failure::FailLater { code: 131_026 });
    client(&emulator).send("42", "token", &text("US.9", "hi")).await.unwrap();
    let updates = callback.updates(1).await;
    let UpdateKind::Status(status) = &updates[0].kind else { panic!() };
    assert_eq!(status.status, Some(domain::DeliveryStatus::Failed));
    assert_eq!(status.error.as_ref().unwrap()["code"], 131_026);
    assert_eq!(status.recipient_bsuid.as_deref(), Some("US.9"));
}

#[tokio::test]
async fn raw_bodies_tell_the_callbacks_answer() {
    let callback = Callback::start().await;
    let emulator = quiet().await;
    assert!(emulator.post_raw(b"{}", Signature::Valid).await.is_err());
    emulator.set_callback(&callback.url);
    assert_eq!(emulator.post_raw(b"{", Signature::Valid).await.unwrap().0, 200);
    assert_eq!(emulator.post_raw(b"{", Signature::Wrong).await.unwrap().0, 401);
    assert_eq!(emulator.post_raw(b"{", Signature::None).await.unwrap().0, 401);
}

#[tokio::test]
async fn it_can_be_used_over_http() {
    let callback = Callback::start().await;
    let emulator = quiet().await;
    let http = Http(emulator.base_url());
    let callback_url = json!({ "url": callback.url });
    http.call("PUT", "/emulator/callback", Some(&callback_url)).await;
    let said = http.call("POST", "/emulator/say", Some(&json!({"from": PERSON, "text": "hi", "wait": true}))).await;
    assert_eq!(said["delivery"]["delivered"], true);
    http.call("POST", "/emulator/faults", Some(&json!({"next": [{"kind": "code", "code": 4}]}))).await;
    let client = client(&emulator);
    assert!(client.send("42", "token", &text(PERSON, "a")).await.is_err());
    let body = text(PERSON, "b");
    let (listed, sent) = tokio::join!(
        http.call("GET", "/emulator/sent?to=16505551234&wait_for=1", None),
        client.send("42", "token", &body),
    );
    assert_eq!(listed["sent"][0]["wamid"], sent.unwrap().wamid.as_str());
    assert_eq!(http.call("GET", "/emulator/refusals", None).await, json!({"4": 1}));
    let transcript = http.call("GET", "/emulator/transcript?phone=16505551234", None).await;
    assert_eq!(transcript, json!("you: hi\nbot: b\n"));
    assert_eq!(http.call("DELETE", "/emulator/sent", None).await["cleared"], 1);
    assert_eq!(http.call("GET", "/emulator/sent", None).await, json!({"total": 0, "sent": []}));
}

/// A client for the control paths.
struct Http(String);

impl Http {
    /// The answer as JSON, or as text when it is none.
    #[expect(clippy::disallowed_methods, reason = "a test's own client, for this machine only")]
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        whatsapp::client::install_tls();
        let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
        let mut request = http.request(method.parse().unwrap(), format!("{}{path}", self.0));
        if let Some(body) = body {
            request = request.json(body);
        }
        let text = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }
}
