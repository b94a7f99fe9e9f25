//! Who a contact is: the addresses that a person has, had, and is otherwise known by.
//!
//! A contact has at most one phone number and one business-scoped user id (bsuid). Every other address that leads to it
//! is an alias: the number that Meta makes of the one that was sent to, and what the person had before. A phone number
//! that a person gave up leads to them only for what was written before that (`ceased_at`), because numbers are given to
//! somebody else. A bsuid belongs to one person for ever.

use std::collections::{BTreeSet, HashMap};

use domain::{Address, BotId, ContactId, Time};
use sqlx::{FromRow, QueryBuilder};

use crate::{Merge, Result, Tx, db::on};

/// How often the contacts of a person are looked for anew because somebody else changed them.
const LOOKS_MAX: usize = 3;

/// What Meta tells of who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The bot that the person writes to.
    pub bot_id: BotId,
    /// The phone number in digits that the person has.
    pub phone: Option<String>,
    /// The business-scoped user id that the person has.
    pub bsuid: Option<String>,
    /// Other addresses that lead to the same person.
    pub also: Vec<Address>,
    /// Addresses that the person had until then.
    pub former: Vec<Address>,
    /// When that was so.
    pub at: Time,
}

/// A contact that an [`Identity`] leads to, and those that went up in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct United {
    /// The contact.
    pub contact: ContactId,
    /// Contacts that turned out to be the same person.
    pub merges: Vec<Merge>,
}

/// A contact's own addresses.
#[derive(Debug, Clone, FromRow)]
struct Person {
    #[sqlx(try_from = "i64")]
    id: ContactId,
    phone: Option<String>,
    bsuid: Option<String>,
    last_inbound_at: Option<Time>,
}

#[derive(Debug, Clone, FromRow)]
struct Alias {
    address: String,
    #[sqlx(try_from = "i64")]
    contact_id: ContactId,
    ceased_at: Option<Time>,
}

/// The contacts that the addresses of an identity may lead to.
#[derive(Debug, Default)]
struct Circle {
    persons: Vec<Person>,
    aliases: HashMap<String, Alias>,
}

/// How an address leads to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Own(ContactId),
    Alias(ContactId),
}

impl Way {
    fn contact(self) -> ContactId {
        match self {
            Self::Own(contact) | Self::Alias(contact) => contact,
        }
    }
}

impl Circle {
    fn person(&self, id: ContactId) -> Option<&Person> {
        self.persons.iter().find(|person| person.id == id)
    }

    fn owner(&self, address: &str) -> Option<ContactId> {
        let has = |own: &Option<String>| own.as_deref() == Some(address);
        self.persons.iter().find(|person| has(&person.phone) || has(&person.bsuid)).map(|person| person.id)
    }

    /// Whom an address led to at a point in time.
    fn way(&self, address: &str, at: Time) -> Option<Way> {
        let alias = self.aliases.get(address);
        if let Some(alias) = alias.filter(|alias| alias.ceased_at.is_some_and(|ceased_at| at < ceased_at)) {
            return Some(Way::Alias(alias.contact_id));
        }
        let valid = alias.filter(|alias| alias.ceased_at.is_none()).map(|alias| Way::Alias(alias.contact_id));
        self.owner(address).map(Way::Own).or(valid)
    }

    /// Whom an address led to that was given up at a point in time.
    fn former_way(&self, address: &str, at: Time) -> Option<Way> {
        self.way(address, at).or_else(|| self.aliases.get(address).map(|alias| Way::Alias(alias.contact_id)))
    }

    /// Whether an address is the contact's by an alias that has not ceased.
    fn is_alias(&self, address: &str, contact: ContactId) -> bool {
        self.aliases.get(address).is_some_and(|alias| alias.contact_id == contact && alias.ceased_at.is_none())
    }

    /// Whether the contact had an address and has given it up later than `at`.
    fn is_given_up(&self, address: &str, contact: ContactId, at: Time) -> bool {
        let alias = self.aliases.get(address).filter(|alias| alias.contact_id == contact);
        alias.and_then(|alias| alias.ceased_at).is_some_and(|ceased_at| ceased_at > at)
    }
}

/// What is to be done about an identity.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// The contacts that are this person.
    same: BTreeSet<ContactId>,
    /// Who no longer has the phone number, because it is certainly somebody else's now.
    bereft: Option<ContactId>,
    /// Whether the phone number's alias leads to somebody else by now.
    alias_is_void: bool,
}

impl Identity {
    /// All its addresses.
    fn addresses(&self) -> Vec<String> {
        let others = self.also.iter().chain(&self.former).map(ToString::to_string);
        self.phone.iter().chain(&self.bsuid).cloned().chain(others).collect()
    }

