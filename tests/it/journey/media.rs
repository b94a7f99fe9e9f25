//! Files: uploaded, fetched from Meta, kept in a folder or a bucket, and removed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use domain::SystemClock;
use emulator::Inbound;
use serde_json::{Value, json};
use server::{
    config::{BucketConfig, Config, SecretText, StoreConfig},
    running::Running,
};
use tests::{Answer, Api, Bucket, Method, OnDatabase, TestDatabase, each_database};

use super::{ADA, Stage, until};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nsome image";

/// A part of a form: name, file name, media type, bytes.
type Part<'a> = (&'a str, Option<&'a str>, Option<&'a str>, &'a [u8]);

/// A form as a browser would send it.
fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, filename, kind, bytes) in parts {
        form.extend_from_slice(format!("--limit\r\ncontent-disposition: form-data; name=\"{name}\"").as_bytes());
        if let Some(filename) = filename {
            form.extend_from_slice(format!("; filename=\"{filename}\"").as_bytes());
        }
        if let Some(kind) = kind {
            form.extend_from_slice(format!("\r\ncontent-type: {kind}").as_bytes());
        }
        form.extend_from_slice(b"\r\n\r\n");
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--limit--\r\n");
    form
}

async fn upload(api: &Api, bot: i64, parts: &[Part<'_>]) -> Answer {
    let path = format!("/whatsapp/media?bot_id={bot}");
    api.send_raw(Method::POST, &path, Some(("multipart/form-data; boundary=limit", form(parts)))).await
}

impl Stage {
    /// Ada sends a file; answers the id of its message.
    async fn say_file(&self, kind: &str, mime_type: &str, bytes: &[u8]) -> (i64, emulator::File) {
        let file = self.emulator.put_file(mime_type, bytes.to_vec());
        let said = Inbound::file(ADA, kind, &file).with("filename", "über \"uns\".pdf");
        self.emulator.say_with(said).delivered().await.unwrap();
        let history = self.history("inbound").await;
        let message = history.iter().find(|message| message["content"]["id"] == file.id.as_str()).unwrap();
        (message["id"].as_i64().unwrap(), file)
    }

    async fn file(&self, message: i64) -> Answer {
        self.api.send(Method::GET, &format!("/whatsapp/media/{message}"), None).await
    }

    /// Whether the body of a file comes to a proper end.
    async fn file_bytes(&self, message: i64) -> Result<Vec<u8>, String> {
        self.api.bytes(&format!("/whatsapp/media/{message}")).await
    }
}

/// A [`Stage`] that keeps files in a folder.
struct FolderStage(Stage, PathBuf, #[expect(dead_code, reason = "removed when it is dropped")] tempfile::TempDir);

impl OnDatabase for FolderStage {
    async fn on(database: TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let keep = |config: &mut Config| config.media.store = StoreConfig::Folder(path.clone());
        Self(Stage::set(database, false, keep).await, path.clone(), folder)
    }
}

impl FolderStage {
    fn kept(&self, message: i64) -> Option<Vec<u8>> {
        std::fs::read(self.1.join(format!("media/{}/{message}", self.0.bot))).ok()
    }
}

/// Where a bucket is and who may use it.
fn bucket_config(bucket: &Bucket) -> StoreConfig {
    StoreConfig::Bucket(BucketConfig {
        bucket: Bucket::NAME.into(),
        prefix: "bots/one".into(),
        endpoint: Some(bucket.endpoint().into()),
        region: Bucket::REGION.into(),
        access_key_id: SecretText::new(Bucket::ACCESS_KEY_ID),
        secret_access_key: SecretText::new(Bucket::SECRET_ACCESS_KEY),
        session_token: None,
    })
}

/// Bytes that no compression and no repetition hides a mistake in.
fn many_bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| u8::try_from((n * 31 + n / 251) % 256).unwrap()).collect()
}

