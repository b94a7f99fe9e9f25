//! Templates and files of the emulator, seen by the client.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::{sync::Arc, time::Duration};

use domain::{Address, Clock, OutgoingMessage, SystemClock, TestClock};
use emulator::{Config, Emulator, Inbound, Reads, Statuses};
use serde_json::{Value, json};
use whatsapp::{
    client::{Client, DownloadError, SendError, Upload, sha256},
    send,
};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nimage";

async fn emulator() -> Emulator {
    let config = Config { statuses: Statuses::off(), ..Config::new(Arc::new(SystemClock)) };
    Emulator::start(Config { token: Some("good".into()), ..config }).await.unwrap()
}

fn client(emulator: &Emulator) -> Client {
    Client::new(&emulator.base_url(), "v22.0").unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, SendError>) -> i64 {
    match result {
        Err(SendError::Refused(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

async fn send_template(emulator: &Emulator, name: &str, components: Value) -> Result<(), SendError> {
    let content = json!({ "name": name, "language": { "code": "en_US" }, "components": components });
    let message = OutgoingMessage { kind: "template".into(), content };
    let body = send::request(&Address::parse("16505551234").unwrap(), &message, "1", None);
    client(emulator).send(&emulator.number().phone_number_id, "good", &body).await.map(drop)
}

#[tokio::test]
async fn the_list_of_templates_comes_in_pages() {
    let emulator = emulator().await;
    let (client, waba) = (client(&emulator), emulator.number().waba_id.clone());
    for n in 0..120 {
        emulator.put_template(&json!({ "name": format!("t{n:03}") }));
    }
    let (mut after, mut names) = (None, Vec::new());
    for _ in 0..3 {
        let page = client.templates(&waba, "good", after.as_deref()).await.unwrap();
        assert_eq!(page.odd, 0);
        names.extend(page.templates.into_iter().map(|template| template.name));
        after = page.after;
    }
    assert_eq!((after, names.len(), names[119].as_str()), (None, 120, "t119"));
    assert_eq!(emulator.template_reads(), 3);
    assert_eq!(code(client.templates(&waba, "bad", None).await), 190);
    assert_eq!(code(client.templates("7", "good", None).await), 100);
    emulator.set_reads(Reads { code: Some(80_008), delay_ms: 0 });
    assert_eq!(code(client.templates(&waba, "good", None).await), 80_008);
}

#[tokio::test]
async fn a_template_send_must_fit() {
    let emulator = emulator().await;
    // Nothing is known yet: everything is taken.
    send_template(&emulator, "anything", json!([])).await.unwrap();
    emulator.put_template(&json!({ "name": "order", "components": [
        { "type": "HEADER", "format": "IMAGE" },
        { "type": "BODY", "text": "Hi {{1}}, {{2}}" },
        { "type": "BUTTONS", "buttons": [{ "type": "URL", "url": "https://x.example/{{1}}" }] },
    ] }));
    let text = |text: &str| json!({ "type": "text", "text": text });
    let header = json!({ "type": "header", "parameters": [{ "type": "image", "image": { "id": "1" } }] });
    let body = json!({ "type": "body", "parameters": [text("Ada"), text("x")] });
    let button = json!({ "type": "button", "sub_type": "url", "index": "0", "parameters": [text("x")] });
    send_template(&emulator, "order", json!([header, body, button])).await.unwrap();
    for (components, wanted) in [
        (json!([header, { "type": "body", "parameters": [text("Ada")] }, button]), 132_000),
        (json!([body, button]), 132_012),
        (json!([{ "type": "header", "parameters": [text("x")] }, body, button]), 132_012),
        (json!([header, body]), 131_008),
    ] {
        assert_eq!(code(send_template(&emulator, "order", components.clone()).await), wanted, "{components}");
    }
    assert_eq!(code(send_template(&emulator, "anything", json!([])).await), 132_001);
    for (status, wanted) in [("PAUSED", 132_015), ("DISABLED", 132_016), ("REJECTED", 132_001)] {
        drop(emulator.set_template_status("order", "en_US", status, None));
        assert_eq!(code(send_template(&emulator, "order", json!([header, body, button])).await), wanted);
    }
}

#[tokio::test]
async fn a_file_is_uploaded_found_fetched_and_deleted() {
    let emulator = emulator().await;
    let (client, number) = (client(&emulator), emulator.number().phone_number_id.clone());
    let upload = |mime_type: &str, bytes: &'static [u8]| Upload {
        mime_type: mime_type.into(),
        filename: "ä \"b\".png".into(),
        body: bytes.into(),
        size: bytes.len() as u64,
    };
    let id = client.upload(&number, "good", upload("image/png", PNG)).await.unwrap();
    assert_eq!(code(client.upload(&number, "good", upload("image/jpeg", PNG)).await), 131_053);
    assert_eq!(code(client.upload(&number, "bad", upload("image/png", PNG)).await), 190);

    let info = client.media(&id, "good").await.unwrap();
    let file = emulator.file(&id).unwrap();
    assert_eq!((info.file_size, info.mime_type.as_deref()), (Some(PNG.len() as u64), Some("image/png")));
    assert_eq!(info.sha256, sha256(&file.sha256));
    assert!(matches!(client.download(&info.url, "bad").await, Err(DownloadError::Gone(401))));
    let mut download = client.download(&info.url, "good").await.unwrap();
    assert_eq!((download.size(), download.mime_type()), (Some(PNG.len() as u64), Some("image/png")));
    assert_eq!(download.chunk().await.unwrap().unwrap(), PNG);
    assert_eq!(download.chunk().await.unwrap(), None);

    emulator.delete_file(&id);
    assert!(matches!(client.download(&info.url, "good").await, Err(DownloadError::Gone(404))));
    assert_eq!(code(client.media(&id, "good").await), 100);
}

#[tokio::test]
async fn an_address_is_good_for_five_minutes_and_not_asked_when_it_is_foreign() {
    let clock = TestClock::at(SystemClock.now());
    let emulator = Emulator::start(Config::new(Arc::new(clock.clone()))).await.unwrap();
    let client = client(&emulator);
    let file = emulator.put_file("image/png", PNG);
    let info = client.media(&file.id, "any").await.unwrap();
    clock.advance(Duration::from_secs(299));
    assert!(client.download(&info.url, "any").await.is_ok());
    clock.advance(Duration::from_secs(1));
    assert!(matches!(client.download(&info.url, "any").await, Err(DownloadError::Gone(404))));
    emulator.kill_links(1);
    let dead = client.media(&file.id, "any").await.unwrap();
    assert!(matches!(client.download(&dead.url, "any").await, Err(DownloadError::Gone(404))));

    let reads = emulator.file_reads();
    emulator.set_file_host(Some("http://127.0.0.1:9"));
    let forged = client.media(&file.id, "any").await.unwrap();
    assert!(matches!(client.download(&forged.url, "any").await, Err(DownloadError::Foreign)));
    assert_eq!(emulator.file_reads(), reads);
    // What people send names the file and its hash.
    let said = Inbound::file("16505551234", "image", &file);
    assert!(format!("{said:?}").contains(&file.sha256));
}
