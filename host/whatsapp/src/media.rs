//! What files can be sent, by the table of Meta's media page.

/// Largest file of any kind, in bytes.
pub const BYTES_MAX: u64 = 100 * MB;
/// How long an uploaded file can be sent.
pub const UPLOAD_DAYS: i64 = 30;
/// How many bytes of a file [`File::check`] looks at.
pub const HEAD_BYTES: usize = 32;

const MB: u64 = 1024 * 1024;
const KB: u64 = 1024;

/// As what a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// JPEG or PNG.
    Image,
    /// MP4 or 3GPP.
    Video,
    /// AAC, AMR, MP3, M4A, or Opus in Ogg.
    Audio,
    /// WebP.
    Sticker,
    /// Anything else.
    Document,
}

impl MediaKind {
    /// By the media type, without its parameters.
    pub fn of(essence: &str) -> Self {
        match essence {
            "image/jpeg" | "image/png" => Self::Image,
            "video/mp4" | "video/3gpp" => Self::Video,
            "audio/aac" | "audio/amr" | "audio/mpeg" | "audio/mp4" | "audio/ogg" => Self::Audio,
            "image/webp" => Self::Sticker,
            _ => Self::Document,
        }
    }

    /// The message type that sends it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Sticker => "sticker",
            Self::Document => "document",
        }
    }

    /// Largest file of this kind, in bytes. A sticker that does not move may be smaller still, see [`File::check`].
    pub fn bytes_max(self) -> u64 {
        match self {
            Self::Image => 5 * MB,
            Self::Video | Self::Audio => 16 * MB,
            Self::Sticker => 500 * KB,
            Self::Document => BYTES_MAX,
        }
    }
}

/// Largest sticker that does not move, in bytes.
const STILL_STICKER_MAX: u64 = 100 * KB;

/// What is known of a file.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Media type without parameters, in lower case.
    pub essence: &'a str,
    /// Its first [`HEAD_BYTES`] bytes, or all if it has fewer.
    pub head: &'a [u8],
    /// Its size in bytes.
    pub size: u64,
}

impl File<'_> {
    /// Whether Meta would take it.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the field's name.
    pub fn check(&self) -> Result<MediaKind, String> {
        if self.size == 0 {
            return Err("must not be empty".into());
        }
        if !self.looks_right() {
            return Err(format!("does not begin like a file of the type {}", self.essence));
        }
        let kind = MediaKind::of(self.essence);
        let still = kind == MediaKind::Sticker && !self.is_animated();
        let max = if still { STILL_STICKER_MAX } else { kind.bytes_max() };
        if self.size > max {
            let what = if still {
                "a sticker that does not move".to_owned()
            } else {
                format!("a file sent as {}", kind.as_str())
            };
            return Err(format!("has {} bytes; {what} may have at most {max}", self.size));
        }
        Ok(kind)
    }

    /// Whether the first bytes are those of the type, for types that can be told by them.
    fn looks_right(&self) -> bool {
        let at = |place: usize, bytes: &[u8]| self.head.get(place..).is_some_and(|rest| rest.starts_with(bytes));
        match self.essence {
            "image/jpeg" => at(0, b"\xff\xd8\xff"),
            "image/png" => at(0, b"\x89PNG\r\n\x1a\n"),
            "image/webp" => at(0, b"RIFF") && at(8, b"WEBP"),
            "audio/ogg" => at(0, b"OggS"),
            "audio/amr" => at(0, b"#!AMR"),
            "video/mp4" | "video/3gpp" | "audio/mp4" => at(4, b"ftyp"),
            "application/pdf" => at(0, b"%PDF-"),
            _ => true,
        }
    }

    /// Whether a WebP file says that it moves: the flag of its extended header.
    fn is_animated(&self) -> bool {
        self.head.get(12..16) == Some(b"VP8X") && self.head.get(20).is_some_and(|flags| flags & 0b10 != 0)
    }
}

/// The media type without its parameters, in lower case, if the text is one.
pub fn essence(media_type: &str) -> Option<String> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, sub) = essence.split_once('/')?;
    let is_token =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    (is_token(kind) && is_token(sub) && essence.len() <= 127).then_some(essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(essence: &str, head: &[u8], size: u64) -> Result<MediaKind, String> {
        File { essence, head, size }.check()
    }

    #[test]
    fn each_kind_has_its_size() {
        let png = b"\x89PNG\r\n\x1a\n";
        assert_eq!(check("image/png", png, 5 * MB), Ok(MediaKind::Image));
        assert!(check("image/png", png, 5 * MB + 1).unwrap_err().contains("at most 5242880"));
        assert_eq!(check("audio/mpeg", b"ID3", 16 * MB), Ok(MediaKind::Audio));
        assert!(check("video/mp4", b"\0\0\0\x18ftypmp42", 16 * MB + 1).is_err());
        assert_eq!(check("application/zip", b"PK", BYTES_MAX), Ok(MediaKind::Document));
        assert!(check("text/plain", b"x", BYTES_MAX + 1).is_err());
        assert!(check("text/plain", b"", 0).is_err());
    }

    #[test]
    fn a_sticker_may_be_larger_when_it_moves() {
        let still = b"RIFF\0\0\0\0WEBPVP8 ";
        let moving = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02";
        assert_eq!(check("image/webp", still, 100 * KB), Ok(MediaKind::Sticker));
        assert!(check("image/webp", still, 100 * KB + 1).unwrap_err().contains("does not move"));
        assert_eq!(check("image/webp", moving, 500 * KB), Ok(MediaKind::Sticker));
        assert!(check("image/webp", moving, 500 * KB + 1).is_err());
    }

    #[test]
    fn a_file_must_begin_like_its_type() {
        assert!(check("image/jpeg", b"\x89PNG\r\n\x1a\n", 10).is_err());
        assert!(check("application/pdf", b"<html>", 10).is_err());
        assert_eq!(check("application/pdf", b"%PDF-1.7", 10), Ok(MediaKind::Document));
    }

    #[test]
    fn a_media_type_is_read_without_its_parameters() {
        assert_eq!(essence("Audio/OGG; codecs=opus").as_deref(), Some("audio/ogg"));
        for bad in ["", "image", "image/", "/png", "image/p ng", "a/b/c"] {
            assert_eq!(essence(bad), None, "{bad}");
        }
    }
}
