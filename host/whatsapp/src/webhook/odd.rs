//! Pieces of payloads that are not as documented, by kind.

/// A piece of a payload that was not as documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// JSON pointer into the payload.
    pub at: String,
    /// What is odd about it.
    pub kind: OddKind,
}

/// What can be odd about a piece. Holds nothing personal: fit for logs and for the label of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum OddKind {
    /// Something else where an object belongs.
    NotAnObject,
    /// Something else where an array belongs.
    NotAnArray,
    /// A field that is needed is missing or no text.
    NotAText,
    /// A field that is needed is missing.
    Missing,
    /// Not of WhatsApp at all, by its `object`.
    NotWhatsApp,
    /// Of no phone number.
    NoNumber,
    /// A message from nobody who could be named.
    NoSender,
    /// A message without what its type promises.
    NoContent,
    /// A change of the field `messages` that holds nothing known.
    Empty,
    /// A delivery status of a kind that is not documented.
    UnknownStatus,
}

impl OddKind {
    /// All of them, each at its own number.
    pub const ALL: [Self; 10] = [
        Self::NotAnObject,
        Self::NotAnArray,
        Self::NotAText,
        Self::Missing,
        Self::NotWhatsApp,
        Self::NoNumber,
        Self::NoSender,
        Self::NoContent,
        Self::Empty,
        Self::UnknownStatus,
    ];

    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::NotAnArray => "not_an_array",
            Self::NotAText => "not_a_text",
            Self::Missing => "missing",
            Self::NotWhatsApp => "not_whatsapp",
            Self::NoNumber => "no_number",
            Self::NoSender => "no_sender",
            Self::NoContent => "no_content",
            Self::Empty => "empty",
            Self::UnknownStatus => "unknown_status",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_stands_at_its_own_number() {
        for (number, kind) in OddKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
