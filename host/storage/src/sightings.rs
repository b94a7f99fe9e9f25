//! Contacts as webhooks show them: found, made, or brought up to date in one go.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{BotId, ContactId, JsonMap, Time};
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Error, Result, Tx, db::on};

/// What a webhook tells of the contact behind a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The bot that was written to.
    pub bot_id: BotId,
    /// Phone number in digits.
    pub phone: Option<String>,
    /// Business-scoped user id.
    pub bsuid: Option<String>,
    /// WhatsApp username.
    pub username: Option<String>,
    /// Profile name.
    pub name: Option<String>,
    /// When the message was written, by Meta's clock.
    pub at: Time,
    /// Whether it is a message that makes a stranger a new contact.
    pub announces: bool,
}

/// The contact behind a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The contact.
    pub id: ContactId,
    /// Whether this message is the first that announces it.
    pub is_new: bool,
}

#[derive(Debug, Clone, PartialEq, FromRow)]
struct Known {
    #[sqlx(try_from = "i64")]
    id: ContactId,
    #[sqlx(try_from = "i64")]
    bot_id: BotId,
    phone: Option<String>,
    bsuid: Option<String>,
    username: Option<String>,
    name: Option<String>,
    last_inbound_at: Option<Time>,
    is_announced: bool,
}

#[derive(Default)]
struct Index {
    known: Vec<Known>,
    by_phone: HashMap<(BotId, String), usize>,
    by_bsuid: HashMap<(BotId, String), usize>,
    /// Which of `known` differ from what is stored.
    changed: HashSet<usize>,
}

impl Index {
    fn add(&mut self, known: Known) {
        self.known.push(known);
        self.register(self.known.len() - 1);
    }

    /// Makes a contact found by its ids.
    fn register(&mut self, at: usize) {
        let known = &self.known[at];
        if let Some(phone) = &known.phone {
            self.by_phone.insert((known.bot_id, phone.clone()), at);
        }
        if let Some(bsuid) = &known.bsuid {
            self.by_bsuid.insert((known.bot_id, bsuid.clone()), at);
        }
    }

    fn phone(&self, sighting: &Sighting) -> Option<usize> {
        sighting.phone.as_ref().and_then(|phone| self.by_phone.get(&(sighting.bot_id, phone.clone())).copied())
    }

    fn bsuid(&self, sighting: &Sighting) -> Option<usize> {
        sighting.bsuid.as_ref().and_then(|bsuid| self.by_bsuid.get(&(sighting.bot_id, bsuid.clone())).copied())
    }

    fn find(&self, sighting: &Sighting) -> Option<usize> {
        self.phone(sighting).or_else(|| self.bsuid(sighting))
    }

    /// Adds to contacts that are known by one id the other one, where a sighting tells it and nobody else has it.
    fn link(&mut self, sightings: &[Sighting]) {
        for sighting in sightings {
            let (phone, bsuid) = (self.phone(sighting), self.bsuid(sighting));
            let at = match (phone, bsuid) {
                (Some(at), None) if sighting.bsuid.is_some() && self.known[at].bsuid.is_none() => {
                    self.known[at].bsuid.clone_from(&sighting.bsuid);
                    at
                }
                (None, Some(at)) if sighting.phone.is_some() && self.known[at].phone.is_none() => {
                    self.known[at].phone.clone_from(&sighting.phone);
                    at
                }
                _ => continue,
            };
            self.register(at);
            self.changed.insert(at);
        }
    }

    /// Brings the contact of a sighting up to date and tells which it is, and whether there has been no event for it.
    fn see(&mut self, sighting: &Sighting) -> Result<Seen> {
        let at = self.find(sighting).ok_or_else(|| Error::Corrupt("contact vanished while it was seen".into()))?;
        let known = &mut self.known[at];
        let before = known.clone();
        if sighting.username.is_some() {
            known.username.clone_from(&sighting.username);
        }
        if sighting.name.is_some() {
            known.name.clone_from(&sighting.name);
        }
        known.last_inbound_at = known.last_inbound_at.max(Some(sighting.at));
        if *known != before {
            self.changed.insert(at);
        }
        Ok(Seen { id: self.known[at].id, is_new: sighting.announces && !self.known[at].is_announced })
    }
}

