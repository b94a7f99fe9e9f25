//! Where files are kept: a folder, or a bucket of S3 or of anything that speaks like it.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use domain::{BotId, MessageId};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, buffered::BufWriter, local::LocalFileSystem, path::Path,
};
use tokio::io::AsyncWriteExt;

use super::{FetchError, Fetched, s3};
use crate::config::{BucketConfig, StoreConfig};

/// Bytes of one part of a large file; smaller files go in one piece. S3 wants at least 5 MB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts of one file on their way at a time.
const PARTS_MAX: usize = 2;

/// Why a file could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The store refused, or does not answer.
    #[error("the media store: {0}")]
    Objects(#[from] object_store::Error),
    /// The folder cannot be made, or a file not be written.
    #[error("the media store: {0}")]
    File(#[from] std::io::Error),
    /// The HTTP client for the bucket cannot be made.
    #[error("the media store: {0}")]
    Client(#[from] reqwest::Error),
    /// The file did not come whole.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// What a file is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) bot: BotId,
    pub(super) message: MessageId,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Store {
    objects: Arc<dyn ObjectStore>,
    /// What stands before each key.
    prefix: Path,
}

impl Store {
    /// Opens the configured store; none when files are not kept.
    pub(super) fn open(config: &StoreConfig) -> Result<Option<Self>, StoreError> {
        Ok(match config {
            StoreConfig::Off => None,
            StoreConfig::Folder(folder) => Some(Self::folder(folder)?),
            StoreConfig::Bucket(bucket) => Some(Self::bucket(bucket)?),
        })
    }

    fn folder(folder: &PathBuf) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
        let objects = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), prefix: Path::default() })
    }

    fn bucket(config: &BucketConfig) -> Result<Self, StoreError> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(config.access_key_id.reveal())
            .with_secret_access_key(config.secret_access_key.reveal())
            // Not every bucket that speaks like S3 can remove many at once, and files are removed one by one anyway.
            .with_disable_bulk_delete(true)
            .with_http_connector(s3::Connector::new()?);
        if let Some(token) = &config.session_token {
            builder = builder.with_token(token.reveal());
        }
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        Ok(Self { objects: Arc::new(builder.build()?), prefix: Path::from(config.prefix.as_str()) })
    }

    fn path(&self, key: &Key) -> Path {
        self.prefix.clone().join("media").join(key.bot.to_string()).join(key.message.to_string())
    }

    /// Keeps a file as it comes, and returns its size. Nothing is kept of one that does not come whole.
    pub(super) async fn put(&self, key: &Key, mut file: Fetched) -> Result<u64, StoreError> {
        let mut writer =
            BufWriter::with_capacity(self.objects.clone(), self.path(key), PART_BYTES).with_max_concurrency(PARTS_MAX);
        match Self::pour(&mut writer, &mut file).await {
            Ok(size) => Ok(size),
            Err(error) => {
                // What cannot be taken back lies there unfinished, where nobody sees it.
                let _unfinished = writer.abort().await;
                Err(error)
            }
        }
    }

    async fn pour(writer: &mut BufWriter, file: &mut Fetched) -> Result<u64, StoreError> {
        let mut size = 0;
        while let Some(bytes) = file.chunk().await? {
            size += bytes.len() as u64;
            writer.put(bytes).await?;
        }
        writer.shutdown().await?;
        Ok(size)
    }

    /// The size and bytes of a file, if it is there.
    pub(super) async fn get(
        &self,
        key: &Key,
    ) -> Result<Option<(u64, BoxStream<'static, Result<Bytes, StoreError>>)>, StoreError> {
        match self.objects.get(&self.path(key)).await {
            Ok(found) => Ok(Some((found.meta.size, found.into_stream().map_err(StoreError::from).boxed()))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file; that it is not there is as well.
    pub(super) async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        match self.objects.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
