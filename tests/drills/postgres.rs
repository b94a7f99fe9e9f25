//! A PostgreSQL server of the drills' own, which may be ill-treated.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// Names the folder of the server's programs; `tests/run` sets it.
const BIN: &str = "POSTGRES_BIN";
/// Where packages put them: folders with a folder for each version, and what follows below it.
const PLACES: [(&str, &str); 2] = [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin")];
/// Nothing has to outlive a crash of the machine, so nothing is flushed: what was written outlives the server's.
const OPTIONS: &str = "-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 -c fsync=off \
    -c synchronous_commit=on -c full_page_writes=off -c jit=off -c timezone=UTC";

/// A server in a temporary folder; ends when dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Postgres {
    /// A fresh one on a free port of 127.0.0.1. It refuses to run as root, so root runs it as the user `postgres`.
    pub(crate) fn start() -> Result<Self, String> {
        let bin = find()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data).map_err(|error| error.to_string())?;
        if geteuid().is_root() {
            // Its user must be able to reach the folder.
            std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))
                .map_err(|error| error.to_string())?;
            run(Command::new("chown").arg("postgres").arg(&data))?;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.map_err(|error| error.to_string())?.port();
        let this = Self { bin, folder, port };
        let settings = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        run(this.program("initdb").arg("--pgdata").arg(&data).args(settings))?;
        this.resume()?;
        Ok(this)
    }

    /// The database to connect to for making others.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of the server's programs, as a user that it does not refuse.
    fn program(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }

    /// Starts it, again.
    pub(crate) fn resume(&self) -> Result<(), String> {
        let log = self.data().join("log");
        let options = format!("{OPTIONS} -p {}", self.port);
        let mut command = self.program("pg_ctl");
        command
            .args(["start", "-w", "-t", "120"])
            .arg("--pgdata")
            .arg(self.data())
            .arg("--log")
            .arg(&log)
            .args(["-o", &options]);
        run(&mut command).map_err(|error| {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            format!("{error}\n{log}")
        })
    }

    /// Stops it and cuts everybody off.
    pub(crate) fn stop(&self) -> Result<(), String> {
        run(self.program("pg_ctl").args(["stop", "-w", "-t", "120", "-m", "fast"]).arg("--pgdata").arg(self.data()))
    }

    /// SIGKILL to the server; what it started ends when it notices.
    pub(crate) fn kill(&self) -> Result<(), String> {
        let file = self.data().join("postmaster.pid");
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let pid = text.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
        kill_process(pid.ok_or("postmaster.pid names no process")?, Signal::KILL).map_err(|error| error.to_string())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut command = self.program("pg_ctl");
        command.args(["stop", "-w", "-m", "immediate"]).arg("--pgdata").arg(self.data());
        // It may be down already.
        let _stopped = run(&mut command);
    }
}

/// Runs a program to its end.
fn run(command: &mut Command) -> Result<(), String> {
    // A file, because a server that is started would keep a pipe open.
    let mut said = tempfile::tempfile().map_err(|error| error.to_string())?;
    let out = said.try_clone().and_then(|out| Ok((out.try_clone()?, out))).map_err(|error| error.to_string())?;
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.stdout(out.0).stderr(out.1).status().map_err(|error| format!("{name}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    use std::io::{Read, Seek};
    let mut text = String::new();
    let _partly = said.rewind().and_then(|()| said.read_to_string(&mut text));
    Err(format!("{name}: {status}\n{text}"))
}

/// The folder of the server's programs, of the newest version that is here.
fn find() -> Result<PathBuf, String> {
    if let Some(bin) = std::env::var_os(BIN).filter(|bin| !bin.is_empty()) {
        return Ok(PathBuf::from(bin));
    }
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (place, below) in PLACES {
        let versions = std::fs::read_dir(place).into_iter().flatten().flatten();
        for version in versions {
            let digits: String = version.file_name().to_string_lossy().chars().filter(char::is_ascii_digit).collect();
            let bin = version.path().join(below);
            if is_server(&bin) {
                found.push((digits.parse().unwrap_or(0), bin));
            }
        }
    }
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    found.extend(on_path.into_iter().flatten().filter(|bin| is_server(bin)).map(|bin| (0, bin)));
    let newest = found.into_iter().max_by_key(|(version, _)| *version);
    newest
        .map(|(_, bin)| bin)
        .ok_or_else(|| format!("no PostgreSQL server is here; name the folder of its programs in {BIN}"))
}

fn is_server(bin: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl"].iter().all(|program| bin.join(program).exists())
}
