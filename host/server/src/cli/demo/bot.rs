//! The sample bot, made through the API like any other.

use emulator::Number;
use reqwest::Client;
use serde_json::{Value, json};

/// The flow, as one would send it to `POST /bots/flows/`, without the bot's id.
const FLOW: &str = include_str!("bot.json");
/// The demo's account.
pub(super) const USERNAME: &str = "demo";
/// Its password. The server listens on this machine only and is gone afterwards.
pub(super) const PASSWORD: &str = "demo-password";

/// Registers an account and makes a bot without flows. Its token and the bot's id.
pub(in crate::cli) async fn make_bot(base: &str, number: &Number) -> Result<(String, i64), String> {
    let api = Api { base, client: client()?, token: "" };
    let account = json!({ "username": USERNAME, "email": "demo@example.com", "password": PASSWORD });
    api.post("/auth/register", &account).await?;
    let login = api.post("/auth/token", &json!({ "username": USERNAME, "password": PASSWORD })).await?;
    let token = login["access_token"].as_str().unwrap_or_default().to_owned();
    let bot =
        json!({ "name": "Demo", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number.phone_number_id });
    let bot = Api { token: &token, ..api }.post("/bots/", &bot).await?;
    let id = bot["id"].as_i64().ok_or("the bot has no id")?;
    Ok((token, id))
}

/// Gives the bot its flow and a keyword trigger.
pub(super) async fn add_flow(base: &str, token: &str, bot: i64) -> Result<(), String> {
    let api = Api { base, client: client()?, token };
    let mut flow: Value = serde_json::from_str(FLOW).map_err(|error| error.to_string())?;
    flow["bot_id"] = bot.into();
    let flow_id = &api.post("/bots/flows/", &flow).await?["id"];
    let trigger = json!({
        "name": "Greeting", "bot_id": bot, "flow_id": flow_id, "trigger_type": "keyword",
        "keywords": ["hi", "hello", "hey"], "match_type": "exact",
    });
    api.post("/triggers/", &trigger).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes the client of the demo")]
fn client() -> Result<Client, String> {
    whatsapp::client::install_tls();
    Client::builder().no_proxy().tls_certs_only([]).build().map_err(|error| error.to_string())
}

struct Api<'a> {
    base: &'a str,
    client: Client,
    token: &'a str,
}

impl Api<'_> {
    async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(self.token).json(body);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        if !status.is_success() {
            return Err(format!("POST {path} answered {status}: {text}"));
        }
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}