each_database! {
    async fn an_upload_is_passed_on_and_can_be_sent(stage: Stage) {
        let answer = upload(&stage.api, stage.bot, &[("file", Some("C:\\photos\\ada.png"), Some("image/png"), PNG)]).await;
        let media = answer.must_be(201);
        assert_eq!((&media["media_type"], &media["mime_type"]), (&json!("image"), &json!("image/png")));
        assert_eq!((&media["size"], &media["filename"]), (&json!(PNG.len()), &json!("ada.png")));
        let expires: chrono::DateTime<chrono::Utc> = media["expires_at"].as_str().unwrap().parse().unwrap();
        assert_eq!((expires - stage.app.clock().now()).num_hours(), 30 * 24 - 1);
        let id = media["id"].as_str().unwrap();
        let kept = stage.emulator.file(id).unwrap();
        assert_eq!((kept.bytes.as_ref(), kept.mime_type.as_str()), (PNG, "image/png"));
        let send = json!({ "to": ADA, "media_type": "image", "media_id": id });
        stage.api.post(&format!("/whatsapp/send/media?bot_id={}", stage.bot), send).await;
        assert_eq!(stage.emulator.sent()[0].body["image"]["id"], id);
        // What was sent can be looked at, too.
        let message = stage.history("outbound").await[0]["id"].as_i64().unwrap();
        assert_eq!(stage.file_bytes(message).await.unwrap(), PNG);
    }

    async fn the_type_may_be_a_field_of_its_own(stage: Stage) {
        let parts: [Part<'_>; 3] =
            [("file", Some("a.pdf"), Some("application/octet-stream"), b"%PDF-1.7"), ("type", None, None, b"application/pdf"), ("x", None, None, b"y")];
        assert_eq!(upload(&stage.api, stage.bot, &parts).await.must_be(201)["media_type"], "document");
    }

    async fn a_faulty_upload_never_reaches_meta(stage: Stage) {
        let big = vec![0_u8; 16 * 1024 * 1024 + 1];
        for (parts, pointer) in [
            (vec![], "/file"),
            (vec![("type", None, None, &b"image/png"[..])], "/file"),
            (vec![("file", Some("a"), None, PNG)], "/file"),
            (vec![("file", Some("a"), Some("nonsense"), PNG)], "/file"),
            (vec![("file", Some("a"), Some("image/jpeg"), PNG)], "/file"),
            (vec![("file", Some("a"), Some("image/png"), &b""[..])], "/file"),
            (vec![("file", Some("a"), Some("audio/mpeg"), &big[..])], "/file"),
            (vec![("file", Some("a"), Some("image/png"), PNG), ("file", Some("b"), Some("image/png"), PNG)], "/file"),
            (vec![("type", None, None, &[b'x'; 300][..])], "/type"),
        ] {
            assert_eq!(upload(&stage.api, stage.bot, &parts).await.faults(), [pointer], "{:?}", parts.iter().map(|p| p.0).collect::<Vec<_>>());
        }
        let path = format!("/whatsapp/media?bot_id={}", stage.bot);
        stage.api.send(Method::POST, &path, Some(&json!({}))).await.problem(415);
        stage.api.send_raw(Method::POST, &path, Some(("multipart/form-data", vec![]))).await.problem(415);
        let cut = form(&[("file", Some("a"), Some("image/png"), PNG)]);
        let cut = cut[..cut.len() - 20].to_vec();
        stage.api.send_raw(Method::POST, &path, Some(("multipart/form-data; boundary=limit", cut))).await.problem(400);
        assert_eq!(upload(&stage.api, 0, &[]).await.problem(404)["title"], "Not found");
        let eve = stage.app.api().registered("eve").await;
        upload(&eve, stage.bot, &[("file", Some("a"), Some("image/png"), PNG)]).await.problem(404);
        let mute = stage.api.post("/bots/", json!({ "name": "mute" })).await["id"].as_i64().unwrap();
        upload(&stage.api, mute, &[("file", Some("a"), Some("image/png"), PNG)]).await.problem(409);
        assert_eq!(stage.emulator.refusals().len(), 0, "Meta was not asked");
    }

    async fn a_file_too_large_is_cut_off(stage: Stage) {
        let huge = vec![1_u8; 100 * 1024 * 1024 + 1];
        upload(&stage.api, stage.bot, &[("file", Some("a"), Some("application/zip"), &huge)]).await.problem(413);
    }

    async fn a_file_is_fetched_from_meta_when_asked_for(stage: Stage) {
        let (message, file) = stage.say_file("document", "application/pdf", b"%PDF-1.7 text").await;
        let answer = stage.file(message).await;
        answer.must_be(200);
        assert_eq!(answer.text, "%PDF-1.7 text");
        assert_eq!((answer.header("content-type"), answer.header("content-length")), ("application/pdf", "13"));
        assert_eq!(answer.header("content-disposition"), "attachment; filename*=UTF-8''%C3%BCber%20%22uns%22.pdf");
        assert_eq!((answer.header("x-content-type-options"), answer.header("content-security-policy")), ("nosniff", "default-src 'none'; sandbox"));
        let eve = stage.app.api().registered("eve").await;
        eve.send(Method::GET, &format!("/whatsapp/media/{message}"), None).await.problem(404);
        // An address that has expired is asked for anew, once.
        stage.emulator.kill_links(1);
        assert_eq!(stage.file(message).await.text, "%PDF-1.7 text");
        stage.emulator.kill_links(2);
        stage.file(message).await.problem(404);
        // A forged address gets no token, and nothing from there is shown.
        let (reads, elsewhere) = (stage.emulator.file_reads(), emulator::Emulator::start(emulator::Config::new(Arc::new(SystemClock))).await.unwrap());
        stage.emulator.set_file_host(Some(&elsewhere.base_url()));
        stage.file(message).await.problem(502);
        assert_eq!((stage.emulator.file_reads(), elsewhere.file_reads()), (reads, 0));
        stage.emulator.set_file_host(None);
        stage.emulator.delete_file(&file.id);
        stage.file(message).await.problem(404);
        stage.say("no file").await;
        let text = stage.history("inbound").await.last().unwrap()["id"].as_i64().unwrap();
        stage.file(text).await.problem(404);
        stage.file(999_999).await.problem(404);
    }

    async fn bytes_that_are_not_the_announced_ones_are_not_given_out(stage: Stage) {
        let (small, file) = stage.say_file("image", "image/png", PNG).await;
        stage.emulator.spoil_file(&file.id, b"\x89PNG\r\n\x1a\nother imag".to_vec());
        assert!(stage.file(small).await.problem(502)["detail"].as_str().unwrap().contains("hash"));
        // A large one is on its way already when that turns out: it breaks off.
        let mut large = many_bytes(5 * 1024 * 1024);
        let (message, file) = stage.say_file("document", "application/zip", &large).await;
        assert_eq!(stage.file_bytes(message).await.unwrap(), large);
        large[0] ^= 1;
        stage.emulator.spoil_file(&file.id, large);
        assert!(stage.file_bytes(message).await.is_err());
    }

    async fn files_are_kept_as_they_come_and_outlive_metas(stage: FolderStage) {
        let (message, file) = stage.0.say_file("image", "image/png", PNG).await;
        until("the file is kept", async || stage.kept(message).is_some()).await;
        until("its row says so", async || stage.0.app.db().read().await.unwrap().stored_media(message.into()).await.unwrap().is_some()).await;
        assert_eq!(stage.kept(message).unwrap(), PNG);
        stage.0.emulator.delete_file(&file.id);
        let answer = stage.0.file(message).await;
        answer.must_be(200);
        assert_eq!((answer.header("content-type"), answer.header("content-length")), ("image/png", PNG.len().to_string().as_str()));
        assert_eq!(stage.0.file_bytes(message).await.unwrap(), PNG);
        assert_eq!(stage.0.emulator.file_reads(), 1);
        // Messages without a file, and those whose file Meta could not get, are nothing to fetch.
        stage.0.say("text").await;
        let broken = Inbound::media(ADA, "image", "7700000000999999", "image/png").beside("errors", json!([{ "code": 131_052 }]));
        stage.0.emulator.say_with(broken).delivered().await.unwrap();
        assert_eq!(stage.0.app.db().read().await.unwrap().next_media_at().await.unwrap(), None);
        // If it got lost here, it is fetched from Meta as long as Meta has it.
        let (message, _) = stage.0.say_file("image", "image/png", PNG).await;
        until("the file is kept", async || stage.kept(message).is_some()).await;
        std::fs::remove_file(stage.1.join(format!("media/{}/{message}", stage.0.bot))).unwrap();
        assert_eq!(stage.0.file_bytes(message).await.unwrap(), PNG);
    }

    async fn a_bot_that_is_deleted_takes_its_files_along(stage: FolderStage) {
        let (message, _) = stage.0.say_file("image", "image/png", PNG).await;
        until("the file is kept", async || stage.kept(message).is_some()).await;
        stage.0.api.delete(&format!("/bots/{}", stage.0.bot)).await;
        until("the bot is gone", async || stage.0.app.db().read().await.unwrap().deleted_bot().await.unwrap().is_none()).await;
        assert_eq!(stage.0.app.db().begin().await.unwrap().orphaned_media(10).await.unwrap().len(), 1);
    }
}

/// A stage with a bucket and a clock that is moved by hand.
async fn with_bucket(retention_days: Option<u32>) -> (Stage, Bucket) {
    let bucket = Bucket::start().await;
    let config = bucket_config(&bucket);
    let stage = Stage::set(TestDatabase::sqlite(), true, |c| {
        c.media.store = config;
        c.media.retention_days = retention_days;
        // The clock moves by weeks.
        c.auth.access_token_lifetime = Duration::from_secs(366 * 86_400);
    })
    .await;
    (stage, bucket)
}

fn key(stage: &Stage, message: i64) -> String {
    format!("bots/one/media/{}/{message}", stage.bot)
}

#[tokio::test]
async fn files_are_kept_in_a_bucket_and_removed_when_their_time_is_over() {
    let (stage, bucket) = with_bucket(Some(30)).await;
    let (small, file) = stage.say_file("image", "image/png", PNG).await;
    until("the small one is there", async || bucket.objects().contains_key(&key(&stage, small))).await;
    // A large one goes in parts.
    let bytes = many_bytes(20 * 1024 * 1024);
    let (large, _) = stage.say_file("document", "application/zip", &bytes).await;
    until("the large one is there", async || bucket.objects().contains_key(&key(&stage, large))).await;
    assert_eq!(bucket.objects()[&key(&stage, large)], bytes);
    assert!(
        bucket.asked().iter().filter(|asked| *asked == "PUT partNumber uploadId").count() >= 2,
        "{:?}",
        bucket.asked()
    );
    until("its row says so", async || {
        stage.app.db().read().await.unwrap().stored_media(large.into()).await.unwrap().is_some()
    })
    .await;
    stage.emulator.delete_file(&file.id);
    assert_eq!(stage.file_bytes(small).await.unwrap(), PNG);
    assert_eq!(stage.file_bytes(large).await.unwrap(), bytes);

    stage.app.advance(Duration::from_secs(29 * 86_400));
    let (later, _) = stage.say_file("image", "image/png", PNG).await;
    until("the later one is there", async || bucket.objects().contains_key(&key(&stage, later))).await;
    stage.app.advance(Duration::from_secs(2 * 86_400));
    until("the old ones are gone", async || bucket.objects().len() == 1).await;
    assert!(bucket.objects().contains_key(&key(&stage, later)));
    stage.file(small).await.problem(404);
    assert_eq!(bucket.refused(), Vec::<String>::new());
    assert_eq!(bucket.open_uploads(), 0);
}

#[tokio::test]
async fn a_contact_that_is_deleted_takes_its_files_along() {
    let (stage, bucket) = with_bucket(None).await;
    let (message, _) = stage.say_file("image", "image/png", PNG).await;
    until("it is there", async || bucket.objects().contains_key(&key(&stage, message))).await;
    let contacts: Value = stage.api.get(&format!("/flows/contacts/?bot_id={}", stage.bot)).await;
    stage.api.delete(&format!("/flows/contacts/{}", contacts["items"][0]["id"])).await;
    stage.app.advance(Duration::from_secs(3_601));
    until("it is gone", async || bucket.objects().is_empty()).await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_tried_again_and_never_kept_by_half() {
    let (stage, bucket) = with_bucket(None).await;
    let bytes = many_bytes(20 * 1024 * 1024);
    let file = stage.emulator.put_file("application/zip", bytes.clone());
    let mut spoilt = bytes.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    stage.emulator.spoil_file(&file.id, spoilt);
    stage.emulator.say_with(Inbound::file(ADA, "document", &file)).delivered().await.unwrap();
    let message = stage.history("inbound").await[0]["id"].as_i64().unwrap();
    until("it was tried in vain", async || bucket.asked().contains(&"DELETE uploadId".to_owned())).await;
    assert_eq!((bucket.objects().len(), bucket.open_uploads()), (0, 0));
    let due = async || stage.app.db().read().await.unwrap().next_media_at().await.unwrap();
    let backoff = stage.app.clock().now() + Duration::from_secs(10);
    until("it is due again", async || due().await == Some(backoff)).await;
    stage.emulator.spoil_file(&file.id, bytes.clone());
    stage.app.advance(Duration::from_secs(11));
    until("it is there", async || bucket.objects().get(&key(&stage, message)).is_some_and(|kept| *kept == bytes)).await;

    // What Meta does not have any more is given up.
    stage.emulator.say_with(Inbound::media(ADA, "image", "7700000000999999", "image/png")).delivered().await.unwrap();
    until("it is given up", async || due().await.is_none()).await;
    assert_eq!(bucket.objects().len(), 1);
}

#[tokio::test]
async fn a_file_that_was_to_be_fetched_is_fetched_by_the_next_start() {
    let (bucket, database, folder) = (Bucket::start().await, TestDatabase::sqlite(), tempfile::tempdir().unwrap());
    let emulator = emulator::Emulator::start(emulator::Config::new(Arc::new(SystemClock))).await.unwrap();
    let start = async || {
        let mut config = Config::for_testing(database.url());
        config.data_dir = folder.path().to_owned();
        config.whatsapp.api_base_url = emulator.base_url();
        config.whatsapp.app_secret = Some(SecretText::new(emulator.app_secret()));
        config.whatsapp.access_token = Some(SecretText::new("token"));
        config.media.store = bucket_config(&bucket);
        Running::start(config, Arc::new(SystemClock)).await.unwrap()
    };
    let running = start().await;
    let api = Api::at(&running.base_url()).registered("owner").await;
    let number = &emulator.number().phone_number_id;
    let bot = json!({ "name": "Bot", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number });
    api.post("/bots/", bot).await;
    emulator.set_callback(&format!("{}/whatsapp/webhook", running.base_url()));
    bucket.set_down(true);
    let file = emulator.put_file("image/png", PNG);
    emulator.say_with(Inbound::file(ADA, "image", &file)).delivered().await.unwrap();
    until("it is being fetched", async || emulator.file_reads() > 0).await;
    running.shut_down().await;
    bucket.set_down(false);
    assert!(bucket.objects().is_empty());
    let running = start().await;
    until("it is there", async || bucket.objects().values().any(|kept| *kept == PNG)).await;
    running.shut_down().await;
}
