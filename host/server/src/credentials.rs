//! With which number and token a bot sends: its own, or the environment's.

use storage::Bot;

use crate::{config::SecretText, http::sealed, secrets::Secrets};

/// What a send needs.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// Meta's id of the number to send from.
    pub(crate) phone_number_id: String,
    /// Bearer token.
    pub(crate) access_token: SecretText,
    /// Meta's id of the business account, where it is known.
    pub(crate) account: Option<String>,
}

/// The environment's values, for what a bot lacks.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    pub(crate) phone_number_id: Option<String>,
    pub(crate) business_account_id: Option<String>,
    pub(crate) access_token: Option<SecretText>,
    pub(crate) app_secret: Option<SecretText>,
    pub(crate) secrets: Secrets,
}

impl Defaults {
    /// The bot's credentials; none when it has none and the environment has none, or WhatsApp is switched off for it.
    pub(crate) fn of(&self, bot: &Bot) -> Option<Credentials> {
        if !bot.is_whatsapp_enabled {
            return None;
        }
        let phone_number_id = bot.whatsapp_phone_number_id.clone().or_else(|| self.phone_number_id.clone())?;
        let own = bot
            .whatsapp_access_token
            .as_deref()
            .map(|secret| self.secrets.unseal(bot.id, sealed::ACCESS_TOKEN, secret));
        let access_token = match own {
            Some(Ok(token)) => token,
            Some(Err(error)) => {
                tracing::error!(bot.id = %bot.id, %error, "the bot's access token cannot be decrypted");
                return None;
            }
            None => self.access_token.clone()?,
        };
        Some(Credentials { phone_number_id, access_token, account: self.business_account(bot) })
    }

    /// Meta's id of the business account that has the bot's templates.
    pub(crate) fn business_account(&self, bot: &Bot) -> Option<String> {
        bot.whatsapp_business_account_id.clone().or_else(|| self.business_account_id.clone())
    }

    /// The secret that signs webhooks of the bot's app.
    pub(crate) fn app_secret(&self, bot: &Bot) -> Option<SecretText> {
        match bot.whatsapp_app_secret.as_deref().map(|secret| self.secrets.unseal(bot.id, sealed::APP_SECRET, secret)) {
            Some(Ok(secret)) => Some(secret),
            Some(Err(error)) => {
                tracing::error!(bot.id = %bot.id, %error, "the bot's app secret cannot be decrypted");
                None
            }
            None => self.app_secret.clone(),
        }
    }
}