impl Tx {
    /// Finds or makes the contact of each sighting, in the order given, and brings names, ids and the time of the last
    /// inbound message up to date. Every sighting must have a phone or a business-scoped user id. The first sighting that
    /// announces a contact tells that it is new, whoever else sees it at the same time.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn see_contacts(&mut self, sightings: &[Sighting], now: Time) -> Result<Vec<Seen>> {
        let mut index = Index::default();
        for known in self.known_contacts(sightings).await? {
            index.add(known);
        }
        // One message may tell that two ids are the same person, and others of the batch know only one of them.
        index.link(sightings);
        let missing: Vec<&Sighting> = sightings.iter().filter(|s| index.find(s).is_none()).collect();
        if !missing.is_empty() {
            for known in self.insert_seen(&missing, now).await? {
                index.add(known);
            }
            // Somebody else made some of them between the look and the insert: look again.
            let raced: Vec<Sighting> = missing.into_iter().filter(|s| index.find(s).is_none()).cloned().collect();
            for known in self.known_contacts(&raced).await? {
                index.add(known);
            }
            index.link(sightings);
        }
        let mut seen: Vec<Seen> = sightings.iter().map(|sighting| index.see(sighting)).collect::<Result<_>>()?;
        let mut changed: Vec<&Known> = index.changed.iter().map(|at| &index.known[*at]).collect();
        changed.sort_by_key(|known| known.id);
        self.update_seen(&changed, now).await?;
        let mut fresh: Vec<ContactId> = seen.iter().filter(|seen| seen.is_new).map(|seen| seen.id).collect();
        fresh.sort_unstable();
        fresh.dedup();
        let mut announced: HashSet<ContactId> = self.announce_contacts(&fresh).await?.into_iter().collect();
        for seen in &mut seen {
            seen.is_new = seen.is_new && announced.remove(&seen.id);
        }
        Ok(seen)
    }

    async fn known_contacts(&mut self, sightings: &[Sighting]) -> Result<Vec<Known>> {
        let mut phones: BTreeMap<BotId, Vec<&str>> = BTreeMap::new();
        let mut bsuids: BTreeMap<BotId, Vec<&str>> = BTreeMap::new();
        for sighting in sightings {
            if let Some(phone) = &sighting.phone {
                phones.entry(sighting.bot_id).or_default().push(phone);
            }
            if let Some(bsuid) = &sighting.bsuid {
                bsuids.entry(sighting.bot_id).or_default().push(bsuid);
            }
        }
        if phones.is_empty() && bsuids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<Known> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT id, bot_id, phone, bsuid, username, name, last_inbound_at, is_announced FROM contacts WHERE ");
            let mut first = true;
            for (column, lists) in [("phone", &phones), ("bsuid", &bsuids)] {
                for (bot, values) in lists {
                    query.push(if first { "(bot_id = " } else { " OR (bot_id = " });
                    first = false;
                    query.push_bind(bot.0).push(" AND ").push(column).push(" IN (");
                    let mut list = query.separated(", ");
                    for value in values {
                        list.push_bind(*value);
                    }
                    query.push("))");
                }
            }
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        Ok(rows)
    }

    async fn insert_seen(&mut self, sightings: &[&Sighting], now: Time) -> Result<Vec<Known>> {
        // Those that tell most come first, so that the others find them.
        let mut sorted = sightings.to_vec();
        sorted.sort_by_key(|s| s.phone.is_none() || s.bsuid.is_none());
        let mut batch = Index::default();
        let mut fresh: Vec<&Sighting> = Vec::new();
        for sighting in sorted {
            if batch.find(sighting).is_none() {
                batch.add(Known {
                    id: ContactId(0),
                    bot_id: sighting.bot_id,
                    phone: sighting.phone.clone(),
                    bsuid: sighting.bsuid.clone(),
                    username: None,
                    name: None,
                    last_inbound_at: None,
                    is_announced: false,
                });
                fresh.push(sighting);
            }
        }
        let rows: Vec<Known> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "INSERT INTO contacts (bot_id, phone, bsuid, username, name, tags, attributes, source, opted_in,
                    is_announced, last_inbound_at, created_at, updated_at) ");
            query.push_values(fresh, |mut row, s| {
                row.push_bind(s.bot_id.0)
                    .push_bind(&s.phone)
                    .push_bind(&s.bsuid)
                    .push_bind(&s.username)
                    .push_bind(&s.name)
                    .push_bind(Json(Vec::<String>::new()))
                    .push_bind(Json(JsonMap::new()))
                    .push_bind("whatsapp")
                    .push_bind(true)
                    .push_bind(false)
                    .push_bind(s.at)
                    .push_bind(now)
                    .push_bind(now);
            });
            query.push(" ON CONFLICT DO NOTHING RETURNING id, bot_id, phone, bsuid, username, name, last_inbound_at,
                    is_announced");
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        Ok(rows)
    }

    async fn update_seen(&mut self, contacts: &[&Known], now: Time) -> Result<()> {
        if contacts.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = QueryBuilder::new(
                "UPDATE contacts SET phone = COALESCE(contacts.phone, v.column2), bsuid = COALESCE(contacts.bsuid, v.column3),
                    username = COALESCE(v.column4, contacts.username), name = COALESCE(v.column5, contacts.name),
                    last_inbound_at = CASE WHEN contacts.last_inbound_at > v.column6 THEN contacts.last_inbound_at ELSE v.column6 END,
                    updated_at = v.column7 FROM (");
            query.push_values(contacts, |mut row, k| {
                row.push_bind(k.id.0)
                    .push_bind(&k.phone)
                    .push_bind(&k.bsuid)
                    .push_bind(&k.username)
                    .push_bind(&k.name)
                    .push_bind(k.last_inbound_at)
                    .push_bind(now);
            });
            query.push(") AS v WHERE contacts.id = v.column1");
            query.build().persistent(false).execute(c).await.map(|_| ())
        })?;
        Ok(())
    }
}
