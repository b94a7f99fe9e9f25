//! Changing the secret key: what the previous one has sealed is sealed with the present one.

use domain::{BotId, Clock, PluginId, TriggerId};
use storage::{Bot, BotSettings, Db, HookSecret};

use crate::{
    http::{SIGNATURE_SECRET, sealed},
    plugins::secret_place,
    secrets::Secrets,
    work::StartError,
};

/// Bots in one transaction.
const BATCH: i64 = 200;

/// Seals the secrets of all bots and triggers anew that the previous secret key has sealed. Several hosts may do it at once. What no
/// key opens is left alone. Hosts that run on with the old key alone cannot open these secrets any more: give all of them
/// both keys.
pub(crate) async fn rotate(db: &Db, secrets: &Secrets, clock: &dyn Clock) -> Result<(), StartError> {
    if !secrets.has_previous() {
        return Ok(());
    }
    let (mut after, mut count) = (BotId(0), 0_usize);
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
    count += rotate_triggers(db, secrets).await?;
    count += rotate_plugin_secrets(db, secrets, clock).await?;
    tracing::info!(
        secrets = count,
        "secrets sealed anew; SECRET_KEY_PREVIOUS is needed no more once all hosts have the new key"
    );
    Ok(())
}

/// The same for the secrets that requests to triggers are signed with.
async fn rotate_triggers(db: &Db, secrets: &Secrets) -> Result<usize, StartError> {
    let (mut after, mut count) = (TriggerId(0), 0);
    loop {
        let mut tx = db.begin().await?;
        let sealed = tx.hook_secrets(after, BATCH).await?;
        let Some(last) = sealed.last() else { return Ok(count) };
        after = last.id;
        for HookSecret { id, bot_id, hook_secret } in &sealed {
            if let Some(new) = secrets.reseal(*bot_id, SIGNATURE_SECRET, hook_secret)? {
                tx.set_hook_secret(*id, Some(&new)).await?;
                count += 1;
            }
        }
        tx.commit().await?;
    }
}

/// The same for the secrets that bots' owners lent plugins. Answers how many it was.
async fn rotate_plugin_secrets(db: &Db, secrets: &Secrets, clock: &dyn Clock) -> Result<usize, StartError> {
    let (mut after, mut count) = ((BotId(0), PluginId(0), String::new()), 0);
    loop {
        let mut tx = db.begin().await?;
        tx.claim_plugins().await?;
        let batch = tx.all_plugin_secrets((after.0, after.1, &after.2), BATCH).await?;
        let Some(last) = batch.last() else { return Ok(count) };
        after = (last.bot_id, last.plugin_id, last.name.clone());
        for secret in &batch {
            let place = secret_place(secret.plugin_id, &secret.name);
            if let Some(sealed) = secrets.reseal(secret.bot_id, &place, &secret.sealed)? {
                tx.put_plugin_secret(secret.plugin_id, secret.bot_id, &secret.name, &sealed, clock.now()).await?;
                count += 1;
            }
        }
        tx.commit().await?;
    }
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
