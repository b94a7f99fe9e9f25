//! A stand-in for S3: one bucket in memory that believes nothing but a right signature.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Longest object in one piece; S3 itself takes more.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A bucket on this machine. It ends with the test's runtime.
#[derive(Debug, Clone)]
pub struct Bucket {
    endpoint: String,
    state: Arc<Mutex<Objects>>,
}

#[derive(Debug, Default)]
struct Objects {
    objects: BTreeMap<String, Bytes>,
    /// Uploads in parts that are not complete: key and parts.
    uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    next: u64,
    asked: Vec<String>,
    refused: Vec<String>,
    is_down: bool,
}

impl Bucket {
    /// Its name.
    pub const NAME: &str = "test-bucket";
    /// Its region.
    pub const REGION: &str = "eu-test-1";
    /// The one who may use it.
    pub const ACCESS_KEY_ID: &str = "test-id";
    /// The proof.
    pub const SECRET_ACCESS_KEY: &str = "test-secret";

    /// Starts one.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let bucket = Self { endpoint, state: Arc::default() };
        let router =
            Router::new().fallback(answer).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(bucket.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        bucket
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What is in it, by key.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.state().objects.clone()
    }

    /// How many uploads in parts were begun and neither completed nor given up.
    pub fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }

    /// Methods of the requests that were signed rightly, with what they were for: `PUT`, `POST uploads` …
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// Requests that were not signed rightly.
    pub fn refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }

    /// From now on it answers 503, or not any more.
    pub fn set_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    fn state(&self) -> MutexGuard<'_, Objects> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(bucket): State<Bucket>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = bucket.state();
    if state.is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Err(why) = verify(&method, &uri, &headers, &body) {
        state.refused.push(format!("{method} {uri}: {why}"));
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(key) = uri.path().strip_prefix(&format!("/{}/", Bucket::NAME)).map(str::to_owned) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let query: BTreeMap<&str, &str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let names: Vec<&str> = query.keys().copied().collect();
    state.asked.push(format!("{method} {}", names.join(" ")).trim_end().to_owned());
    state.act(&method, key, &query, body)
}

impl Objects {
    fn act(&mut self, method: &Method, key: String, query: &BTreeMap<&str, &str>, body: Bytes) -> Response {
        let upload = query.get("uploadId").map(|id| (*id).to_owned());
        match (method.as_str(), upload) {
            ("POST", None) if query.contains_key("uploads") => {
                self.next += 1;
                let id = format!("upload-{}", self.next);
                self.uploads.insert(id.clone(), (key.clone(), BTreeMap::new()));
                xml(&format!(
                    "<InitiateMultipartUploadResult><Bucket>{}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
                    Bucket::NAME
                ))
            }
            ("PUT", Some(id)) => {
                let number = query.get("partNumber").and_then(|number| number.parse().ok());
                match (self.uploads.get_mut(&id), number) {
                    (Some((_, parts)), Some(number)) => {
                        parts.insert(number, body);
                        ([(header::ETAG, format!("\"part-{number}\""))], "").into_response()
                    }
                    _ => StatusCode::NOT_FOUND.into_response(),
                }
            }
            ("POST", Some(id)) => {
                let Some((key, parts)) = self.uploads.remove(&id) else { return StatusCode::NOT_FOUND.into_response() };
                let whole: Vec<u8> = parts.into_values().flatten().collect();
                self.objects.insert(key, whole.into());
                xml("<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>")
            }
            ("DELETE", Some(id)) => {
                self.uploads.remove(&id);
                StatusCode::NO_CONTENT.into_response()
            }
            ("PUT", None) => {
                self.objects.insert(key, body);
                ([(header::ETAG, "\"whole\"")], "").into_response()
            }
            ("GET", None) => match self.objects.get(&key) {
                Some(bytes) => {
                    let headers =
                        [(header::ETAG, "\"whole\""), (header::LAST_MODIFIED, "Wed, 21 Oct 2026 07:28:00 GMT")];
                    (headers, bytes.clone()).into_response()
                }
                None => StatusCode::NOT_FOUND.into_response(),
            },
            ("DELETE", None) => {
                self.objects.remove(&key);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        }
    }
}

fn xml(text: &str) -> Response {
    ([(header::CONTENT_TYPE, "application/xml")], text.to_owned()).into_response()
}

/// Checks a request's signature (AWS Signature Version 4) over everything that it covers, the body included.
fn verify(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(format!("no {name}"));
    let rest = get("authorization")?.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let field = |name: &str| {
        rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).ok_or(format!("no {name}"))
    };
    let (credential, signed, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let date = get("x-amz-date")?;
    let day = date.get(..8).ok_or("no date")?;
    let scope = format!("{day}/{}/s3/aws4_request", Bucket::REGION);
    if credential != format!("{}/{scope}", Bucket::ACCESS_KEY_ID) {
        return Err(format!("the credential {credential}"));
    }
    for needed in ["host", "x-amz-content-sha256", "x-amz-date"] {
        if !signed.split(';').any(|name| name == needed) {
            return Err(format!("{needed} is not signed"));
        }
    }
    let hash = get("x-amz-content-sha256")?;
    if hash != hex::encode(Sha256::digest(body)) {
        return Err("the hash of the body".into());
    }
    let mut pairs: Vec<String> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    let mut lines = String::new();
    for name in signed.split(';') {
        lines.push_str(&format!("{name}:{}\n", get(name)?.trim()));
    }
    let request = format!("{method}\n{}\n{}\n{lines}\n{signed}\n{hash}", uri.path(), pairs.join("&"));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(request)));
    let mut key = format!("AWS4{}", Bucket::SECRET_ACCESS_KEY).into_bytes();
    for part in [day, Bucket::REGION, "s3", "aws4_request"] {
        key = sign(&key, part);
    }
    if hex::encode(sign(&key, &text)) == signature { Ok(()) } else { Err("the signature".into()) }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