    /// Which contacts are this person.
    fn judge(&self, circle: &Circle) -> Verdict {
        let mut verdict = Verdict::default();
        let by_phone = self.phone.as_deref().and_then(|phone| circle.way(phone, self.at));
        let by_bsuid = self.bsuid.as_deref().and_then(|bsuid| circle.way(bsuid, self.at)).map(Way::contact);
        let has_other_bsuid = |contact| circle.person(contact).is_some_and(|person| person.bsuid.is_some());
        match by_phone {
            Some(way) if self.former.is_empty() && self.bsuid.is_some() && by_bsuid != Some(way.contact()) => {
                // The number leads to one contact and the id to another one, or to nobody.
                let contact = way.contact();
                let other_has_phone =
                    by_bsuid.and_then(|other| circle.person(other)).is_some_and(|other| other.phone.is_some());
                match way {
                    // The number has gone to somebody else.
                    Way::Alias(_) if has_other_bsuid(contact) => verdict.alias_is_void = true,
                    // Two people of whom everything is known are not the same one; the number has changed hands.
                    Way::Own(_) if has_other_bsuid(contact) && other_has_phone => {
                        let last = [Some(contact), by_bsuid].into_iter().flatten().filter_map(|id| circle.person(id));
                        if last.filter_map(|person| person.last_inbound_at).all(|last| last <= self.at) {
                            verdict.bereft = Some(contact);
                        }
                    }
                    _ => {
                        verdict.same.insert(contact);
                    }
                }
            }
            Some(way) => {
                verdict.same.insert(way.contact());
            }
            None => {}
        }
        verdict.same.extend(by_bsuid);
        let also = self.also.iter().filter_map(|address| circle.way(&address.to_string(), self.at));
        let former = self.former.iter().filter_map(|address| circle.former_way(&address.to_string(), self.at));
        verdict.same.extend(also.chain(former).map(Way::contact));
        verdict
    }
}

