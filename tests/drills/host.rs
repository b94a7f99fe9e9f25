//! A host: the program in a process of its own, which can be killed, stopped and started again.

use std::{
    fs::File,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tests::Api;
use tokio::time::sleep;

use crate::{balancer::client, clock::Hands, progress::until};

/// Environment variable that makes this program a host; its value names the file of a clock that is wrong, or is empty.
pub(crate) const HOST: &str = "CHATBOOST_DRILL_HOST";
/// How long a host may take to end when asked to. It promises ten seconds; a machine that has much to do gets more.
const ENDING_MAX: Duration = Duration::from_secs(60);
/// Clock ticks of `/proc` in a second: fixed at 100 for user space on every Linux platform that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// What hosts are started with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Environment variables that all hosts share.
    pub(crate) variables: Vec<(String, String)>,
    /// Whether a file that would become too large is an error to the host and not its end.
    pub(crate) bears_file_limit: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Host {
    settings: Settings,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    hands: Option<Hands>,
    http: reqwest::Client,
    child: Option<Child>,
}

impl Host {
    /// One that keeps its files in `data` and writes its log to `log`. It does not run yet.
    pub(crate) fn new(settings: Settings, data: &Path, log: PathBuf, hands: Option<Hands>) -> Result<Self, String> {
        std::fs::create_dir_all(data).map_err(|error| format!("{}: {error}", data.display()))?;
        Ok(Self { settings, data: data.to_owned(), log, port: free_port()?, hands, http: client()?, child: None })
    }

    /// Where it listens, now and after every start.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The hands of its clock, in drills that move it.
    pub(crate) fn hands(&self) -> Option<&Hands> {
        self.hands.as_ref()
    }

    /// Where its API is.
    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts the process, and does not wait for it.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let log = File::options().create(true).append(true).open(&self.log).map_err(|error| error.to_string())?;
        let mut command = if self.settings.bears_file_limit {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "trap '' XFSZ; exec \"$0\""]).arg(&program);
            shell
        } else {
            Command::new(&program)
        };
        let clock = self.hands.as_ref().map(Hands::path).unwrap_or(Path::new(""));
        command
            .current_dir(&self.data)
            .env_clear()
            .env(HOST, clock)
            .env("DATA_DIR", &self.data)
            .env("PORT", self.port.to_string())
            .envs(self.settings.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().map_err(|error| format!("{}: {error}", program.display()))?);
        Ok(())
    }

    /// A client, once the host says that it is ready.
    pub(crate) async fn ready(&mut self) -> Result<Api, String> {
        let mut ended = None;
        until("a host that does not become ready", async || {
            ended = self.ended();
            ended.is_some() || self.is_ready().await
        })
        .await?;
        match ended {
            Some(status) => Err(format!("a host ended while it started: {status}; its log is {}", self.log.display())),
            None => Ok(Api::at(&self.base_url())),
        }
    }

    /// Whether it says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/health/ready", self.base_url())).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// How it ended, if it ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// SIGKILL: the process gets no chance to tidy up.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().map_err(|error| error.to_string())?;
        let status = child.wait().map_err(|error| error.to_string())?;
        match status.signal() {
            Some(signal) if signal == Signal::KILL.as_raw() => Ok(()),
            _ => Err(format!("a host had ended before it was killed: {status}; its log is {}", self.log.display())),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Result<Pid, String> {
        let child = self.child.as_ref().ok_or("the host does not run")?;
        Ok(Pid::from_child(child))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(self.pid()?, signal).map_err(|error| error.to_string())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn end(&mut self) -> Result<(), String> {
        if self.child.is_none() {
            return Ok(());
        }
        self.signal(Signal::TERM)?;
        let asked = Instant::now();
        loop {
            match self.ended() {
                Some(status) if status.success() => break,
                Some(status) => {
                    return Err(format!("asked to end, a host did so with {status}; see {}", self.log.display()));
                }
                None if asked.elapsed() > ENDING_MAX => {
                    return Err(format!("a host did not end within {ENDING_MAX:?}; see {}", self.log.display()));
                }
                None => sleep(Duration::from_millis(20)).await,
            }
        }
        self.child = None;
        Ok(())
    }

    /// Processor time used since it was started, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, String> {
        let pid = self.pid()?.as_raw_nonzero();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| error.to_string())?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
    }

    /// The lines of its log that tell of a panic.
    pub(crate) fn panics(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.kill();
    }
}

/// Has this process, a host, killed when the thread that started it ends, however the drills end. A drill keeps its thread.
pub(crate) fn die_with_the_drills() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("drills: hosts outlive what started them: {error}");
    }
}

/// A port that nobody listens on. Below those that the system gives to outgoing connections, because a host comes back to
/// it after every kill.
fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 18_000;
    // Where other runs at the same time begin, too, is up to chance.
    let _taken = NEXT.compare_exchange(0, fastrand::u16(1..COUNT), Ordering::SeqCst, Ordering::SeqCst);
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::SeqCst) % COUNT;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free".to_owned())
}
