//! Changing the secret key: what the previous one has sealed is sealed with the present one.

use domain::{BotId, Clock};
use storage::{Bot, BotSettings, Db};

use crate::{http::sealed, secrets::Secrets, work::StartError};

/// Bots in one transaction.
const BATCH: i64 = 200;

/// Seals the secrets of all bots anew that the previous secret key has sealed. Several hosts may do it at once. What no
/// key opens is left alone. Hosts that run on with the old key alone cannot open these secrets any more: give all of them
/// both keys.
pub(crate) async fn rotate(db: &Db, secrets: &Secrets, clock: &dyn Clock) -> Result<(), StartError> {
    if !secrets.has_previous() {
        return Ok(());
    }
    let (mut after, mut count) = (BotId(0), 0);
    loop {
        let mut tx = db.begin().await?;
        let bots = tx.bots_with_secrets(after, BATCH).await?;
        let Some(last) = bots.last() else { break };
        after = last.id;
        for bot in &bots {
            if let Some(settings) = resealed(bot, secrets)? {
                tx.update_bot(bot.id, &settings, clock.now()).await?;
                count += 1;
            }
        }
        tx.commit().await?;
    }
    tracing::info!(
        bots = count,
        "secrets sealed anew; SECRET_KEY_PREVIOUS is needed no more once all hosts have the new key"
    );
    Ok(())
}

fn resealed(bot: &Bot, secrets: &Secrets) -> std::io::Result<Option<BotSettings>> {
    let mut settings = bot.settings();
    let mut changed = false;
    for (field, value) in [
        (sealed::ACCESS_TOKEN, &mut settings.whatsapp_access_token),
        (sealed::APP_SECRET, &mut settings.whatsapp_app_secret),
        (sealed::VERIFY_TOKEN, &mut settings.whatsapp_verify_token),
    ] {
        let Some(old) = value else { continue };
        if let Some(new) = secrets.reseal(bot.id, field, old)? {
            *value = Some(new);
            changed = true;
        }
    }
    Ok(changed.then_some(settings))
}
