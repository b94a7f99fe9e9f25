//! The sample bot, made through the API like any other.

use emulator::Number;
use serde_json::{Value, json};

use crate::cli::client::Api;

/// The flow, as one would send it to `POST /bots/flows/`, without the bot's id.
const FLOW: &str = include_str!("bot.json");
/// The demo's account.
pub(super) const USERNAME: &str = "demo";
/// Its password. The server listens on this machine only and is gone afterwards.
pub(super) const PASSWORD: &str = "demo-password";

/// Registers an account and makes a bot without flows. Its token and the bot's id.
pub(in crate::cli) async fn make_bot(base: &str, number: &Number) -> Result<(String, i64), String> {
    let api = Api::local(base, "")?;
    let account = json!({ "username": USERNAME, "email": "demo@example.com", "password": PASSWORD });
    api.post("/auth/register", &account).await?;
    let login = api.post("/auth/token", &json!({ "username": USERNAME, "password": PASSWORD })).await?;
    let token = login["access_token"].as_str().unwrap_or_default().to_owned();
    let bot =
        json!({ "name": "Demo", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number.phone_number_id });
    let bot = Api::local(base, &token)?.post("/bots/", &bot).await?;
    let id = bot["id"].as_i64().ok_or("the bot has no id")?;
    Ok((token, id))
}

/// Gives the bot its flow and a keyword trigger.
pub(super) async fn add_flow(base: &str, token: &str, bot: i64) -> Result<(), String> {
    let api = Api::local(base, token)?;
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
