//! The server under load, and the ceiling: programs that are started, set up and stopped.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncBufReadExt, time::sleep};

use crate::{
    meta::{NUMBER, SECRET},
    options::Options,
};

/// How long a server may take to answer after it was started.
const START_MAX: Duration = Duration::from_secs(60);

/// A running program, ended when dropped.
pub(crate) struct Target {
    child: Child,
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
    token: String,
    /// The bot, once set up.
    pub(crate) bot: i64,
    /// The other hosts on the same database.
    others: Vec<Target>,
    _folder: Option<TempDir>,
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Target {
    /// Starts ChatBoost with pacing switched off, against a stand-in for Meta: as many hosts as asked for.
    pub(crate) async fn server(options: &Options, graph: SocketAddr) -> Result<Self, String> {
        let mut target = Self::host(options, graph).await?;
        target.set_up().await?;
        for _ in 1..options.hosts {
            target.others.push(Self::host(options, graph).await?);
        }
        Ok(target)
    }

    /// One host on what is there, which was set up before.
    pub(crate) async fn host(options: &Options, graph: SocketAddr) -> Result<Self, String> {
        let program = match &options.server {
            Some(program) => program.clone(),
            None => beside("chatboost")?,
        };
        let folder = match &options.data_dir {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(|error| error.to_string())?),
        };
        let data = options.data_dir.clone().or_else(|| folder.as_ref().map(|folder| folder.path().to_owned()));
        let port = free_port()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(&program);
        command
            .env("PORT", port.to_string())
            .env("DATA_DIR", data.unwrap_or_default())
            .env("WHATSAPP_API_BASE_URL", format!("http://{graph}"))
            .env("WHATSAPP_APP_SECRET", SECRET)
            .env("WHATSAPP_ACCESS_TOKEN", "load")
            .env("WHATSAPP_MESSAGES_PER_SECOND", "0")
            .env("WHATSAPP_PAIR_PACING", "false")
            .env("SECRET_KEY", "the same on every host under load")
            .env("RUST_LOG", "warn")
            .env_remove("DATABASE_URL");
        if let Some(url) = &options.database_url {
            command.env("DATABASE_URL", url);
        }
        let mut target = Self::spawn(command, &program, address, folder)?;
        target.wait_until_ready().await?;
        Ok(target)
    }

    /// Starts the ceiling.
    pub(crate) async fn ceiling(graph: SocketAddr) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = tokio::process::Command::new(&program);
        command.args(["ceiling", "--graph", &format!("http://{graph}/v23.0/{NUMBER}/messages"), "--secret", SECRET]);
        command.stdout(Stdio::piped());
        let mut command = command.into_std();
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let out = child.stdout.take().ok_or("no output")?;
        let out = tokio::process::ChildStdout::from_std(out).map_err(|error| error.to_string())?;
        let line = tokio::io::BufReader::new(out).lines().next_line().await.map_err(|error| error.to_string())?;
        let address = line.and_then(|line| line.parse().ok()).ok_or("the ceiling did not say where it listens")?;
        let http = client()?;
        Ok(Self { child, address, http, token: String::new(), bot: 0, others: Vec::new(), _folder: None })
    }

    fn spawn(
        mut command: Command,
        program: &Path,
        address: SocketAddr,
        folder: Option<TempDir>,
    ) -> Result<Self, String> {
        let child = command.stdout(Stdio::null()).spawn().map_err(|error| {
            format!(
                "{} cannot be started ({error}); build it with `cargo build --release -p server`",
                program.display()
            )
        })?;
        Ok(Self { child, address, http: client()?, token: String::new(), bot: 0, others: Vec::new(), _folder: folder })
    }

    /// Process ids of all hosts.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.all().map(|host| host.child.id()).collect()
    }

    /// Where the hosts listen.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.all().map(|host| host.address).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    async fn wait_until_ready(&mut self) -> Result<(), String> {
        let began = std::time::Instant::now();
        while began.elapsed() < START_MAX {
            if let Ok(answer) = self.http.get(format!("http://{}/health/ready", self.address)).send().await
                && answer.status().is_success()
            {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended: {status}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err("the server does not answer".to_owned())
    }

    async fn set_up(&mut self) -> Result<(), String> {
        let user = json!({"username": "load", "email": "load@example.com", "password": "load-password"});
        self.post("/auth/register", &user).await?;
        let token = self.post("/auth/token", &json!({"username": "load", "password": "load-password"})).await?;
        self.token = token["access_token"].as_str().unwrap_or_default().to_owned();
        let bot = json!({"name": "Load", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": NUMBER});
        self.bot = id(&self.post("/bots/", &bot).await?)?;
        Ok(())
    }

    /// Makes a flow, and a trigger that starts it by a first word.
    pub(crate) async fn add_flow(&self, nodes: Value, first_word: &str) -> Result<i64, String> {
        let flow = self.post("/bots/flows/", &json!({"bot_id": self.bot, "name": first_word, "nodes": nodes})).await?;
        let flow = id(&flow)?;
        let trigger = json!({
            "name": first_word, "bot_id": self.bot, "flow_id": flow, "trigger_type": "keyword",
            "keywords": [first_word], "match_type": "starts_with",
        });
        self.post("/triggers/", &trigger).await?;
        Ok(flow)
    }

    /// Asks the API, and fails unless the answer is a success.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        self.ask(self.http.get(format!("http://{}{path}", self.address)), path).await
    }

    /// Posts to the API, and fails unless the answer is a success.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(self.http.post(format!("http://{}{path}", self.address)).json(body), path).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder, path: &str) -> Result<Value, String> {
        let answer = request.bearer_auth(&self.token).send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(body) } else { Err(format!("{path}: {status} {body}")) }
    }
}

fn id(value: &Value) -> Result<i64, String> {
    value["id"].as_i64().ok_or_else(|| format!("an answer without an id: {value}"))
}

#[expect(clippy::disallowed_methods, reason = "speaks to the server under load, on this machine")]
fn client() -> Result<reqwest::Client, String> {
    whatsapp::client::install_tls();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().map_err(|error| error.to_string())
}

/// The program of that name in the folder of this one.
fn beside(name: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = this.with_file_name(name);
    if program.exists() {
        return Ok(program);
    }
    Err(format!(
        "{} is not there; build it with `cargo build --release -p server`, or name one with --server",
        program.display()
    ))
}

fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
