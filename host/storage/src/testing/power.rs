//! Loss of power: what was written and not synced is gone.

use std::{fs, io, path::PathBuf};

use crate::Db;

/// Bytes of a log before its first page, and of each page.
const LOG_HEAD: usize = 32;
const LOG_PAGE: usize = 24 + 4_096;

/// What the disk has of an SQLite database.
#[derive(Debug)]
pub struct OnDisk {
    path: PathBuf,
    file: Vec<u8>,
    log: Vec<u8>,
}

impl Db {
    /// What would be left if the power went now. Only what the log has in addition to the file is looked at: it must not have
    /// been folded in since the database was opened. None on PostgreSQL.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn on_disk(&self) -> io::Result<Option<OnDisk>> {
        let Self::Sqlite { writer, log, .. } = self else { return Ok(None) };
        let path = writer.connect_options().path.clone();
        let (file, mut written) = (fs::read(&path)?, fs::read(beside(&path, "-wal"))?);
        let pages = log.pages_synced() as usize;
        written.truncate(if pages == 0 { 0 } else { LOG_HEAD + pages * LOG_PAGE });
        Ok(Some(OnDisk { path, file, log: written }))
    }
}

impl OnDisk {
    /// Puts it back. Nobody may have the database open.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn restore(self) -> io::Result<()> {
        let Self { path, file, log } = self;
        fs::write(&path, file)?;
        fs::write(beside(&path, "-wal"), log)?;
        match fs::remove_file(beside(&path, "-shm")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn beside(path: &std::path::Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
