//! Files at Meta: uploading them, and fetching them in two steps.

use std::time::Duration;

use reqwest::{Body, Url, header, multipart};
use serde::Deserialize;
use serde_json::Value;

use super::{ANSWER_BYTES_MAX, Client, SendError, answer, check, error::reason};

/// For a whole file, either way.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Domains whose hosts serve files and may see the token, beside the base. Meta hands out addresses at
/// `lookaside.fbsbx.com` and on its content delivery network.
const META_DOMAINS: [&str; 4] = ["fbsbx.com", "fbcdn.net", "facebook.com", "whatsapp.net"];

/// A file to be uploaded.
#[derive(Debug)]
pub struct Upload {
    /// Media type.
    pub mime_type: String,
    /// Name, as recipients of a document see it.
    pub filename: String,
    /// Its bytes.
    pub body: Body,
    /// How many they are.
    pub size: u64,
}

/// Where Meta keeps a file. The address is good for five minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaInfo {
    /// Where the bytes are. Only for [`Client::download`], which knows whom to trust.
    pub url: String,
    /// Media type.
    pub mime_type: Option<String>,
    /// Hash of the bytes.
    pub sha256: Option<[u8; 32]>,
    /// Size in bytes.
    pub file_size: Option<u64>,
}

/// The bytes of a file on their way.
#[derive(Debug)]
pub struct Download {
    response: reqwest::Response,
}

/// Why there are no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// The address is not one of Meta's, so it was not asked and has not seen the token.
    #[error("the file's address is not one of Meta's")]
    Foreign,
    /// Meta has no file there: the address, or the file, has expired.
    #[error("Meta has no file there any more (HTTP {0})")]
    Gone(u16),
    /// Meta did not answer as it should.
    #[error(transparent)]
    Failed(#[from] SendError),
}

impl Client {
    /// The client that fetches files which are elsewhere than at the base, so that it can be one with an egress guard.
    #[must_use]
    pub fn with_elsewhere(self, elsewhere: reqwest::Client) -> Self {
        Self { elsewhere, ..self }
    }

    /// Uploads a file and returns its id, which is good for sends from this number for 30 days.
    ///
    /// # Errors
    /// As [`Self::send`]. Uploading twice only leaves two files.
    pub async fn upload(&self, phone_number_id: &str, token: &str, file: Upload) -> Result<String, SendError> {
        let part = multipart::Part::stream_with_length(file.body, file.size)
            .file_name(file.filename)
            .mime_str(&file.mime_type)
            .map_err(|_| SendError::Invalid("the media type is not one".into()))?;
        let form = multipart::Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", file.mime_type)
            .part("file", part);
        check(phone_number_id, token)?;
        let mut url = self.root.clone();
        url.set_path(&format!("{}/{phone_number_id}/media", self.root.path()));
        let request = self.files.post(url).bearer_auth(token).timeout(TIMEOUT).multipart(form);
        let (http_status, bytes) = read(request).await?;
        let body: Option<Value> = serde_json::from_slice(&bytes).ok();
        let id = match body.as_ref().and_then(|body| body.get("id")) {
            Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
            Some(Value::Number(id)) => Some(id.to_string()),
            _ => None,
        };
        id.ok_or_else(|| SendError::Malformed { http_status, reason: "the answer names no file".into() })
    }

    /// Asks where a file is.
    ///
    /// # Errors
    /// As [`Self::send`]. Asking twice does no harm.
    pub async fn media(&self, media_id: &str, token: &str) -> Result<MediaInfo, SendError> {
        let (http_status, bytes) = self.perform(self.question(media_id, "", token)?, ANSWER_BYTES_MAX).await?;
        MediaInfo::parse(&bytes)
            .ok_or_else(|| SendError::Malformed { http_status, reason: "the answer names no address".into() })
    }

    /// Begins to fetch a file from where [`Self::media`] says it is. The token goes to the base and to Meta's hosts
    /// over https, and nowhere else, whatever the address says.
    ///
    /// # Errors
    /// When the address is not Meta's, or Meta does not answer with bytes.
    pub async fn download(&self, url: &str, token: &str) -> Result<Download, DownloadError> {
        let url = Url::parse(url).map_err(|_| DownloadError::Foreign)?;
        let client = match self.trust(&url) {
            Trust::Base => &self.files,
            Trust::Meta => &self.elsewhere,
            Trust::None => return Err(DownloadError::Foreign),
        };
        let request = client.get(url).bearer_auth(token).timeout(TIMEOUT);
        let response = request.send().await.map_err(SendError::from_transport)?;
        let http_status = response.status().as_u16();
        match http_status {
            200 => Ok(Download { response }),
            401 | 403 | 404 | 410 => Err(DownloadError::Gone(http_status)),
            _ => Err(DownloadError::Failed(answer::refusal(&[], http_status))),
        }
    }

