//! One file from Meta: its address, then its bytes, checked on the way.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use whatsapp::{
    client::{Client, Download, DownloadError, SendError},
    media::BYTES_MAX,
};

/// A SHA-256.
type Hash = [u8; 32];

/// Meta's code and subcode for an id that it does not know, or no longer.
const UNKNOWN_ID: (i64, Option<i64>) = (100, Some(33));

/// Why there is no file, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// Nothing to ask Meta with.
    #[error("the bot has no WhatsApp access token, or WhatsApp is switched off for it")]
    NoCredentials,
    /// Meta does not have it any more.
    #[error("WhatsApp does not have the file any more; it keeps files for a week")]
    Gone,
    /// It is larger than any file may be.
    #[error("the file has more than {BYTES_MAX} bytes")]
    TooLarge,
    /// Its bytes are not those that Meta announced.
    #[error("the file is not the one that was announced: its hash differs")]
    Corrupt,
    /// Fewer bytes came than announced.
    #[error("the file broke off")]
    Short,
    /// The address that Meta gave is not one of Meta's.
    #[error("the file is at an address that is not WhatsApp's, which is not asked")]
    Foreign,
    /// Meta did not answer as it should.
    #[error(transparent)]
    Meta(#[from] SendError),
}

impl FetchError {
    /// Whether trying again may help.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Self::Gone | Self::TooLarge | Self::Foreign)
    }
}

/// A file on its way. The last bytes come only once all of them were checked: whoever has them all, has the file that
/// Meta announced.
pub(crate) struct Fetched {
    download: Download,
    mime_type: Option<String>,
    size: Option<u64>,
    wanted: Vec<Hash>,
    hasher: Sha256,
    count: u64,
    /// Bytes that are held back until it is known whether they are the last.
    held: Option<Bytes>,
    is_over: bool,
}

/// Asks for the address of a file and begins to read it. An address that has expired meanwhile is asked for once more.
pub(super) async fn begin(
    client: &Client,
    media_id: &str,
    token: &str,
    hash: Option<Hash>,
) -> Result<Fetched, FetchError> {
    let mut is_again = false;
    loop {
        let info = match client.media(media_id, token).await {
            Err(SendError::Refused(error)) if error.http_status == 404 || (error.code, error.subcode) == UNKNOWN_ID => {
                return Err(FetchError::Gone);
            }
            other => other?,
        };
        if info.file_size.is_some_and(|size| size > BYTES_MAX) {
            return Err(FetchError::TooLarge);
        }
        match client.download(&info.url, token).await {
            Ok(download) => {
                let size = info.file_size.or(download.size());
                let mime_type = info.mime_type.or_else(|| download.mime_type().map(str::to_owned));
                let wanted = hash.into_iter().chain(info.sha256).collect();
                let hasher = Sha256::new();
                return Ok(Fetched { download, mime_type, size, wanted, hasher, count: 0, held: None, is_over: false });
            }
            Err(DownloadError::Gone(_)) if !is_again => is_again = true,
            Err(DownloadError::Gone(_)) => return Err(FetchError::Gone),
            Err(DownloadError::Foreign) => return Err(FetchError::Foreign),
            Err(DownloadError::Failed(error)) => return Err(error.into()),
        }
    }
}

impl Fetched {
    /// Media type, as Meta says.
    pub(crate) fn mime_type(&self) -> Option<&str> {
        self.mime_type.as_deref()
    }

    /// Size in bytes, as Meta says.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        while !self.is_over {
            match self.download.chunk().await? {
                Some(chunk) => {
                    self.count += chunk.len() as u64;
                    if self.count > BYTES_MAX {
                        return Err(FetchError::TooLarge);
                    }
                    self.hasher.update(&chunk);
                    if let Some(before) = self.held.replace(chunk.into()) {
                        return Ok(Some(before));
                    }
                }
                None => {
                    self.is_over = true;
                    self.check()?;
                }
            }
        }
        Ok(self.held.take())
    }

    /// Whether all that came is what was announced.
    fn check(&mut self) -> Result<(), FetchError> {
        if self.size.is_some_and(|size| self.count < size) {
            return Err(FetchError::Short);
        }
        let hash: Hash = std::mem::take(&mut self.hasher).finalize().into();
        if self.wanted.iter().any(|wanted| *wanted != hash) || self.size.is_some_and(|size| self.count > size) {
            self.held = None;
            return Err(FetchError::Corrupt);
        }
        Ok(())
    }
}
