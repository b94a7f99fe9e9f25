//! Two contacts that are the same person become one.
//!
//! Everything that hangs on the one moves to the other, under the locks of both mailboxes: whoever works on one of them
//! either commits before, and then its work moves along, or finds afterwards that the mailbox is not its own any more
//! and writes nothing. What was left to do is left to do in the mailbox that stays.

use std::collections::HashMap;

use domain::{BotId, ContactId, HostId, JsonMap, Time};
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Error, Result, Tx, db::on};

/// A contact that went up in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// The one that is gone.
    pub from: ContactId,
    /// The one that stays.
    pub into: ContactId,
    /// Who works on the one that stays, if something is left to do for it.
    pub owner: Option<Option<HostId>>,
}

/// The tables whose rows hang on a contact and simply move. `message_reactions`, `plugin_values`, `mailboxes` and `contacts` itself need
/// more than that.
const MOVING: [&str; 8] = [
    "executions",
    "messages",
    "mailbox_items",
    "trigger_logs",
    "contact_aliases",
    "consents",
    "media",
    "plugin_outcomes",
];

/// A contact as far as merging is concerned: all of it.
#[derive(Debug, Clone, FromRow)]
struct Whole {
    id: i64,
    phone: Option<String>,
    bsuid: Option<String>,
    username: Option<String>,
    name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    language: Option<String>,
    timezone: Option<String>,
    tags: Json<Vec<String>>,
    attributes: Json<JsonMap>,
    source: String,
    opted_in: bool,
    opted_in_changed_at: Option<Time>,
    opted_in_source: Option<String>,
    is_announced: bool,
    last_inbound_at: Option<Time>,
    window_closed_at: Option<Time>,
    created_at: Time,
}

impl Whole {
    /// Takes from another contact what this one lacks. What both have stays as it is here, but for what only the newer
    /// one can know, and for addresses that the person is known to have given up.
    fn absorb(&mut self, other: Self, given_up: &[String]) {
        let fill = |own: &mut Option<String>, other: Option<String>| {
            if own.is_none() {
                *own = other;
            }
        };
        let address = |own: &mut Option<String>, other: Option<String>| {
            if other.is_some() && own.as_ref().is_none_or(|own| given_up.contains(own)) {
                *own = other;
            }
        };
        address(&mut self.phone, other.phone);
        address(&mut self.bsuid, other.bsuid);
        fill(&mut self.username, other.username);
        fill(&mut self.name, other.name);
        fill(&mut self.first_name, other.first_name);
        fill(&mut self.last_name, other.last_name);
        fill(&mut self.email, other.email);
        fill(&mut self.language, other.language);
        fill(&mut self.timezone, other.timezone);
        for tag in other.tags.0 {
            if !self.tags.contains(&tag) {
                self.tags.push(tag);
            }
        }
        for (name, value) in other.attributes.0 {
            self.attributes.entry(name).or_insert(value);
        }
        // The last word of the person counts; between two of which none was changed, the more careful one.
        if self.opted_in != other.opted_in {
            let is_newer = other.opted_in_changed_at > self.opted_in_changed_at;
            let is_careful = other.opted_in_changed_at == self.opted_in_changed_at && !other.opted_in;
            if is_newer || is_careful {
                self.opted_in = other.opted_in;
                self.opted_in_changed_at = other.opted_in_changed_at;
                self.opted_in_source = other.opted_in_source;
            }
        }
        self.is_announced |= other.is_announced;
        self.last_inbound_at = self.last_inbound_at.max(other.last_inbound_at);
        let closed = self.window_closed_at.max(other.window_closed_at);
        self.window_closed_at = closed.filter(|_| closed > self.last_inbound_at);
        if other.created_at < self.created_at {
            self.created_at = other.created_at;
            self.source = other.source;
        }
    }
}

#[derive(FromRow)]
struct Left {
    contact_id: i64,
    bot_id: i64,
    unhandled: i64,
    open: i64,
    wake_at: Option<Time>,
}

