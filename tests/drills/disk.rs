//! A disk that a drill fills: a small file system of its own where the system allows one, else a limit of the size of
//! files.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::host::Host;

/// Size of the file system, in MB.
const TMPFS_MB: u32 = 24;
/// What is written at once to fill it.
const BLOCK: [u8; 4096] = [0; 4096];

/// See the module.
#[derive(Debug)]
pub(crate) enum Disk {
    /// A tmpfs, which a file fills.
    Tmpfs(TempDir),
    /// Files of a host that may not become larger than the largest is (`RLIMIT_FSIZE`): that needs no rights, and SQLite
    /// is told of an error of the disk instead of a full one.
    FileLimit(TempDir),
}

impl Disk {
    /// What can be had here: the first, or all for a long drill.
    pub(crate) fn kinds(all: bool) -> Vec<Result<Self, String>> {
        let tmpfs = Self::tmpfs();
        if let Err(error) = &tmpfs {
            println!("disk: no tmpfs ({error}); a limit of the size of files stands in for it");
        }
        match tmpfs {
            Ok(tmpfs) if all => vec![Ok(tmpfs), Self::file_limit()],
            Ok(tmpfs) => vec![Ok(tmpfs)],
            Err(_) => vec![Self::file_limit()],
        }
    }

    fn tmpfs() -> Result<Self, String> {
        if !geteuid().is_root() {
            return Err("only root can mount one".to_owned());
        }
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let size = format!("size={TMPFS_MB}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self::Tmpfs(folder)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    fn file_limit() -> Result<Self, String> {
        tempfile::tempdir().map(Self::FileLimit).map_err(|error| error.to_string())
    }

    /// What it is.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Tmpfs(_) => "tmpfs",
            Self::FileLimit(_) => "RLIMIT_FSIZE",
        }
    }

    /// Where files are to be put.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Tmpfs(folder) | Self::FileLimit(folder) => folder.path(),
        }
    }

    /// Whether hosts must bear a limit of the size of files.
    pub(crate) fn limits_files(&self) -> bool {
        matches!(self, Self::FileLimit(_))
    }

    fn ballast(&self) -> PathBuf {
        self.folder().join("ballast")
    }

    /// Leaves no space.
    pub(crate) fn fill(&self, host: &Host) -> Result<(), String> {
        match self {
            Self::Tmpfs(_) => {
                let mut ballast = File::create(self.ballast()).map_err(|error| error.to_string())?;
                loop {
                    match ballast.write_all(&BLOCK) {
                        Ok(()) => {}
                        Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                        Err(error) => return Err(error.to_string()),
                    }
                }
            }
            Self::FileLimit(folder) => {
                let files = std::fs::read_dir(folder.path()).map_err(|error| error.to_string())?.flatten();
                let largest = files.filter_map(|file| Some(file.metadata().ok()?.len())).max();
                limit_files(host, largest)
            }
        }
    }

    /// Gives the space back.
    pub(crate) fn make_room(&self, host: &Host) -> Result<(), String> {
        match self {
            Self::Tmpfs(_) => std::fs::remove_file(self.ballast()).map_err(|error| error.to_string()),
            // A host that was killed took its limit along.
            Self::FileLimit(_) if host.pid().is_err() => Ok(()),
            Self::FileLimit(_) => limit_files(host, None),
        }
    }
}

#[cfg(target_os = "linux")]
fn limit_files(host: &Host, bytes: Option<u64>) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
    let limit = Rlimit { current: bytes, maximum: getrlimit(Resource::Fsize).maximum };
    prlimit(Some(host.pid()?), Resource::Fsize, limit).map(drop).map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn limit_files(_: &Host, _: Option<u64>) -> Result<(), String> {
    Err("a process can be limited from outside on Linux only".to_owned())
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Tmpfs(folder) = self {
            // Also while a file is open there.
            let _unmounted = Command::new("umount").arg("--lazy").arg(folder.path()).status();
        }
    }
}
