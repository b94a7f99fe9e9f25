//! Making the changes of a contact that a plugin asked for.

use super::ContactChange;
use crate::Contact;

impl ContactChange {
    /// Makes the changes. What they do not speak of stays as it is, so that it does not matter who else changes the
    /// contact.
    pub fn apply_to(&self, contact: &mut Contact) {
        let fields = [
            (&self.name, &mut contact.name),
            (&self.email, &mut contact.email),
            (&self.language, &mut contact.language),
            (&self.timezone, &mut contact.timezone),
        ];
        for (wanted, field) in fields {
            if let Some(wanted) = wanted {
                *field = Some(wanted.trim().to_owned()).filter(|text| !text.is_empty());
            }
        }
        contact.tags.retain(|tag| !self.remove_tags.iter().any(|gone| gone.trim() == tag));
        for tag in self.add_tags.iter().map(|tag| tag.trim()) {
            if !contact.tags.iter().any(|known| known == tag) {
                contact.tags.push(tag.to_owned());
            }
        }
        for (name, value) in &self.attributes {
            if value.is_null() {
                contact.attributes.remove(name);
            } else {
                contact.attributes.insert(name.clone(), value.clone());
            }
        }
    }
}
