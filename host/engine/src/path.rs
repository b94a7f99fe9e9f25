//! Dotted paths: which variable a condition looks at, and where a value is stored.

use crate::limits::PATH_SEGMENTS;

/// First names of a path that are taken; anything else is a name of the state.
const ROOTS: [(&str, Root); Root::COUNT] = [
    ("state", Root::State),
    ("contact", Root::Contact),
    ("message", Root::Message),
    ("bot", Root::Bot),
    ("flow", Root::Flow),
    ("now", Root::Now),
];

/// What a variable belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// The flow's variables.
    State,
    /// The contact.
    Contact,
    /// The newest message.
    Message,
    /// The bot.
    Bot,
    /// The flow itself.
    Flow,
    /// The present.
    Now,
}

impl Root {
    /// How many there are.
    pub(crate) const COUNT: usize = 6;

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        ROOTS.iter().map(|(_, root)| *root)
    }

    /// The name it has in templates.
    pub(crate) fn name(self) -> &'static str {
        ROOTS.iter().find(|(_, root)| *root == self).map_or("", |(name, _)| name)
    }
}

/// A variable that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// What it belongs to.
    pub(crate) root: Root,
    /// Names and list indexes below the root; may be empty.
    pub(crate) segments: Vec<String>,
}

impl Variable {
    /// Reads `state.order.total`, `message.text`, `order.total` (of the state), `state.items.0.id`, `state.items[0].id`;
    /// all of them also in the double braces of a template.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bare = text.trim();
        let bare = bare.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(bare);
        let mut segments = split(bare.trim())?;
        match ROOTS.iter().find(|(name, _)| *name == segments[0]) {
            Some((_, root)) => {
                segments.remove(0);
                Ok(Self { root: *root, segments })
            }
            None => Ok(Self { root: Root::State, segments }),
        }
    }
}

impl std::fmt::Display for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.root.name())?;
        self.segments.iter().try_for_each(|segment| write!(f, ".{segment}"))
    }
}

/// A place in the state that can be written. Has at least one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    segments: Vec<String>,
}

impl Target {
    /// Reads `state.name` or `name`.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let variable = Variable::parse(text)?;
        if variable.root != Root::State {
            return Err(format!("only `state.…` can be set, not `{}`", variable.root.name()));
        }
        if variable.segments.is_empty() {
            return Err("names no variable: write `state.<name>`".to_owned());
        }
        Ok(Self { segments: variable.segments })
    }

    /// Names and list indexes below the state.
    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The place beside this one whose name has a suffix: `state.reply` and `_id` give `state.reply_id`.
    pub(crate) fn beside(&self, suffix: &str) -> Self {
        let mut segments = self.segments.clone();
        if let Some(last) = segments.last_mut() {
            last.push_str(suffix);
        }
        Self { segments }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "state.{}", self.segments.join("."))
    }
}

/// Cuts a dotted path into at least one segment, none of them empty.
///
/// # Errors
/// A sentence for people.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let dotted = text.replace('[', ".").replace(']', "");
    let segments: Vec<String> = dotted.split('.').map(str::to_owned).collect();
    if segments.iter().any(String::is_empty) {
        return Err(format!("`{text}` is no dotted path such as state.order.total"));
    }
    if let Some(odd) = dotted.chars().find(|c| c.is_whitespace() || c.is_control() || "{}()|\"'`,".contains(*c)) {
        return Err(format!("`{text}` is no dotted path such as state.order.total: it has {odd:?} in it"));
    }
    if segments.len() > PATH_SEGMENTS {
        return Err(format!("has more than {PATH_SEGMENTS} names"));
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_variable() {
        for (text, shown) in [
            ("state.user_response", "state.user_response"),
            ("user_response", "state.user_response"),
            (" {{ state.a.b }} ", "state.a.b"),
            ("state.items[0].id", "state.items.0.id"),
            ("message.text", "message.text"),
            ("now", "now"),
            ("état.été", "state.état.été"),
        ] {
            assert_eq!(Variable::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_path() {
        for text in ["", " ", "state.", ".a", "a..b", "a b", "state.x|int", "a}"] {
            assert!(Variable::parse(text).is_err(), "{text}");
        }
        let deep = vec!["a"; PATH_SEGMENTS + 1].join(".");
        assert!(Variable::parse(&deep).is_err());
        assert!(Variable::parse(&deep[2..]).is_ok());
    }

    #[test]
    fn only_the_state_can_be_written() {
        assert_eq!(Target::parse("name").unwrap().to_string(), "state.name");
        assert_eq!(Target::parse("state.a.b").unwrap().beside("_id").to_string(), "state.a.b_id");
        for text in ["contact.name", "message", "now", "state"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