impl Tx {
    /// Brings the contacts of a person to what Meta tells: merges those that are the same person, and gives the one that
    /// is left its addresses. `None` when the bot does not know the person.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unite(&mut self, identity: &Identity, now: Time) -> Result<Option<United>> {
        let addresses = identity.addresses();
        let mut circle = self.circle(identity.bot_id, &addresses).await?;
        for _ in 1..LOOKS_MAX {
            let ids: Vec<ContactId> = circle.persons.iter().map(|person| person.id).collect();
            self.seize_contacts(&ids).await?;
            circle = self.circle(identity.bot_id, &addresses).await?;
            if circle.persons.iter().map(|person| person.id).eq(ids) {
                break;
            }
        }
        let verdict = identity.judge(&circle);
        if let (true, Some(phone)) = (verdict.alias_is_void, &identity.phone) {
            self.remove_alias(identity.bot_id, phone).await?;
        }
        let same: Vec<ContactId> = verdict.same.into_iter().collect();
        let (contact, merges) = match same.as_slice() {
            [] => return Ok(None),
            [contact] => (*contact, Vec::new()),
            several => {
                let given_up: Vec<String> = identity.former.iter().map(ToString::to_string).collect();
                self.merge_contacts(several, &given_up, now).await?
            }
        };
        if let Some(bereft) = verdict.bereft {
            self.set_addresses(bereft, None, circle.person(bereft).and_then(|person| person.bsuid.as_deref()), now)
                .await?;
        }
        // Merging has moved addresses about.
        let after = self.circle(identity.bot_id, &addresses).await?;
        if let Some(person) = after.person(contact) {
            self.give_addresses(identity, [&circle, &after], &same, person, now).await?;
        }
        Ok(Some(United { contact, merges }))
    }

    /// Gives a contact the addresses of its identity; those that it had before stay as aliases. `circles`: before and
    /// after `same` became one.
    async fn give_addresses(
        &mut self,
        identity: &Identity,
        [before, circle]: [&Circle; 2],
        same: &[ContactId],
        person: &Person,
        now: Time,
    ) -> Result<()> {
        // What was written before the newest message that is known says what was so, not what is so.
        let is_late = identity.former.is_empty() && person.last_inbound_at.is_some_and(|last| identity.at < last);
        let texts = |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (also, former) = (texts(&identity.also), texts(&identity.former));
        let is_foreign = |address: &str| circle.owner(address).is_some_and(|owner| owner != person.id);
        let choose = |own: &Option<String>, told: &Option<String>| {
            let told = told.as_ref().filter(|told| !is_foreign(told));
            let (Some(own), Some(told)) = (own, told) else { return own.as_ref().or(told).cloned() };
            let is_no_news = same
                .iter()
                .any(|contact| before.is_alias(told, *contact) || before.is_given_up(told, *contact, identity.at));
            let stays = !former.contains(own) && (is_late || also.contains(own) || is_no_news);
            Some(if stays { own } else { told }.clone())
        };
        let phone = choose(&person.phone, &identity.phone);
        let bsuid = choose(&person.bsuid, &identity.bsuid);
        self.set_addresses(person.id, phone.as_deref(), bsuid.as_deref(), now).await?;

        let is_own = |address: &str| [&phone, &bsuid].iter().any(|own| own.as_deref() == Some(address));
        for address in [&phone, &bsuid].into_iter().flatten() {
            if circle.is_alias(address, person.id) {
                self.remove_alias(identity.bot_id, address).await?;
            }
        }
        for address in identity.former.iter().filter(|former| !is_own(&former.to_string())) {
            let ceased_at = matches!(address, Address::Phone(_)).then_some(identity.at);
            self.note_alias(person.id, &address.to_string(), ceased_at, now).await?;
        }
        let told = [&person.phone, &person.bsuid, &identity.phone, &identity.bsuid];
        for address in told.into_iter().flatten().chain(&also) {
            let is_known = circle.aliases.get(address).is_some_and(|alias| alias.contact_id == person.id);
            if !is_own(address) && !former.contains(address) && !is_known && !is_foreign(address) {
                self.note_alias(person.id, address, None, now).await?;
            }
        }
        Ok(())
    }

    /// The contacts of a bot that these addresses may lead to, by id.
    async fn circle(&mut self, bot: BotId, addresses: &[String]) -> Result<Circle> {
        let aliases: Vec<Alias> = on!(self, c => {
            let mut query =
                QueryBuilder::new("SELECT address, contact_id, ceased_at FROM contact_aliases WHERE bot_id = ");
            query.push_bind(bot.0).push(" AND address IN (");
            let mut list = query.separated(", ");
            for address in addresses {
                list.push_bind(address);
            }
            query.push(")");
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        let persons: Vec<Person> = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT id, phone, bsuid, last_inbound_at FROM contacts WHERE (bot_id = ");
            for (n, column) in ["phone", "bsuid"].into_iter().enumerate() {
                if n > 0 {
                    query.push(" OR (bot_id = ");
                }
                query.push_bind(bot.0).push(" AND ").push(column).push(" IN (");
                let mut list = query.separated(", ");
                for address in addresses {
                    list.push_bind(address);
                }
                query.push("))");
            }
            if !aliases.is_empty() {
                query.push(" OR id IN (");
                let mut list = query.separated(", ");
                for alias in &aliases {
                    list.push_bind(alias.contact_id.0);
                }
                query.push(")");
            }
            query.push(" ORDER BY id");
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        let aliases = aliases.into_iter().map(|alias| (alias.address.clone(), alias)).collect();
        Ok(Circle { persons, aliases })
    }

    async fn seize_contacts(&mut self, ids: &[ContactId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let lock = self.for_update();
        let _locked: Vec<i64> = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT id FROM contacts WHERE id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(id.0);
            }
            query.push(") ORDER BY id").push(lock);
            query.build_query_scalar().persistent(false).fetch_all(c).await
        })?;
        Ok(())
    }

    async fn set_addresses(
        &mut self,
        contact: ContactId,
        phone: Option<&str>,
        bsuid: Option<&str>,
        now: Time,
    ) -> Result<()> {
        on!(self, c => sqlx::query("UPDATE contacts SET phone = $2, bsuid = $3, updated_at = $4 WHERE id = $1")
            .bind(contact.0).bind(phone).bind(bsuid).bind(now).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Makes an address lead to a contact; until `ceased_at` only, if given.
    pub(crate) async fn note_alias(
        &mut self,
        contact: ContactId,
        address: &str,
        ceased_at: Option<Time>,
        now: Time,
    ) -> Result<()> {
        on!(self, c => sqlx::query(
            "INSERT INTO contact_aliases (bot_id, address, contact_id, ceased_at, created_at)
             SELECT bot_id, $2, id, $3, $4 FROM contacts WHERE id = $1
             ON CONFLICT (address, bot_id) DO UPDATE SET contact_id = excluded.contact_id, ceased_at = excluded.ceased_at")
            .bind(contact.0).bind(address).bind(ceased_at).bind(now).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    async fn remove_alias(&mut self, bot: BotId, address: &str) -> Result<()> {
        on!(self, c => sqlx::query("DELETE FROM contact_aliases WHERE bot_id = $1 AND address = $2")
            .bind(bot.0).bind(address).execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
