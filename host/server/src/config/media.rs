//! Where files that people send are kept.

use std::path::PathBuf;

use super::SecretText;

/// What becomes of files that people send.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// Where they are kept.
    pub store: StoreConfig,
    /// For how many days; `None` is for ever.
    pub retention_days: Option<u32>,
}

/// Where files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// Nowhere: they are fetched from Meta when somebody asks for them, as long as Meta has them.
    Off,
    /// In a folder. Hosts that share a database need to share it, too.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(BucketConfig),
}

/// A bucket of S3, or of anything that speaks like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// Its name.
    pub bucket: String,
    /// What stands before each key; may be empty.
    pub prefix: String,
    /// Where it is, if not at Amazon.
    pub endpoint: Option<String>,
    /// E.g. `eu-central-1`.
    pub region: String,
    /// Who asks.
    pub access_key_id: SecretText,
    /// The proof.
    pub secret_access_key: SecretText,
    /// For credentials that expire.
    pub session_token: Option<SecretText>,
}

/// What `MEDIA_STORE` may say.
pub(super) enum Place {
    Off,
    Folder(PathBuf),
    Bucket { bucket: String, prefix: String },
}

/// Reads `MEDIA_STORE`.
pub(super) fn place(text: &str) -> Result<Place, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(Place::Off);
    }
    if let Some(path) = text.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return if path.is_empty() { Err("names no folder".into()) } else { Ok(Place::Folder(path.into())) };
    }
    let Some(rest) = text.strip_prefix("s3://") else {
        return Err(format!("must be off, file:<folder> or s3://<bucket>, not {text:?}"));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    if is_name {
        Ok(Place::Bucket { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    } else {
        Err(format!("has {bucket:?}, which is no name of a bucket"))
    }
}
