//! What webhooks tell that is no message and no delivery report: stored as account events, and acted on.
//!
//! **[`Accounts::act`] is the one place where an [`AccountUpdate`] has consequences.** Whoever wants something done about
//! a kind of update adds it to that kind's arm: what has to be durable is written in the transaction that stores the
//! event, so that it happens once however often Meta repeats itself; what has to happen in this process afterwards (a
//! pause to be lifted, a contact to be looked at) is noted in [`Aftermath`] and done after the commit. A kind that is not
//! told apart yet gets a variant in `whatsapp::webhook::AccountUpdate` and its reading in `webhook/account.rs`.

use std::sync::Arc;

use domain::{Address, BotId, Clock, ConsentSource, ContactId, HostId, Time};
use sha2::{Digest, Sha256};
use storage::{Arrival, Db, NewAccountEvent, NewConsent, Tx};
use whatsapp::webhook::{AccountEvent, AccountUpdate};

use super::changes;
use crate::{consent, health, host::Membership, metrics, runner::Runner, templates};

/// Meta's code for a message whose template is paused.
const TEMPLATE_PAUSED: i64 = 132_015;

/// An account event and the bot it is for.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) bot_id: BotId,
    /// The number it is about, where it says so.
    pub(crate) phone_number_id: Option<String>,
    pub(crate) waba_id: Option<String>,
    pub(crate) event: AccountEvent,
}

/// What is to be done in this process once the consequences of updates are committed.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// Contacts whose mailbox has something new, with its owner.
    pub(crate) owners: Vec<(ContactId, Option<HostId>)>,
    /// Bots that are well again.
    pub(crate) mended: Vec<BotId>,
    /// Numbers whose throughput is to be asked anew.
    pub(crate) throughputs: Vec<String>,
}

/// See the module.
pub(crate) struct Accounts {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    runner: Arc<Runner>,
}

impl Accounts {
    pub(crate) fn new(db: &Db, clock: &Arc<dyn Clock>, membership: &Arc<Membership>, runner: &Arc<Runner>) -> Self {
        Self { db: db.clone(), clock: clock.clone(), membership: membership.clone(), runner: runner.clone() }
    }

    /// Stores the events of one POST and acts on those that are new. When it returns, all of it is durable.
    pub(crate) async fn take(&self, notices: &[Notice]) -> storage::Result<()> {
        if notices.is_empty() {
            return Ok(());
        }
        let mut aftermath = self.store(notices).await;
        if matches!(aftermath, Err(storage::Error::Retry(_))) {
            aftermath = self.store(notices).await;
        }
        let Aftermath { owners, mended, throughputs } = aftermath?;
        self.runner.see_to(self.membership.host(), owners);
        for bot in mended {
            self.runner.mended(bot);
        }
        for number in throughputs {
            self.runner.throughput_changed(&number).await?;
        }
        Ok(())
    }

    async fn store(&self, notices: &[Notice]) -> storage::Result<Aftermath> {
        let now = self.clock.now();
        let mut aftermath = Aftermath::default();
        let mut repeated = 0;
        let mut tx = self.db.begin().await?;
        for notice in notices {
            if tx.insert_account_event(&row(notice), now).await?.is_none() {
                repeated += 1;
                continue;
            }
            for update in &notice.event.updates {
                self.act(&mut tx, notice, update, now, &mut aftermath).await?;
            }
            templates::hear(&mut tx, notice.bot_id, &notice.event.field).await?;
        }
        tx.commit().await?;
        metrics::add(metrics::ACCOUNT_EVENTS, notices.len() - repeated);
        Ok(aftermath)
    }

    /// Does what an update asks for, in the transaction that stores its event. See the module.
    async fn act(
        &self,
        tx: &mut Tx,
        notice: &Notice,
        update: &AccountUpdate,
        now: Time,
        aftermath: &mut Aftermath,
    ) -> storage::Result<()> {
        match update {
            AccountUpdate::UserId(change) => {
                let identity = changes::of_user_id(notice.bot_id, change);
                aftermath.owners.extend(changes::unite(tx, &identity, now).await?);
            }
            AccountUpdate::NumberQuality { .. } | AccountUpdate::Account { .. } => {
                if health::absorb(tx, notice.bot_id, update, now).await? {
                    aftermath.mended.push(notice.bot_id);
                }
                if let AccountUpdate::NumberQuality { event, .. } = update
                    && event == "THROUGHPUT_UPGRADE"
                {
                    aftermath.throughputs.extend(numbers(tx, notice).await?);
                }
            }
            AccountUpdate::Preference { phone, bsuid, category, is_wanted, at } if category == consent::MARKETING => {
                let by_bsuid = || bsuid.clone().map(Address::Bsuid);
                let Some(person) = phone.clone().map(Address::Phone).or_else(by_bsuid) else { return Ok(()) };
                let contact_id = tx.ensure_contact(notice.bot_id, &person, "whatsapp", now).await?.id;
                let (opted_in, source) = (*is_wanted, ConsentSource::UserPreferences);
                let said = NewConsent { contact_id, opted_in, source, detail: None, at: *at };
                if let Some(event) = consent::note(tx, notice.bot_id, &said, now).await?.event {
                    let arrival = Arrival { contact_id, bot_id: notice.bot_id, count: 1, open: 0 };
                    tx.add_items(&[event], now).await?;
                    let claimant = self.runner.claimant();
                    aftermath.owners.extend(tx.note_arrivals(&[arrival], claimant, now).await?);
                }
            }
            AccountUpdate::Preference { .. } => {}
            AccountUpdate::TemplateStatus { event, .. } => {
                templates::absorb(tx, notice.bot_id, update, now).await?;
                if ["APPROVED", "REINSTATED"].contains(&event.as_str()) {
                    tx.lift_holds(notice.bot_id, &[TEMPLATE_PAUSED]).await?;
                    tx.release_held(notice.bot_id, now, i64::MAX).await?;
                    aftermath.mended.push(notice.bot_id);
                }
            }
            AccountUpdate::TemplateQuality { .. } | AccountUpdate::TemplateCategory { .. } => {
                templates::absorb(tx, notice.bot_id, update, now).await?;
            }
        }
        Ok(())
    }
}

/// The numbers that an event may be about: the one it names, or the bot's own.
async fn numbers(tx: &mut Tx, notice: &Notice) -> storage::Result<Vec<String>> {
    if let Some(number) = &notice.phone_number_id {
        return Ok(vec![number.clone()]);
    }
    let bots = tx.bot_runtimes(&[notice.bot_id]).await?;
    Ok(bots.into_iter().filter_map(|bot| bot.whatsapp_phone_number_id).collect())
}

fn row(notice: &Notice) -> NewAccountEvent {
    let Notice { bot_id, phone_number_id, waba_id, event } = notice;
    // Without any time in it, a repetition cannot be told from the same thing happening twice.
    let is_dated = event.sent_at.is_some() || event.value.contains("\"timestamp\"");
    let digest = is_dated.then(|| {
        let sent_at = event.sent_at.map(|at| at.timestamp().to_string()).unwrap_or_default();
        let mut digest = Sha256::new();
        for part in [waba_id.as_deref().unwrap_or_default(), &event.field, &sent_at, &event.value] {
            digest.update(part);
            digest.update("\n");
        }
        hex::encode(digest.finalize())
    });
    NewAccountEvent {
        bot_id: *bot_id,
        phone_number_id: phone_number_id.clone(),
        waba_id: waba_id.clone(),
        field: event.field.clone(),
        payload: event.value.clone(),
        digest,
        sent_at: event.sent_at,
    }
}
