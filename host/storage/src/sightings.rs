//! Contacts as webhooks show them: found, made, or brought up to date in one go.

mod index;

use std::collections::{BTreeMap, HashSet};

use domain::{BotId, ContactId, JsonMap, Time};
use sqlx::{QueryBuilder, types::Json};

use crate::{
    Identity, Merge, Result, Tx,
    db::on,
    rows::{Statement, statement},
};
use index::{Index, Known};

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
    /// Whether it opens the customer service window.
    pub opens_window: bool,
}

/// The contact behind a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The contact.
    pub id: ContactId,
    /// Whether this message is the first that announces it.
    pub is_new: bool,
}

/// The contacts behind a batch of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sightings {
    /// One for each sighting, in their order.
    pub contacts: Vec<Seen>,
    /// Contacts that turned out to be the same person.
    pub merges: Vec<Merge>,
}

impl Tx {
    /// Finds or makes the contact of each sighting, in the order given, and brings names, ids and the time of the last
    /// inbound message up to date. Every sighting must have a phone or a business-scoped user id. The first sighting that
    /// announces a contact tells that it is new, whoever else sees it at the same time. Contacts that a sighting shows to
    /// be the same person become one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn see_contacts(&mut self, sightings: &[Sighting], now: Time) -> Result<Sightings> {
        let mut merges = Vec::new();
        let mut index = Index::of(self.known_contacts(sightings).await?);
        self.unite_seen(sightings, &mut index, &mut merges, now).await?;
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
            self.unite_seen(sightings, &mut index, &mut merges, now).await?;
            index.link(sightings);
        }
        let mut seen: Vec<Seen> = sightings.iter().map(|sighting| index.see(sighting)).collect::<Result<_>>()?;
        let mut changed: Vec<&Known> = index.changed.iter().map(|at| &index.known[*at]).collect();
        changed.sort_by_key(|known| known.id);
        let mut linked: Vec<&Known> = index.linked.iter().map(|at| &index.known[*at]).collect();
        linked.sort_by_key(|known| known.id);
        self.add_addresses(&linked).await?;
        self.update_seen(&changed, now).await?;
        let mut fresh: Vec<ContactId> = seen.iter().filter(|seen| seen.is_new).map(|seen| seen.id).collect();
        fresh.sort_unstable();
        fresh.dedup();
        let mut announced: HashSet<ContactId> = self.announce_contacts(&fresh).await?.into_iter().collect();
        for seen in &mut seen {
            seen.is_new = seen.is_new && announced.remove(&seen.id);
        }
        Ok(Sightings { contacts: seen, merges })
    }

    /// Acts on sightings that say that two contacts are one, or that an address has changed. Few do.
    async fn unite_seen(
        &mut self,
        sightings: &[Sighting],
        index: &mut Index,
        merges: &mut Vec<Merge>,
        now: Time,
    ) -> Result<()> {
        let mut is_changed = false;
        for sighting in sightings.iter().filter(|sighting| index.is_news(sighting)) {
            let identity = Identity {
                bot_id: sighting.bot_id,
                phone: sighting.phone.clone(),
                bsuid: sighting.bsuid.clone(),
                also: Vec::new(),
                former: Vec::new(),
                at: sighting.at,
            };
            merges.extend(self.unite(&identity, now).await?.into_iter().flat_map(|united| united.merges));
            is_changed = true;
        }
        if is_changed {
            *index = Index::of(self.known_contacts(sightings).await?);
        }
        Ok(())
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
            // Of contacts found by their own address, `ceased_at` is only there to have a type.
            const SELECT: &str =
                "SELECT id, bot_id, phone, bsuid, username, name, last_inbound_at, is_announced, CAST(NULL AS TEXT) AS alias,
                        last_inbound_at AS ceased_at FROM contacts WHERE ";
            let mut query = match (phones.first_key_value(), phones.len() + bsuids.len()) {
                (Some((_, phones)), 1) => statement!(phones.len(), SELECT),
                (_, ..=2) => Statement::varied(sightings.len(), SELECT),
                // Batches of many bots are hardly ever of the same shape.
                _ => Statement::once(SELECT),
            };
            let mut first = true;
            for (column, lists) in [("phone", &phones), ("bsuid", &bsuids)] {
                for (bot, values) in lists {
                    query.push(if first { "(bot_id = " } else { " OR (bot_id = " });
                    first = false;
                    query.push_bind(bot.0).push(" AND ").push(column).push(" IN ");
                    query.push_list(values.iter().copied());
                    query.push(")");
                }
            }
            query.push(
                " UNION ALL SELECT c.id, c.bot_id, c.phone, c.bsuid, c.username, c.name, c.last_inbound_at, c.is_announced,
                         a.address, a.ceased_at FROM contact_aliases a JOIN contacts c ON c.id = a.contact_id WHERE ");
            for (n, (bot, values)) in phones.iter().chain(&bsuids).enumerate() {
                query.push(if n == 0 { "(a.bot_id = " } else { " OR (a.bot_id = " });
                query.push_bind(bot.0).push(" AND a.address IN ");
                query.push_list(values.iter().copied());
                query.push(")");
            }
            query.build_query_as().fetch_all(c).await
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
                    alias: None,
                    ceased_at: None,
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
                    .push_bind(s.opens_window.then_some(s.at))
                    .push_bind(now)
                    .push_bind(now);
            });
            query.push(" ON CONFLICT DO NOTHING RETURNING id, bot_id, phone, bsuid, username, name, last_inbound_at,
                    is_announced");
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        Ok(rows)
    }

    /// Addresses are written apart from what changes with every message: SQLite brings the indexes of all columns up to
    /// date that a statement names, whether they change or not.
    async fn add_addresses(&mut self, contacts: &[&Known]) -> Result<()> {
        if contacts.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = statement!(contacts.len(),
                "UPDATE contacts SET phone = COALESCE(contacts.phone, v.column2), bsuid = COALESCE(contacts.bsuid, v.column3)
                 FROM ");
            query.push_changes(contacts, |mut row, k| {
                row.push_bind(k.id.0).push_bind(&k.phone).push_bind(&k.bsuid);
            });
            query.push(" AS v WHERE contacts.id = v.column1");
            query.build().execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    async fn update_seen(&mut self, contacts: &[&Known], now: Time) -> Result<()> {
        if contacts.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = statement!(contacts.len(),
                "UPDATE contacts SET
                    username = COALESCE(v.column2, contacts.username), name = COALESCE(v.column3, contacts.name),
                    last_inbound_at = CASE WHEN contacts.last_inbound_at > v.column4 OR v.column4 IS NULL THEN contacts.last_inbound_at ELSE v.column4 END,
                    window_closed_at = CASE WHEN contacts.last_inbound_at >= v.column4 OR v.column4 IS NULL THEN contacts.window_closed_at END,
                    updated_at = ");
            query.push_bind(now).push(" FROM ");
            query.push_changes(contacts, |mut row, k| {
                row.push_bind(k.id.0)
                    .push_bind(&k.username)
                    .push_bind(&k.name)
                    .push_bind(k.last_inbound_at);
            });
            query.push(" AS v WHERE contacts.id = v.column1");
            query.build().execute(c).await.map(|_| ())
        })?;
        Ok(())
    }
}
