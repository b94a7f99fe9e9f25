//! Machine code on disk.
//!
//! Running a file of machine code is trusting it with everything. So nothing is run that does not carry a code of
//! authentication made with a key that only the server has; the folder is the server's alone as well. Files that are
//! damaged, forged, or made by another version or setting are as good as not there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use domain::Clock;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Bytes of the code of authentication, which a file begins with.
const MAC_BYTES: usize = 32;
/// How files end.
const ENDING: &str = "code";

/// Where machine code is kept.
#[derive(Clone)]
pub struct CacheSettings {
    /// The folder; made if it is not there.
    pub folder: PathBuf,
    /// The key for the codes of authentication. Another key makes all files worthless.
    pub key: [u8; 32],
    /// Bytes of all files. The least recently used go first.
    pub bytes_max: u64,
}

impl std::fmt::Debug for CacheSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheSettings").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Machine code that is known to be this server's own work: fresh from its compiler, or authenticated.
pub(crate) struct Trusted(Vec<u8>);

impl Trusted {
    /// Takes the compiler's word.
    pub(crate) fn fresh(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// The code.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

pub(crate) struct Cache {
    settings: CacheSettings,
    clock: Arc<dyn Clock>,
}

impl Cache {
    /// Opens the folder.
    pub(crate) fn open(settings: CacheSettings, clock: Arc<dyn Clock>) -> io::Result<Self> {
        fs::create_dir_all(&settings.folder)?;
        keep_private(&settings.folder)?;
        Ok(Self { settings, clock })
    }

    /// The code of a component for an engine of that compatibility.
    pub(crate) fn get(&self, digest: &str, engine: u64) -> Option<Trusted> {
        let path = self.path(digest, engine);
        let mut file = fs::read(&path).ok()?;
        if file.len() < MAC_BYTES {
            return None;
        }
        let code = file.split_off(MAC_BYTES);
        let mac = self.mac(digest, engine, &code);
        if mac.verify_slice(&file).is_err() {
            tracing::warn!(path = %path.display(), "a file of compiled code is damaged or forged; compiling anew");
            return None;
        }
        self.touch(&path);
        Some(Trusted(code))
    }

    /// Keeps code, and makes room for it.
    pub(crate) fn put(&self, digest: &str, engine: u64, code: &Trusted) -> io::Result<()> {
        let mac = self.mac(digest, engine, &code.0).finalize().into_bytes();
        let mut file = tempfile::NamedTempFile::new_in(&self.settings.folder)?;
        io::Write::write_all(&mut file, &mac)?;
        io::Write::write_all(&mut file, &code.0)?;
        let path = self.path(digest, engine);
        file.persist(&path).map_err(|error| error.error)?;
        self.touch(&path);
        self.make_room(&path)
    }

    fn make_room(&self, newest: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.settings.folder)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                let about = entry.metadata()?;
                files.push((path == newest, about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), path));
            }
        }
        // Oldest first, and the newest last, whatever clocks say.
        files.sort();
        let mut total: u64 = files.iter().map(|(_, _, bytes, _)| bytes).sum();
        for (is_newest, _, bytes, path) in files {
            if total <= self.settings.bytes_max || is_newest {
                break;
            }
            fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }

    /// Marks a file as used. If that fails it only goes earlier than it should.
    fn touch(&self, path: &Path) {
        let now: SystemTime = self.clock.now().into();
        let touched = fs::File::options().append(true).open(path).and_then(|file| file.set_modified(now));
        if let Err(error) = touched {
            tracing::debug!(%error, "a file of compiled code was not marked as used");
        }
    }

    fn mac(&self, digest: &str, engine: u64, code: &[u8]) -> Hmac<Sha256> {
        // HMAC fills a key that is shorter than its block of 64 bytes up with zeros.
        let mut block = [0; 64];
        block[..self.settings.key.len()].copy_from_slice(&self.settings.key);
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
        mac.update(&engine.to_le_bytes());
        mac.update(&(digest.len() as u64).to_le_bytes());
        mac.update(digest.as_bytes());
        mac.update(code);
        mac
    }

    fn path(&self, digest: &str, engine: u64) -> PathBuf {
        self.settings.folder.join(format!("{digest}-{engine:016x}.{ENDING}"))
    }
}

#[cfg(unix)]
fn keep_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn keep_private(_: &Path) -> io::Result<()> {
    Ok(())
}