impl Tx {
    /// Makes one contact of several of a bot, and says which one stays. `given_up`: addresses that the person no longer
    /// has. Whoever calls has locked their rows.
    pub(crate) async fn merge_contacts(
        &mut self,
        contacts: &[ContactId],
        given_up: &[String],
        now: Time,
    ) -> Result<(ContactId, Vec<Merge>)> {
        let left = self.lock_left(contacts).await?;
        let stays = self.who_stays(contacts, &left).await?;
        let mut merges = Vec::new();
        for from in contacts.iter().copied().filter(|contact| *contact != stays) {
            let owner = self.merge_contact(from, stays, given_up, left.get(&from), now).await?;
            merges.push(Merge { from, into: stays, owner });
        }
        Ok((stays, merges))
    }

    /// What is left to do in the mailboxes of these contacts, which are locked from here on.
    async fn lock_left(&mut self, contacts: &[ContactId]) -> Result<HashMap<ContactId, Left>> {
        let lock = self.for_update();
        let rows: Vec<Left> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT contact_id, bot_id, arrivals - handled AS unhandled, open, wake_at FROM mailboxes
                 WHERE contact_id IN (");
            let mut list = query.separated(", ");
            for id in contacts {
                list.push_bind(id.0);
            }
            query.push(") ORDER BY contact_id").push(lock);
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|row| (row.contact_id.into(), row)).collect())
    }

    /// The one that can be disturbed least: that waits for a call to the outside, which would be made again; else that
    /// has messages on their way; else the oldest.
    async fn who_stays(&mut self, contacts: &[ContactId], left: &HashMap<ContactId, Left>) -> Result<ContactId> {
        let calling: Vec<i64> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT contact_id FROM executions WHERE completed_at IS NULL AND status = 'waiting_effect'
                    AND contact_id IN (");
            let mut list = query.separated(", ");
            for id in contacts {
                list.push_bind(id.0);
            }
            query.push(")");
            query.build_query_scalar().persistent(false).fetch_all(c).await
        })?;
        let sending = |contact: &ContactId| left.get(contact).is_some_and(|left| left.open > 0);
        let rank = |contact: &ContactId| (!calling.contains(&contact.0), !sending(contact), *contact);
        contacts
            .iter()
            .copied()
            .min_by_key(|contact| rank(contact))
            .ok_or_else(|| Error::Corrupt("no contacts to merge".into()))
    }

    async fn merge_contact(
        &mut self,
        from: ContactId,
        into: ContactId,
        given_up: &[String],
        left: Option<&Left>,
        now: Time,
    ) -> Result<Option<Option<HostId>>> {
        for table in MOVING {
            on!(self, c => {
                let mut query = QueryBuilder::new("UPDATE ");
                query.push(table).push(" SET contact_id = ").push_bind(into.0);
                query.push(" WHERE contact_id = ").push_bind(from.0);
                query.build().execute(c).await.map(|_| ())
            })?;
        }
        on!(self, c => sqlx::query(
            "INSERT INTO message_reactions (message_id, contact_id, emoji, at)
             SELECT message_id, $2, emoji, at FROM message_reactions WHERE contact_id = $1
             ON CONFLICT (message_id, contact_id) DO UPDATE SET emoji = excluded.emoji, at = excluded.at
             WHERE excluded.at > message_reactions.at")
            .bind(from.0).bind(into.0).execute(c).await.map(|_| ()))?;
        // Two values cannot be made one without knowing what they mean: that of the contact who stays stays.
        on!(self, c => sqlx::query(
            "INSERT INTO plugin_values (plugin_id, bot_id, holder, key, contact_id, value, version, expires_at)
             SELECT plugin_id, bot_id, $2, key, $2, value, version, expires_at FROM plugin_values WHERE contact_id = $1
             ON CONFLICT (plugin_id, bot_id, holder, key) DO NOTHING")
            .bind(from.0).bind(into.0).execute(c).await.map(|_| ()))?;
        let owner = match left {
            Some(left) => Some(self.merge_mailbox(into, left, now).await?),
            None => None,
        };
        let mut rows: Vec<Whole> = on!(self, c => sqlx::query_as("SELECT * FROM contacts WHERE id IN ($1, $2)")
            .bind(from.0).bind(into.0).fetch_all(c).await)?;
        let gone = rows.iter().position(|row| row.id == from.0).map(|at| rows.swap_remove(at));
        let (Some(gone), Some(mut whole)) = (gone, rows.pop()) else {
            return Err(Error::Corrupt("a contact vanished while it was merged".into()));
        };
        // Its mailbox goes with it.
        on!(self, c => sqlx::query("DELETE FROM contacts WHERE id = $1").bind(from.0).execute(c).await.map(|_| ()))?;
        let before = [gone.phone.clone(), gone.bsuid.clone(), whole.phone.clone(), whole.bsuid.clone()];
        whole.absorb(gone, given_up);
        for address in before.into_iter().flatten() {
            let is_own = whole.phone.as_ref() == Some(&address) || whole.bsuid.as_ref() == Some(&address);
            if !is_own {
                self.note_alias(into, &address, None, now).await?;
            }
        }
        self.write_whole(&whole, now).await?;
        Ok(owner)
    }

    /// Puts what is left to do into the mailbox that stays, and says who owns that.
    async fn merge_mailbox(&mut self, into: ContactId, left: &Left, now: Time) -> Result<Option<HostId>> {
        let owner: Option<i64> = on!(self, c => sqlx::query_scalar(
            "INSERT INTO mailboxes (contact_id, bot_id, owner, arrivals, handled, open, wake_at, ready_at)
             VALUES ($1, $2, NULL, $3, 0, $4, $5, $6)
             ON CONFLICT (contact_id) DO UPDATE SET
                arrivals = mailboxes.arrivals + excluded.arrivals,
                open = mailboxes.open + excluded.open,
                wake_at = CASE WHEN mailboxes.wake_at < excluded.wake_at OR excluded.wake_at IS NULL
                               THEN mailboxes.wake_at ELSE excluded.wake_at END,
                ready_at = CASE WHEN mailboxes.ready_at < excluded.ready_at THEN mailboxes.ready_at ELSE excluded.ready_at END
             RETURNING owner")
            .bind(into.0)
            .bind(BotId::from(left.bot_id).0)
            // That the two are one is itself a reason to look.
            .bind(left.unhandled + 1)
            .bind(left.open)
            .bind(left.wake_at)
            .bind(now)
            .fetch_one(c).await)?;
        Ok(owner.map(HostId))
    }

    async fn write_whole(&mut self, whole: &Whole, now: Time) -> Result<()> {
        on!(self, c => sqlx::query(
            "UPDATE contacts SET phone = $2, bsuid = $3, username = $4, name = $5, first_name = $6, last_name = $7,
                email = $8, language = $9, timezone = $10, tags = $11, attributes = $12, source = $13, opted_in = $14,
                opted_in_changed_at = $15, opted_in_source = $16, is_announced = $17, last_inbound_at = $18,
                window_closed_at = $19, created_at = $20, updated_at = $21 WHERE id = $1")
            .bind(whole.id)
            .bind(&whole.phone)
            .bind(&whole.bsuid)
            .bind(&whole.username)
            .bind(&whole.name)
            .bind(&whole.first_name)
            .bind(&whole.last_name)
            .bind(&whole.email)
            .bind(&whole.language)
            .bind(&whole.timezone)
            .bind(&whole.tags)
            .bind(&whole.attributes)
            .bind(&whole.source)
            .bind(whole.opted_in)
            .bind(whole.opted_in_changed_at)
            .bind(&whole.opted_in_source)
            .bind(whole.is_announced)
            .bind(whole.last_inbound_at)
            .bind(whole.window_closed_at)
            .bind(whole.created_at)
            .bind(now)
            .execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
