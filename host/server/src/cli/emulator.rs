//! `chatboost emulator`: the stand-in for Meta alone, for clients of the Cloud API that are to be tried out.

use std::sync::Arc;

use clap::Args;
use domain::SystemClock;
use emulator::{Config, Emulator};

use super::serve::wait_for_stop;

/// How it is reached, and whom it tells.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8010)]
    port: u16,
    /// Where webhooks go; can be set later with PUT /emulator/callback
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
    /// Signs webhooks
    #[arg(long, value_name = "SECRET")]
    app_secret: Option<String>,
    /// The only access token that is good; otherwise any is
    #[arg(long)]
    token: Option<String>,
}

pub(super) async fn run(options: &Options) -> Result<(), String> {
    let mut config = Config::new(Arc::new(SystemClock));
    config.port = options.port;
    config.user_ids = true;
    config.callback_url.clone_from(&options.callback);
    config.token.clone_from(&options.token);
    if let Some(secret) = &options.app_secret {
        config.app_secret.clone_from(secret);
    }
    let emulator = Emulator::start(config).await.map_err(|error| format!("port {}: {error}", options.port))?;
    let number = emulator.number();
    println!("A stand-in for Meta's Graph API is ready at {}", emulator.base_url());
    println!("  phone number id        {}", number.phone_number_id);
    println!("  business account id    {}", number.waba_id);
    println!("  display phone number   {}", number.display_phone_number);
    println!("  app secret             {}", emulator.app_secret());
    wait_for_stop().await
}
