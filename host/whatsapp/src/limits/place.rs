//! A value with its pointer, and the checks that every message type is made of.

use domain::Fault;
use serde_json::Value;

use super::Templates;

/// A value inside what is checked.
#[derive(Clone)]
pub(super) struct Place<'v> {
    pub(super) value: &'v Value,
    pointer: String,
}

impl<'v> Place<'v> {
    pub(super) fn root(value: &'v Value) -> Self {
        Self { value, pointer: String::new() }
    }

    /// A member of an object; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { value, pointer: format!("{}/{name}", self.pointer) })
    }

    /// The elements of an array; none of anything else.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'v> {
        let pointer = self.pointer.clone();
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().enumerate().map(move |(index, value)| Self { value, pointer: format!("{pointer}/{index}") })
    }

    /// A member that is a text.
    pub(super) fn str(&self, name: &str) -> Option<&'v str> {
        self.value.get(name)?.as_str()
    }
}

/// Collects faults.
pub(super) struct Check {
    templates: Templates,
    pub(super) faults: Vec<Fault>,
}

/// Whether a field may be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

impl Check {
    pub(super) fn new(templates: Templates) -> Self {
        Self { templates, faults: Vec::new() }
    }

    pub(super) fn fault(&mut self, place: &Place<'_>, detail: impl Into<String>) {
        self.faults.push(Fault::new(place.pointer.clone(), detail));
    }

    pub(super) fn fault_in(&mut self, place: &Place<'_>, name: &str, detail: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}/{name}", place.pointer), detail));
    }

    /// Whether a text is still to be filled in, so that its final form is not known.
    pub(super) fn is_open(&self, text: &str) -> bool {
        self.templates == Templates::MayRemain && (text.contains("{{") || text.contains("{%"))
    }

    /// A member that must be there.
    pub(super) fn need<'v>(&mut self, place: &Place<'v>, name: &str) -> Option<Place<'v>> {
        let found = place.get(name);
        if found.is_none() {
            self.fault_in(place, name, "is required");
        }
        found
    }

    fn member<'v>(&mut self, place: &Place<'v>, name: &str, need: Need) -> Option<Place<'v>> {
        if need == Need::Required { self.need(place, name) } else { place.get(name) }
    }

    /// A text of at most `max` characters; a required one must not be blank. Returns it only when it is final.
    pub(super) fn text<'v>(&mut self, place: &Place<'v>, name: &str, need: Need, max: usize) -> Option<&'v str> {
        let member = self.member(place, name, need)?;
        let Some(text) = member.value.as_str() else {
            self.fault(&member, "must be a text");
            return None;
        };
        if self.is_open(text) {
            return None;
        }
        if need == Need::Required && text.trim().is_empty() {
            self.fault(&member, "must not be empty");
        }
        let length = text.chars().count();
        if length > max {
            self.fault(&member, format!("must be at most {max} characters, has {length}"));
        }
        Some(text)
    }

    /// A required text of any length: ids and names that Meta sets no limit for.
    pub(super) fn id(&mut self, place: &Place<'_>, name: &str) {
        self.text(place, name, Need::Required, usize::MAX);
    }

    /// An object.
    pub(super) fn object<'v>(&mut self, place: &Place<'v>, name: &str, need: Need) -> Option<Place<'v>> {
        let member = self.member(place, name, need)?;
        if member.value.is_object() {
            return Some(member);
        }
        self.fault(&member, "must be an object");
        None
    }

    /// A required array of `min` to `max` elements.
    pub(super) fn list<'v>(&mut self, place: &Place<'v>, name: &str, min: usize, max: usize) -> Option<Place<'v>> {
        let member = self.need(place, name)?;
        self.is_list(&member, min, max).then_some(member)
    }

    /// Whether a value is an array of `min` to `max` elements, or at least an array.
    pub(super) fn is_list(&mut self, place: &Place<'_>, min: usize, max: usize) -> bool {
        let Some(items) = place.value.as_array() else {
            self.fault(place, "must be an array");
            return false;
        };
        if !(min..=max).contains(&items.len()) {
            self.fault(place, format!("must have {min} to {max} elements, has {}", items.len()));
        }
        true
    }

    /// A required number within bounds; a text that reads as one will do, as Meta accepts both.
    pub(super) fn number(&mut self, place: &Place<'_>, name: &str, min: f64, max: f64) {
        let Some(member) = self.need(place, name) else { return };
        let number = match member.value {
            Value::String(text) if self.is_open(text) => return,
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_f64(),
        };
        if !number.is_some_and(|number| (min..=max).contains(&number)) {
            self.fault(&member, format!("must be a number from {min} to {max}"));
        }
    }

    /// A flag.
    pub(super) fn flag(&mut self, place: &Place<'_>, name: &str) {
        if let Some(member) = place.get(name)
            && !member.value.is_boolean()
            && !member.value.as_str().is_some_and(|text| self.is_open(text))
        {
            self.fault(&member, "must be true or false");
        }
    }

    /// A web address.
    pub(super) fn url(&mut self, place: &Place<'_>, name: &str) {
        if let Some(url) = self.text(place, name, Need::Required, usize::MAX)
            && !["http://", "https://"]
                .iter()
                .any(|scheme| url.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)))
        {
            self.fault_in(place, name, "must be an http or https address");
        }
    }

    /// A member that must not be there.
    pub(super) fn absent(&mut self, place: &Place<'_>, name: &str, detail: &str) {
        if let Some(member) = place.get(name) {
            self.fault(&member, detail);
        }
    }

    /// Exactly one of two members.
    pub(super) fn one_of(&mut self, place: &Place<'_>, a: &str, b: &str) {
        match (place.get(a), place.get(b)) {
            (None, None) => self.fault(place, format!("must have “{a}” or “{b}”")),
            (Some(_), Some(_)) => self.fault(place, format!("must have only one of “{a}” and “{b}”")),
            _ => {}
        }
    }

    /// Reports the later ones of equal texts; those still to be filled in are not compared.
    pub(super) fn unique<'v>(&mut self, places: impl Iterator<Item = Place<'v>>, name: &str) {
        let mut seen = Vec::new();
        for place in places {
            let Some(text) = place.str(name).filter(|text| !self.is_open(text)) else { continue };
            if seen.contains(&text) {
                self.fault_in(&place, name, "must differ from the others");
            }
            seen.push(text);
        }
    }
}
