//! A wall clock that a drill makes jump.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::TimeDelta;
use domain::{Clock, SystemClock, Time};

/// The computer's clock, wrong by as many microseconds as a file says: eight bytes, read at every look, because nobody
/// is told when a clock jumps.
#[derive(Debug)]
struct WrongClock(File);

impl Clock for WrongClock {
    fn now(&self) -> Time {
        let mut bytes = [0; 8];
        match self.0.read_exact_at(&mut bytes, 0) {
            Ok(()) => SystemClock.now() + TimeDelta::microseconds(i64::from_ne_bytes(bytes)),
            Err(_) => SystemClock.now(),
        }
    }
}

/// The clock of a host: wrong by what the file says, or right when none is named.
pub(crate) fn of_host(file: &OsStr) -> Result<Arc<dyn Clock>, String> {
    if file.is_empty() {
        return Ok(Arc::new(SystemClock));
    }
    let opened = File::open(file).map_err(|error| format!("{}: {error}", Path::new(file).display()))?;
    Ok(Arc::new(WrongClock(opened)))
}

/// The hands of a host's clock.
#[derive(Debug)]
pub(crate) struct Hands {
    path: PathBuf,
    file: File,
}

impl Hands {
    /// A clock that is right until it is moved.
    pub(crate) fn new(path: PathBuf) -> Result<Self, String> {
        let file = File::create(&path).map_err(|error| error.to_string())?;
        let this = Self { path, file };
        this.set(TimeDelta::zero())?;
        Ok(this)
    }

    /// What the host is to be told of it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it wrong by so much from now on.
    pub(crate) fn set(&self, wrong_by: TimeDelta) -> Result<(), String> {
        let micros = wrong_by.num_microseconds().unwrap_or(i64::MAX);
        self.file.write_all_at(&micros.to_ne_bytes(), 0).map_err(|error| error.to_string())
    }
}
