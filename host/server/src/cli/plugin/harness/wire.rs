//! Lines of JSON over standard input and output.

use chatboost_sdk::testing::protocol::{Reply, Request};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin, Stdout},
    sync::Mutex,
};

/// Both ends. A call that makes a request speaks in between.
pub(super) struct Wire {
    input: Mutex<Lines<BufReader<Stdin>>>,
    output: Mutex<Stdout>,
}

impl Wire {
    pub(super) fn new() -> Self {
        Self { input: Mutex::new(BufReader::new(tokio::io::stdin()).lines()), output: Mutex::new(tokio::io::stdout()) }
    }

    /// The next line; none at the end.
    pub(super) async fn read(&self) -> Result<Option<Request>, String> {
        let line = self.input.lock().await.next_line().await.map_err(|error| error.to_string())?;
        let Some(line) = line else { return Ok(None) };
        serde_json::from_str(&line).map(Some).map_err(|error| format!("a line that is no request: {error}"))
    }

    pub(super) async fn write(&self, reply: &Reply) -> Result<(), String> {
        let mut line = serde_json::to_string(reply).map_err(|error| error.to_string())?;
        line.push('\n');
        let mut output = self.output.lock().await;
        output.write_all(line.as_bytes()).await.map_err(|error| error.to_string())?;
        output.flush().await.map_err(|error| error.to_string())
    }
}
