//! The contacts that a batch of sightings is about, found by every address that leads to them.

use std::collections::{HashMap, HashSet};

use domain::{BotId, ContactId, Time};
use sqlx::FromRow;

use super::{Seen, Sighting};
use crate::{Error, Result};

/// A contact as stored.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(super) struct Known {
    #[sqlx(try_from = "i64")]
    pub(super) id: ContactId,
    /// The alias by which it was found, and until when that led to it.
    #[sqlx(default)]
    pub(super) alias: Option<String>,
    #[sqlx(default)]
    pub(super) ceased_at: Option<Time>,
    #[sqlx(try_from = "i64")]
    pub(super) bot_id: BotId,
    pub(super) phone: Option<String>,
    pub(super) bsuid: Option<String>,
    pub(super) username: Option<String>,
    pub(super) name: Option<String>,
    pub(super) last_inbound_at: Option<Time>,
    pub(super) is_announced: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Index {
    pub(super) known: Vec<Known>,
    by_phone: HashMap<(BotId, String), usize>,
    by_bsuid: HashMap<(BotId, String), usize>,
    by_alias: HashMap<(BotId, String), (usize, Option<Time>)>,
    by_id: HashMap<ContactId, usize>,
    /// Which of `known` differ from what is stored.
    pub(super) changed: HashSet<usize>,
    /// Which of those have got an address.
    pub(super) linked: HashSet<usize>,
}

impl Index {
    pub(super) fn of(rows: Vec<Known>) -> Self {
        let mut index = Self::default();
        for row in rows {
            index.add(row);
        }
        index
    }

    pub(super) fn add(&mut self, mut known: Known) {
        let alias = known.alias.take().map(|alias| ((known.bot_id, alias), known.ceased_at.take()));
        // Found several ways, it is still one.
        let at = match self.by_id.get(&known.id) {
            Some(at) if known.id != ContactId(0) => *at,
            _ => {
                self.by_id.insert(known.id, self.known.len());
                self.known.push(known);
                self.register(self.known.len() - 1);
                self.known.len() - 1
            }
        };
        if let Some((alias, ceased_at)) = alias {
            self.by_alias.insert(alias, (at, ceased_at));
        }
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

    /// The contact that an address led to when it was seen: by an alias that ceased only later, by its own address, or
    /// by an alias that still leads there.
    fn led_to(
        &self,
        own: &HashMap<(BotId, String), usize>,
        address: Option<&String>,
        sighting: &Sighting,
    ) -> Option<usize> {
        let key = (sighting.bot_id, address?.clone());
        let alias = self.by_alias.get(&key);
        let before = alias.filter(|(_, ceased_at)| ceased_at.is_some_and(|ceased_at| sighting.at < ceased_at));
        let valid = alias.filter(|(_, ceased_at)| ceased_at.is_none());
        before.map(|(at, _)| *at).or_else(|| own.get(&key).copied()).or_else(|| valid.map(|(at, _)| *at))
    }

    fn phone(&self, sighting: &Sighting) -> Option<usize> {
        self.led_to(&self.by_phone, sighting.phone.as_ref(), sighting)
    }

    fn bsuid(&self, sighting: &Sighting) -> Option<usize> {
        self.led_to(&self.by_bsuid, sighting.bsuid.as_ref(), sighting)
    }

    /// Whether a sighting says of known contacts more than that one of them lacks an address: that two are one, or that
    /// an address has changed.
    pub(super) fn is_news(&self, sighting: &Sighting) -> bool {
        match (self.phone(sighting), self.bsuid(sighting)) {
            (Some(a), Some(b)) => a != b,
            (Some(at), None) => sighting.bsuid.is_some() && self.known[at].bsuid.is_some(),
            (None, Some(at)) => sighting.phone.is_some() && self.known[at].phone.is_some(),
            (None, None) => false,
        }
    }

    pub(super) fn find(&self, sighting: &Sighting) -> Option<usize> {
        self.phone(sighting).or_else(|| self.bsuid(sighting))
    }

    /// Adds to contacts that are known by one id the other one, where a sighting tells it and nobody else has it.
    pub(super) fn link(&mut self, sightings: &[Sighting]) {
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
            self.linked.insert(at);
        }
    }

    /// Brings the contact of a sighting up to date and tells which it is, and whether there has been no event for it.
    pub(super) fn see(&mut self, sighting: &Sighting) -> Result<Seen> {
        let at = self.find(sighting).ok_or_else(|| Error::Corrupt("contact vanished while it was seen".into()))?;
        let known = &mut self.known[at];
        let before = known.clone();
        if sighting.username.is_some() {
            known.username.clone_from(&sighting.username);
        }
        if sighting.name.is_some() {
            known.name.clone_from(&sighting.name);
        }
        if sighting.opens_window {
            known.last_inbound_at = known.last_inbound_at.max(Some(sighting.at));
        }
        if *known != before {
            self.changed.insert(at);
        }
        Ok(Seen { id: self.known[at].id, is_new: sighting.announces && !self.known[at].is_announced })
    }
}