    fn trust(&self, url: &Url) -> Trust {
        if !url.username().is_empty() || url.password().is_some() {
            return Trust::None;
        }
        if self.root.origin() == url.origin() {
            return Trust::Base;
        }
        let host = url.domain().unwrap_or_default();
        let is_below =
            |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let is_default_port = url.port_or_known_default() == Some(443);
        if url.scheme() == "https" && is_default_port && META_DOMAINS.iter().any(is_below) {
            Trust::Meta
        } else {
            Trust::None
        }
    }
}

/// Performs a request. `Ok` is the status and body of a success.
async fn read(request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), SendError> {
    let mut response = request.send().await.map_err(SendError::from_transport)?;
    let status = response.status();
    let mut bytes = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > ANSWER_BYTES_MAX => break Some("too long".to_owned()),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break None,
            Err(error) => break Some(reason(&error)),
        }
    };
    let http_status = status.as_u16();
    match broken {
        None if status.is_success() => Ok((http_status, bytes)),
        None => Err(answer::refusal(&bytes, http_status)),
        Some(reason) if status.is_success() => Err(SendError::Unknown(format!("the answer broke off: {reason}"))),
        Some(_) => Err(answer::refusal(&[], http_status)),
    }
}

/// Who an address belongs to.
#[derive(Debug, PartialEq, Eq)]
enum Trust {
    Base,
    Meta,
    None,
}

impl Download {
    /// The size that was announced, in bytes.
    pub fn size(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The media type that was announced.
    pub fn mime_type(&self) -> Option<&str> {
        self.response.headers().get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When the connection breaks or stands still for too long.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, SendError> {
        match self.response.chunk().await {
            Ok(chunk) => Ok(chunk.map(Vec::from)),
            Err(error) => Err(SendError::Unknown(format!("the file broke off: {}", reason(&error)))),
        }
    }
}

impl MediaInfo {
    fn parse(bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            url: String,
            mime_type: Option<String>,
            sha256: Option<String>,
            file_size: Option<Value>,
        }
        let answer: Answer = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            url: answer.url,
            mime_type: answer.mime_type,
            sha256: answer.sha256.as_deref().and_then(sha256),
            // A number or a text.
            file_size: answer.file_size.and_then(|size| match size {
                Value::String(digits) => digits.parse().ok(),
                other => other.as_u64(),
            }),
        })
    }
}

/// Reads a SHA-256 as Meta writes it: in base64 in webhooks, in hexadecimal elsewhere.
pub fn sha256(text: &str) -> Option<[u8; 32]> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == 32).or_else(|| STANDARD.decode(text).ok())?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_meta_only() {
        let client = Client::new("https://graph.facebook.com", "v22.0").unwrap();
        let trust = |url: &str| client.trust(&Url::parse(url).unwrap());
        assert_eq!(trust("https://graph.facebook.com/x"), Trust::Base);
        assert_eq!(trust("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1"), Trust::Meta);
        assert_eq!(trust("https://scontent.xx.fbcdn.net/a"), Trust::Meta);
        for foreign in [
            "http://lookaside.fbsbx.com/",
            "https://lookaside.fbsbx.com:8443/",
            "https://lookaside.fbsbx.com.evil.example/",
            "https://evilfbsbx.com/",
            "https://user@lookaside.fbsbx.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "ftp://lookaside.fbsbx.com/",
            "file:///etc/passwd",
        ] {
            assert_eq!(trust(foreign), Trust::None, "{foreign}");
        }
        let emulated = Client::new("http://127.0.0.1:8080", "v22.0").unwrap();
        assert_eq!(emulated.trust(&Url::parse("http://127.0.0.1:8080/f").unwrap()), Trust::Base);
        assert_eq!(emulated.trust(&Url::parse("http://127.0.0.1:8081/f").unwrap()), Trust::None);
    }

    #[test]
    fn a_hash_is_read_in_both_spellings() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(hex), sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
        assert!(sha256(hex).is_some());
        assert_eq!(sha256("abc"), None);
    }

    #[test]
    fn a_size_is_a_number_or_a_text() {
        for size in ["303833", "\"303833\""] {
            let body =
                format!(r#"{{"url":"https://x","mime_type":"image/jpeg","sha256":"x","file_size":{size},"id":"1"}}"#);
            assert_eq!(MediaInfo::parse(body.as_bytes()).unwrap().file_size, Some(303_833));
        }
        assert_eq!(MediaInfo::parse(b"{}"), None);
    }
}
